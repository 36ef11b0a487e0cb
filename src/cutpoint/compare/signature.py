"""The signature of a set of detections relative to the reference: sums per image, and features from sums.

Sums add up over images, so the features of any subset or resample of the images are quick to compute.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from cutpoint.compare.bootstrap import mean_ap
from cutpoint.evaluate.average_precision import weighted_ap
from cutpoint.evaluate.matches import match_images
from cutpoint.iou import box_iou
from cutpoint.matching import find_partners, group_rows
from cutpoint.records.detections import Results
from cutpoint.records.manifest import Image
from cutpoint.records.truth import GroundTruth

# detections of the reference with at least this score are looked for in the other set ...
CONFIDENT = 0.3
# ... and their partner has at least this IoU, in any class: mistakes move boxes and change classes
PARTNER_IOU = 0.3
SCORE_EDGES = (0.1, 0.2, 0.3, 0.5, 0.7, 0.9)
# areas of COCO, original-image pixels
SIZES = {"small": (0, 32**2), "medium": (32**2, 96**2), "large": (96**2, np.inf)}
SHIFTS = ("x", "y", "w", "h")
# the sum that counts the boxes for each
AP_NAMES = {"AP": "boxes"} | {f"AP_{size}": f"boxes_{size}" for size in SIZES}
# below this AP of the reference there is no ratio: a few boxes would decide it
LEAST_AP = 0.05
# smaller differences in a feature (fraction) come from other libraries and rounding, not from a mistake
HARMLESS = 0.003

Boxes = tuple[np.ndarray, np.ndarray, np.ndarray]
EMPTY: Boxes = (np.zeros((0, 4)), np.zeros(0), np.zeros(0, dtype=np.int64))


class Signatures:
    """Measures sets of detections relative to one reference, on the same images and resamples of them."""

    def __init__(
        self,
        reference: Results,
        images: Sequence[Image],
        categories: Sequence[int],
        truth: GroundTruth | None,
        weights: np.ndarray | None = None,
    ) -> None:
        """Keep the reference's side.

        Args:
            reference: its detections; those of other images are left out.
            images: the N images, of the manifest: ``id, width, height``.
            categories: ids of the model's categories in class order.
            truth: the ground truth of these images and others; null without. Then there are no AP features.
            weights: ``(N, R)`` integers, how often each image is taken, in ascending order of the ids; null:
                once.
        """
        self._images = sorted(images, key=lambda image: image.id)
        self._ids = [image.id for image in self._images]
        self._number = {category: index for index, category in enumerate(dict.fromkeys(categories))}
        self._weights = np.ones((len(self._ids), 1), dtype=np.int64) if weights is None else weights
        self._reference = _by_image(reference, self._number)
        self._truth = None if truth is None else truth.of_images(self._ids)
        self._ap = None if self._truth is None else self._mean_ap(self._truth, reference)

    def measure(self, variant: Results) -> tuple[dict[str, np.ndarray], dict[str, float]]:
        """The features of a set of detections, and how much a single box can change each one.

        Args:
            variant: the detections.

        Returns:
            first ``(R,)`` float64 each, fractions: ``found...``: the fraction of the reference's confident
            detections that have a partner; ``same_class``, ``class_plus_one``, ``class_minus_one``: fractions
            of the partners; ``score_low``, ``score_high``: mean change of the partners' scores, for reference
            scores below and above 0.6; ``score_spread``: its mean absolute value; ``shift_...`` and
            ``spread_...``: mean and mean absolute move of the partners' centre in box sizes, and change of
            the log of width and height; ``slope_...``: move of the centre in proportion to its place;
            ``detections``, ``confident``: log ratio of the numbers; ``scores_from_...``: fraction of all
            detections with at least this score; ``mean_...``: place (in image sizes) and log size (px) of the
            confident detections, variant - reference; ``AP...``: AP / AP of the reference, by object size.
            Then the smallest error of each.
        """
        own = _by_image(variant, self._number)
        rows = [
            _sums(self._reference.get(image.id, EMPTY), own.get(image.id, EMPTY), image)
            for image in self._images
        ]
        values = np.array([list(row.values()) for row in rows], dtype=np.float64)
        resampled = _features(dict(zip(rows[0], values.T @ self._weights, strict=True)))
        once = dict(zip(rows[0], values.sum(axis=0), strict=True))
        found = {name: feature for name, (feature, _) in resampled.items()}
        counted = {name: count for name, (_, count) in resampled.items()}
        if self._truth is not None and self._ap is not None:
            ratio = self._mean_ap(self._truth, variant) / np.maximum(self._ap, LEAST_AP)
            found |= {name: ratio[:, index] for index, name in enumerate(AP_NAMES)}
            counted |= AP_NAMES
        return found, {name: max(float(1 / (once[count] + 1)), HARMLESS) for name, count in counted.items()}

    def _mean_ap(self, truth: GroundTruth, results: Results) -> np.ndarray:
        """``(R, 4)``: AP over the classes that have objects, 0 without any."""
        means: np.ndarray = np.nan_to_num(mean_ap(weighted_ap(match_images(truth, results), self._weights)))
        return means


def _by_image(results: Results, number: dict[int, int]) -> dict[int, Boxes]:
    """Corners ``(N, 4)``, scores and class numbers ``(N,)`` of each image."""
    # a category that the model does not have is far from all of the model's categories
    labels = np.array([number.get(category, -9) for category in results.category_id.tolist()], dtype=np.int64)
    parts = results.corners, results.score, labels
    rows = group_rows(results.image_id)
    return {image: (parts[0][own], parts[1][own], parts[2][own]) for image, own in rows.items()}


def _sums(reference: Boxes, variant: Boxes, image: Image) -> dict[str, float]:
    boxes, scores, labels = (part[reference[1] >= CONFIDENT] for part in reference)
    overlap = box_iou(boxes, variant[0])
    # among boxes at the same place, the one with the highest score
    partner = find_partners(np.where(overlap >= PARTNER_IOU, overlap * variant[1], 0)).index
    has = partner >= 0
    best = partner[has]
    there, other_scores, other_labels = (part[best] for part in variant)
    here, size = boxes[has], boxes[:, 2:] - boxes[:, :2]
    area = size.prod(axis=1)
    sums: dict[str, float] = {"boxes": len(boxes), "partners": has.sum()}
    for name, (low, high) in SIZES.items():
        inside = (area >= low) & (area < high)
        sums |= {f"boxes_{name}": inside.sum(), f"partners_{name}": (inside & has).sum()}

    step, drift, unsure = other_labels - labels[has], other_scores - scores[has], scores[has] < 0.6
    sums |= {f"step_{name}": (step == by).sum() for name, by in (("same", 0), ("plus", 1), ("minus", -1))}
    sums |= {"low": unsure.sum(), "high": (~unsure).sum(), "drift_low": drift[unsure].sum()}
    sums |= {"drift_high": drift[~unsure].sum(), "drift": np.abs(drift).sum()}
    frame = np.array([image.width, image.height])
    move = _centre(there) - _centre(here)
    change = np.hstack([move / size[has], _log_size(there) - _log_size(here)])
    for name, column in zip(SHIFTS, change.T, strict=True):
        sums |= {f"shift_{name}": column.sum(), f"spread_{name}": np.abs(column).sum()}
    for name, moved, place in zip("xy", (move / frame).T, (_centre(here) / frame).T, strict=True):
        sums |= {f"moment_{name}": (moved * place).sum(), f"square_{name}": (place**2).sum()}

    for side, (corners, values, _) in {"own": reference, "other": variant}.items():
        sums[f"{side}_all"] = len(values)
        sums |= {f"{side}_from_{edge}": (values >= edge).sum() for edge in SCORE_EDGES}
        strong = corners[values >= CONFIDENT]
        for name, column in zip(
            SHIFTS, np.hstack([_centre(strong) / frame, _log_size(strong)]).T, strict=True
        ):
            sums[f"{side}_mean_{name}"] = column.sum()
    return sums


def _centre(boxes: np.ndarray) -> np.ndarray:
    centre: np.ndarray = (boxes[:, :2] + boxes[:, 2:]) / 2
    return centre


def _log_size(boxes: np.ndarray) -> np.ndarray:
    """``(N, 2)``; a side below a pixel counts as one."""
    logs: np.ndarray = np.log(np.maximum(boxes[:, 2:] - boxes[:, :2], 1))
    return logs


def _features(sums: Mapping[str, np.ndarray]) -> dict[str, tuple[np.ndarray, str]]:
    """Every feature from sums, and the name of the sum that counts its boxes."""

    def share(part: str, whole: str) -> tuple[np.ndarray, str]:
        # one more in the denominator, so that the result is 0 without any box
        return sums[part] / (sums[whole] + 1), whole

    def difference(part: str, whole: str) -> tuple[np.ndarray, str]:
        ours, theirs = share(f"other_{part}", f"other_{whole}"), share(f"own_{part}", f"own_{whole}")
        return ours[0] - theirs[0], f"own_{whole}"

    found = {"found": share("partners", "boxes")}
    found |= {f"found_{name}": share(f"partners_{name}", f"boxes_{name}") for name in SIZES}
    steps = {"same_class": "same", "class_plus_one": "plus", "class_minus_one": "minus"}
    found |= {name: share(f"step_{step}", "partners") for name, step in steps.items()}
    found |= {f"score_{part}": share(f"drift_{part}", part) for part in ("low", "high")}
    found["score_spread"] = share("drift", "partners")
    for name in SHIFTS:
        found[f"shift_{name}"] = share(f"shift_{name}", "partners")
        found[f"spread_{name}"] = share(f"spread_{name}", "partners")
    found |= {f"slope_{axis}": share(f"moment_{axis}", f"square_{axis}") for axis in "xy"}
    strong = f"from_{CONFIDENT}"
    for name, number in {"detections": "all", "confident": strong}.items():
        ratio = (sums[f"other_{number}"] + 1) / (sums[f"own_{number}"] + 1)
        found[name] = np.log(ratio), f"own_{number}"
    found |= {f"scores_from_{edge}": difference(f"from_{edge}", "all") for edge in SCORE_EDGES}
    return found | {f"mean_{name}": difference(f"mean_{name}", strong) for name in SHIFTS}
