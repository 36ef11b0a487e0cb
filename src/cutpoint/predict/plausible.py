"""Whether the values of an external file can be what its layout says: each doubt with the key that mends it.

The functions return null if nothing speaks against the values.
"""

from dataclasses import dataclass, fields, replace
from typing import Literal

import numpy as np

# rounding of half precision and of quantised activations
SLACK = 2e-3
# the smallest and the largest value of a sigmoid of a probability
TWICE = (0.5, 0.7311)
# fractions of the rows
NEARLY_ALL, MOST, MANY, TOO_MANY = 0.98, 0.9, 0.3, 0.1
# with fewer rows nothing is said about boxes
LEAST_ROWS = 5
# boxes of this many rows of a picture are looked at, the ones with the highest scores
BEST_ROWS = 50
# a class without a name is not meant by a score below this
CLEAR_SCORE = 0.3


@dataclass(frozen=True)
class Rows:
    """Rows of boxes of several pictures.

    ``boxes``: ``(K, 4)`` x1, y1, x2, y2. ``frames``, ``originals``: ``(K, 2)`` width and height in pixels of
    the network's input and of the picture. ``content``: ``(K, 4)`` x1, y1, x2, y2 of the picture in the
    network's input, without padding. ``best``: ``(K,)`` bool, the rows with the highest scores of each
    picture.
    """

    boxes: np.ndarray
    frames: np.ndarray
    originals: np.ndarray
    content: np.ndarray
    best: np.ndarray

    def chosen(self, rows: np.ndarray) -> "Rows":
        """Some of the rows."""
        return Rows(*(getattr(self, field.name)[rows] for field in fields(self)))


def best_rows(scores: np.ndarray) -> np.ndarray:
    """Which rows of a picture have the highest scores; ``(K,)`` bool."""
    chosen = np.zeros(len(scores), bool)
    chosen[np.argsort(-scores, kind="stable")[:BEST_ROWS]] = True
    return chosen


def doubt_scores(scores: np.ndarray, cut: str, key: Literal["score", "factor"] = "score") -> str | None:
    """Doubts about probabilities.

    Args:
        scores: ``(K, C)``, or ``(K,)`` of detections and of factors, of all pictures.
        cut: where the file ends.
        key: the part of ``outputs`` that describes them.
    """
    if not scores.size:
        return None
    low, high = float(scores.min()), float(scores.max())
    span = f"lie from {low:.3g} to {high:.3g}"
    if low < -SLACK or high > 1 + SLACK:
        return f"{key}s {span}, not within 0 and 1: {_mend_range(scores, cut, key)}"
    if cut == "e2e" or len(scores) < LEAST_ROWS:
        return None
    if low >= TWICE[0] - SLACK and high <= TWICE[1] + SLACK:
        return f"{key}s {span}: a sigmoid was applied to probabilities: write outputs.{key}.activation: none"
    if high - low < SLACK:
        return (
            f"{key}s are all {low:.3g}, so they tell nothing apart: outputs.{key} is another tensor or other "
            "channels, or `input` is not what the network was trained on (divide_by, mean, std)"
        )
    has_classes = cut == "decoded" and scores.ndim > 1 and scores.shape[1] > 1
    return _doubt_sums(scores) if has_classes else None


def _doubt_sums(scores: np.ndarray) -> str | None:
    """Scores of classes do not sum to 1, since most locations show nothing."""
    if (np.abs(scores.sum(axis=1) - 1) < 10 * SLACK).mean() < NEARLY_ALL:
        return None
    means = scores.mean(axis=0)
    place = {0: "first", len(means) - 1: "last"}.get(int(means.argmax()), "first, or last")
    return (
        "the scores of each row sum to 1, so one of them is the background: write "
        f"outputs.score.background: {place}, and leave the background out of `classes`"
    )


