"""What each number is: its formula, who computes it, and whether it compares with a leaderboard.

The page and docs/numbers.md show these texts and have no others.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from cutpoint.records.summary import SummaryRow

COCO, OWN = "pycocotools (COCOeval, bbox)", "Cutpoint"
FROM_COCO = "Cutpoint, from AP of pycocotools"
TIDE = "Cutpoint, after TIDE (Bolya et al. 2020)"


@dataclass(frozen=True)
class Number:
    """A number of the report.

    Attributes:
        heads: the heads of its columns; ``*`` stands for any text.
        formula: what it is, in words and with its unit.
        made_by: who computes it.
        comparable: whether it is a number of leaderboards; see ``obstacles``.
    """

    heads: tuple[str, ...]
    formula: str
    made_by: str = OWN
    comparable: bool = False

    @property
    def title(self) -> str:
        return ", ".join(
            head.replace("[[]", "[").replace("[0-9]", "").replace("*", "…") for head in self.heads
        )


NUMBERS = {
    "ap": Number(
        ("AP",),
        "Average precision, a fraction: the mean over the categories and over the IoU thresholds 0.50, 0.55 "
        "to 0.95. Each is the mean of the interpolated precision at 101 recalls. All areas, at most 100 "
        "detections per image, every image of the data set. AP of a class: of this category alone.",
        COCO,
        comparable=True,
    ),
    "ap50": Number(("AP50",), "AP at the one IoU threshold 0.50, a fraction.", COCO, comparable=True),
    "ap75": Number(("AP75",), "AP at the one IoU threshold 0.75, a fraction.", COCO, comparable=True),
    "delta-ap": Number(
        ("ΔAP", "ΔAP, reference"),
        "AP of the variant - AP of the reference, on the same images. Its 95 % interval is a paired "
        "bootstrap: 1000 resamples of the images, the same for all variants, each scored as COCO does.",
        FROM_COCO,
    ),
    "delta-ap-rung": Number(
        ("ΔAP, rung before",),
        "AP of the rung - AP of the rung before it, with the 95 % interval of the paired bootstrap.",
        FROM_COCO,
    ),
    "delta-ap-alone": Number(
        ("ΔAP, change alone",),
        "ΔAP of the variant that differs from the reference only in this rung's change.",
        FROM_COCO,
    ),
    "delta-ap-size": Number(
        ("small", "medium", "large"),
        "ΔAP over the objects of one size: area under 32², from 32² to 96², over 96² pixels.",
        FROM_COCO,
    ),
    "different": Number(
        ("different",),
        "Whether ΔAP of the class differs from 0. Over a variant's classes and sizes, at most 5 % of the "
        "marks are expected to be false (false discovery rate).",
    ),
    "verdict": Number(
        ("verdict",),
        "The first that is true. Lossless: every detection has a partner on the other side. Equivalent: the "
        "90 % interval of ΔAP lies within the margin. Different: 0 lies outside the 95 % interval. "
        "Inconclusive: there are too few images.",
    ),
    "agreement": Number(
        ("agreement", "IoU *"),
        "2 x matched / (reference's + variant's detections), a fraction. Matched: same class, IoU at least "
        "0.9 or the one in the head, one to one.",
    ),
    "unmatched": Number(
        ("missing", "extra"),
        "The reference's detections (missing) and the variant's (extra) without a partner of the same class "
        "at IoU 0.5.",
    ),
    "pair-drift": Number(
        ("score p50", "score p99", "score max", "px p50", "px p99", "px max"),
        "Over the pairs at IoU 0.5: the absolute difference of the two scores, and of the coordinate that "
        "moved most (pixels of the original image). Percentiles and maximum.",
    ),
    "agreement-f1": Number(
        ("best F1", "from score"),
        "The reference's detections taken as the truth: the highest F1 at IoU 0.9 over score thresholds, and "
        "the lowest threshold that has it.",
    ),
    "autopsy": Number(
        ("in all",),
        "Detections without a partner at IoU 0.9: the reference's, missing in the variant / the variant's, "
        "extra. Each is followed through the steps of the other side to the one that removed it.",
    ),
    "precision": Number(
        ("precision", "recall", "F1"),
        "At one score threshold. Precision: correct / all detections. Recall: found / all objects. F1: their "
        "harmonic mean. Correct: same class, IoU at least 0.5, one to one, without crowds.",
    ),
    "boxes-per-image": Number(
        ("boxes per image",), "Detections at or above the score threshold / images, also those without any."
    ),
    "regains": Number(
        ("regains the recall at",),
        "The highest score threshold at which the variant has the reference's recall at its best F1.",
    ),
    "errors": Number(
        ("class", "localization", "both", "duplicate", "background", "missed"),
        "Number of errors at IoU 0.5, each detection in one kind; see Method. In brackets the change from "
        "the reference.",
        TIDE,
    ),
    "score-drift": Number(
        ("from [0-9]*",),
        "Mean of the variant's score - the reference's over pairs of the same class at IoU 0.5, of the pairs "
        "whose reference score lies in the bin.",
    ),
    "latency": Number(
        ("p50 [[]ms]", "p99 [[]ms]", "total p50", "p90", "p95", "p99", "mean"),
        "Time of one image from its file to its detections, ms: median, percentiles and mean over all n "
        "samples after warm-up. The same threads for all variants. It holds for this machine.",
    ),
    "latency-stage": Number(
        ("decode", "preprocess", "host to device", "inference", "device to host", "postprocess"),
        "Median time of one stage, ms. Medians do not add up exactly.",
    ),
    "latency-delta": Number(
        ("Δ p50 [[]ms]", "difference from the reference"),
        "Median latency - the reference's (ladder: the rung before), ms, from blocks of images that ran one "
        "after the other. The 95 % interval is a bootstrap over these blocks.",
    ),
    "images-per-s": Number(("images/s",), "Images per second with several images overlapped."),
    "model-mb": Number(("model [[]MB]",), "Size of the ONNX file, 10⁶ bytes."),
    "without-detections": Number(
        ("images without detections",), "Images on which the variant has no detection at all."
    ),
    "skipped": Number(
        ("images skipped",),
        "Images that cannot be read. They are part of no number; on_bad_image: skip asks for it.",
    ),
    "left-out": Number(
        ("categories left out", "boxes left out"),
        "Categories that the model has no class for, and their boxes. They are not scored.",
    ),
    "tensor-difference": Number(
        ("tensors", "max abs", "max rel", "cosine", "matched", "PyTorch's own max abs"),
        "Outputs of the ONNX file against PyTorch's on the same input: the largest absolute and relative "
        "difference, the cosine of the two, and the fraction of matched rows where rows are ranked.",
    ),
    "mistake": Number(
        ("distance", "match rate"),
        "Distance: root mean square over the features, in standard deviations. Match rate: the fraction of "
        "detections that the mistake alone gives too.",
    ),
    "outside": Number(("fraction outside",), "Fraction of the tensor's values outside the int8 range."),
}


def number_of(head: str) -> str | None:
    """The key in ``NUMBERS`` of a column's head; null if the head says all."""
    found = (key for key, number in NUMBERS.items() for like in number.heads if fnmatchcase(head, like))
    return next(found, None)