def _mend_range(scores: np.ndarray, cut: str, key: str) -> str:
    whole = bool((scores == np.round(scores)).all())
    if cut == "e2e":
        if whole:
            return (
                "they are whole numbers, as labels are: exchange the channels of outputs.score and "
                "outputs.label, or name another layout"
            )
        return "outputs.score is another tensor or other channels; name another layout, or write outputs"
    if scores.min() >= 0 and scores.max() <= 100 + SLACK and not whole:
        return f"they are no logits either: outputs.{key} is another tensor or other channels"
    if cut == "raw":
        return f"they are logits: write outputs.{key}.activation: sigmoid"
    sigmoid = f"write outputs.{key}.activation: sigmoid"
    more = ", or softmax if one of them is the background" if key == "score" else ""
    return f"they are logits: {sigmoid}{more}"


def doubt_labels(labels: np.ndarray, scores: np.ndarray, classes: tuple[str, ...]) -> str | None:
    """Doubts about the labels of detections.

    Args:
        labels, scores: ``(K,)`` of all pictures; the label is the index into ``classes``.
        classes: names; the empty text for a label without a class.
    """
    if not len(labels):
        return None
    last, low, high = len(classes) - 1, int(labels.min()), int(labels.max())
    if low >= 0 and high <= last:
        nameless = [int(label) for label in np.unique(labels[scores >= CLEAR_SCORE]) if not classes[label]]
        if not nameless:
            return None
        return (
            f"labels has {nameless[0]}, which has no name in `classes`: the labels are no ids with gaps: "
            "write the classes in order (coco80 for COCO's)"
        )
    said = f"labels lie from {low} to {high}, and the model's {last + 1} classes are 0 to {last}"
    if low >= 1 and high == last + 1:
        return f"{said}: write outputs.label.offset: 1"
    if low < 0:
        return f"{said}: outputs.label.offset is too large, or the first class is not the file's"
    if last + 1 == 80 and high <= 90:
        return f"{said}: if they are COCO's category ids, write classes: coco91"
    return f"{said}: `classes` lacks names, or outputs.label is another tensor or other channels"


def doubt_classes(scores: np.ndarray, classes: tuple[str, ...]) -> str | None:
    """Whether labels without a name get clear scores.

    Args:
        scores: ``(K, C)`` of all pictures.
        classes: C names.
    """
    nameless = [label for label, name in enumerate(classes) if not name]
    if not nameless or not len(scores):
        return None
    highest = scores[:, nameless].max(axis=0)
    if highest.max() < CLEAR_SCORE:
        return None
    return (
        f"label {nameless[int(highest.argmax())]} has a score of {highest.max():.2f} and no name in "
        "`classes`: the labels are no ids with these gaps: write the classes in order (coco80 for COCO's)"
    )


def doubt_boxes(rows: Rows) -> str | None:
    """Doubts about corners in pixels of the network's input."""
    if len(rows.boxes) < LEAST_ROWS:
        return None
    sized = np.any(rows.boxes != rows.boxes[:, :1], axis=1)  # rows of padding have no size
    if sized.sum() < LEAST_ROWS:
        return NO_AREA
    rows = rows.chosen(sized)
    doubt = _doubt_small(rows)
    if doubt or rows.best.sum() < LEAST_ROWS:
        return doubt
    rows = rows.chosen(rows.best)
    return _doubt_corners(rows) or _doubt_place(rows) or _doubt_axes(rows)


NO_AREA = (
    "boxes have no area: outputs.box is another tensor or other channels, or they are decoded already: name "
    "another layout"
)
OTHER = "outputs.box is another tensor or other channels"


def _doubt_small(rows: Rows) -> str | None:
    """Fractions of the frame, and offsets that are not decoded, are small numbers."""
    boxes, frames = rows.boxes, rows.frames
    if frames.min() < 64:
        return None
    if ((boxes > -0.1) & (boxes < 1.1)).all(axis=1).mean() >= NEARLY_ALL:
        return "boxes lie within 0 and 1: they are fractions of the frame: write outputs.box.normalised: true"
    reach = np.abs(boxes).max(axis=1) / frames.min(axis=1)
    if np.quantile(reach, NEARLY_ALL) >= 0.1:
        return None
    return (
        f"boxes lie from {boxes.min():.3g} to {boxes.max():.3g}, far from filling {_frame(rows)}: they are "
        "offsets that are not decoded: name a layout that decodes them (yolox, nanodet), or export the file "
        "with its decoding"
    )


def _doubt_corners(rows: Rows) -> str | None:
    """Centre and size are no corners, and corners no centre and size."""
    sizes = rows.boxes[:, 2:] - rows.boxes[:, :2]
    middles = (rows.boxes[:, :2] + rows.boxes[:, 2:]) / 2
    # x2 > x1 of corners; within the frame the middle of a box is at least half its size
    as_corners = (sizes > middles) & (sizes < 1.1 * rows.frames)
    if as_corners.all(axis=1).mean() >= MOST and _outside(rows, 0.05).mean() >= TOO_MANY:
        return "boxes are corners, read as centre and size: write outputs.box.format: xyxy"
    turned = (sizes < 0).any(axis=1).mean()
    if turned >= TOO_MANY:
        said = f"{turned:.0%} of the boxes have x2 < x1 or y2 < y1"
        centre, size = rows.boxes[:, :2], rows.boxes[:, 2:]
        corners = np.concatenate([centre - size / 2, centre + size / 2], axis=1)
        fits = (size > 1).all(axis=1) & ~_outside(replace(rows, boxes=corners))
        if fits.mean() < 1 - MANY:
            return f"{said}: {OTHER}"
        return f"{said}: they are centre and size, not corners: write outputs.box.format: cxcywh"
    return NO_AREA if (sizes <= 0).any(axis=1).mean() >= MANY else None


def _doubt_place(rows: Rows) -> str | None:
    """Boxes of objects lie within the frame."""
    boxes, frames = rows.boxes, rows.frames
    if (np.abs(boxes).max(axis=1) > 5 * frames.max(axis=1)).mean() >= TOO_MANY:
        return (
            f"boxes reach {np.abs(boxes).max():.3g} pixels in {_frame(rows)}: they are pixels already "
            "(remove outputs.box.normalised), or decoded already (name another layout, for yolox "
            "yolox-decoded)"
        )
    outside = _outside(rows)
    if outside.mean() < TOO_MANY:
        return None
    largest = rows.originals.max(axis=0)
    within = (boxes[:, 2:] <= 1.02 * largest).all(axis=1) & (boxes[:, :2] >= -0.02 * largest).all(axis=1)
    said = f"{outside.mean():.0%} of the boxes leave {_frame(rows)}"
    if (outside & within).sum() >= 0.9 * outside.sum():
        return (
            f"{said} and fit the pictures: they are pixels of the original image: write network_wh in "
            "`constants` for the input that takes the image's size, or export the file without its own "
            "rescaling"
        )
    if outside.mean() < MANY:
        return None
    return f"{said}: {OTHER}, or its format is not the file's"


def _doubt_axes(rows: Rows) -> str | None:
    """Boxes with x and y exchanged lie in the padding of a letterbox, and not if they are exchanged again."""
    centres = (rows.boxes[:, :2] + rows.boxes[:, 2:]) / 2
    padding, exchanged = (
        ((values < rows.content[:, :2]) | (values > rows.content[:, 2:])).any(axis=1).mean()
        for values in (centres, centres[:, ::-1])
    )
    if padding < TOO_MANY or exchanged > padding / 5:
        return None
    return (
        f"{padding:.0%} of the boxes lie in the padding, and not with x and y exchanged: write "
        "outputs.box.format: yxyx, or xyxy if it is yxyx"
    )


def _outside(rows: Rows, margin: float = 0.1) -> np.ndarray:
    """Which boxes leave the frame by more than a fraction of it."""
    over = np.maximum(-rows.boxes[:, :2], rows.boxes[:, 2:] - rows.frames) / rows.frames
    found: np.ndarray = (over > margin).any(axis=1)
    return found


def _frame(rows: Rows) -> str:
    return f"a frame of {rows.frames[0, 1]:.0f}x{rows.frames[0, 0]:.0f}"