def obstacles(rows: Sequence[SummaryRow], dataset: Mapping[str, Any]) -> list[str]:
    """Why AP of a data set and model does not compare with a leaderboard on this data set; empty if it does.

    Args:
        rows: its rows of summary.csv.
        dataset: the data set's part of the resolved config.
    """
    found = []
    if all(row.AP is None for row in rows):
        found.append("it has no AP")
    if dataset.get("limit") is not None:
        found.append(f"limit {dataset['limit']}: not all images are scored")
    if dataset.get("invalid_boxes") == "drop":
        found.append("invalid_boxes drop: pycocotools counts them as missed")
    skipped = max((row.images_skipped or 0 for row in rows), default=0)
    if skipped:
        found.append(f"{skipped} images cannot be read and are not scored")
    left_out = max((row.categories_left_out or 0 for row in rows), default=0)
    if left_out:
        boxes = max(row.boxes_left_out or 0 for row in rows)
        found.append(f"{left_out} categories with {boxes} boxes are not scored")
    return found


def as_markdown() -> str:
    """The numbers as the Markdown table of docs/numbers.md."""
    heads = ("number", "what it is", "computed by", "leaderboard")
    lines = [heads, ("---",) * len(heads)]
    for number in NUMBERS.values():
        lines.append((number.title, number.formula, number.made_by, "yes" if number.comparable else "no"))
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
