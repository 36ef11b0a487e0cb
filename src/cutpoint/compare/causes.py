"""Why a box of one variant is not among the other's: its cause, image by image."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from cutpoint.compare.follow import Followed, Key, what_changed
from cutpoint.decode.boxes import clip_boxes, scale_to_original
from cutpoint.decode.candidates import passes
from cutpoint.iou import box_iou
from cutpoint.matching import AGREEMENT_IOU, PAIR_IOU, match, pair_nearest
from cutpoint.recipes.steps.boxes import Clip
from cutpoint.recipes.steps.step import Rival
from cutpoint.records.model import Floor

# how far a graph or PyTorch may be from the recipe on the raw run's candidates and still mean the same box:
# original-image pixels, score
NEAR_BOX, NEAR_SCORE = 1.0, 0.01
BOX = ("x1", "y1", "x2", "y2")


@dataclass(frozen=True)
class View:
    """One image as one of the variants has it.

    ``boxes`` ``(N, 4)`` float64 ``x1, y1, x2, y2`` original-image pixels, ``scores`` ``(N,)``, ``categories``
    ``(N,)``, ``paired`` ``(N,)`` bool: has a partner at IoU 0.9; ``followed``: the recipe on its candidates,
    ``keys``: each box's candidate (null: not found), ``labels``: category id of each model class, ``floor``
    of its candidates.
    """

    boxes: np.ndarray
    scores: np.ndarray
    categories: np.ndarray
    paired: np.ndarray
    followed: Followed | None
    keys: Sequence[Key | None]
    labels: Sequence[int | None]
    floor: Floor | None


def explain_image(reference: View, variant: View) -> list[dict[str, Any]]:
    """One row a box without partner, see ``autopsy``, but ``image_id``."""
    forward = _find_partners(reference, variant)
    backward = {j: (i, step) for i, (j, step) in forward.items()}
    cases = []
    for side, ours, theirs, others in (
        ("reference", reference, variant, forward),
        ("variant", variant, reference, backward),
    ):
        for i in np.flatnonzero(~ours.paired).tolist():
            cases.append({"side": side, **_describe(i, ours), **_explain(i, ours, theirs, others.get(i))})
    return cases


def identify(
    boxes: np.ndarray,
    scores: np.ndarray,
    categories: np.ndarray,
    followed: Followed,
    labels: Sequence[int | None],
) -> list[Key | None]:
    """The candidate of each detection, one to one, nearest first; null where none is near.

    Args:
        boxes, scores, categories: ``(N, 4)`` original-image pixels, ``(N,)``, ``(N,)`` category ids.
        followed: the recipe on the image's candidates.
        labels: category id of each model class.
    """
    state, keys = followed.states[-1], list(followed.keys(-1))
    mapped = np.array([-1 if labels[label] is None else labels[label] for label in state.label.tolist()])
    moved = np.abs(boxes[:, None] - state.boxes[None].astype(np.float64)).max(-1) / NEAR_BOX
    changed = np.abs(scores[:, None] - state.score[None].astype(np.float64)) / NEAR_SCORE
    near = (moved <= 1) & (changed <= 1) & (categories[:, None] == mapped.reshape(1, -1))
    pairs = pair_nearest(moved + changed, near)
    chosen: list[Key | None] = [None] * len(boxes)
    for i, j in zip(pairs.left.tolist(), pairs.right.tolist(), strict=True):
        chosen[i] = keys[j]
    return chosen


def _find_partners(reference: View, variant: View) -> dict[int, tuple[int, str]]:
    """Of the reference's boxes without partner: the variant's box in its place, and what that is."""
    ours, theirs = np.flatnonzero(~reference.paired), np.flatnonzero(~variant.paired)
    found = {}

    def pair_up(left: np.ndarray, right: np.ndarray, iou: float, step: str) -> None:
        pairs = match(reference.boxes[left], reference.scores[left], variant.boxes[right], iou)
        for i, j in zip(left[pairs.left].tolist(), right[pairs.right].tolist(), strict=True):
            found[i] = (j, step)

    # of one category no two without partner overlap that much
    pair_up(ours, theirs, AGREEMENT_IOU, "label_changed")
    ours = ours[~np.isin(ours, list(found))]
    theirs = theirs[~np.isin(theirs, [j for j, _ in found.values()])]
    for category in np.unique(reference.categories[ours]):
        same = ours[reference.categories[ours] == category], theirs[variant.categories[theirs] == category]
        pair_up(*same, PAIR_IOU, "drifted")
    return found


def _describe(i: int, ours: View) -> dict[str, Any]:
    category = int(ours.categories[i])
    classes = [label for label, mapped in enumerate(ours.labels) if mapped == category]
    label = ours.keys[i][1] if ours.keys[i] else classes[0] if len(classes) == 1 else None
    box = dict(zip(BOX, ours.boxes[i].tolist(), strict=True))
    return {"category_id": category, "label": label, "score": float(ours.scores[i])} | box


def _explain(i: int, ours: View, theirs: View, other: tuple[int, str] | None) -> dict[str, Any]:
    own = ours.keys[i]
    found: dict[str, Any] = {"step": "not_followed"}
    if theirs.followed:
        alike = ours.followed is not None and ours.followed.geometry == theirs.followed.geometry
        key = own if own and alike else _overlapping(i, ours, theirs)
        value = own and _value(ours.followed, own, theirs.floor)
        found = {"step": "no_candidate", "value": value} if key is None else _fate(i, key, own, ours, theirs)
        found["followed_by"] = key and ("location" if own and alike else "overlap")
    if other and _is_replaced(found):
        found = found | {"step": other[1], "other": other[0]}
    place = found.pop("other", None)
    if place is not None:
        found |= {
            "other_category_id": int(theirs.categories[place]),
            "other_score": float(theirs.scores[place]),
            "other_iou": float(box_iou(ours.boxes[[i]], theirs.boxes[[place]])[0, 0]),
            "shift_px": float(np.abs(ours.boxes[i] - theirs.boxes[place]).max()),
        }
    return found


def _is_replaced(found: dict[str, Any]) -> bool:
    """Whether a box in its place says more than the step: the networks differ there, not the recipes."""
    if found["step"] == "threshold":
        return (
            None not in (found["value"], found["there"])
            and found["value"] - found["there"] >= found["margin"]
        )
    if found["step"] == "best_class":
        return found["by_otherwise"] == "best_class"
    return found["step"] in ("no_candidate", "graph", "not_followed")


def _fate(i: int, key: Key, own: Key | None, ours: View, theirs: View) -> dict[str, Any]:
    """What became of a candidate, and its numbers."""
    there = theirs.followed
    fate = there.fate(key)
    found: dict[str, Any] = {"prior": key[0], "step": fate.step, "number": fate.number, "margin": fate.margin}
    value = own and _value(ours.followed, own, theirs.floor)
    found |= {"value": value, "there": _value(there, key, theirs.floor)}
    if found["step"] == "no_candidate":
        fell = bool(passes(np.float32(value), theirs.floor.value, theirs.floor.inclusive))
        margin = value - theirs.floor.value
        return found | ({"margin": margin} if fell else {"step": "threshold", "margin": -margin})
    found["level"] = int(there.states[0].level[there.keys(0)[key]])
    if fate.by:
        found |= _by(fate.by, own, key, ours, there)
    if found["step"] != "kept":
        return found
    place = theirs.keys.index(key) if key in theirs.keys else None
    if place is None:
        return found | {"step": "graph"}
    near = box_iou(ours.boxes[[i]], theirs.boxes[[place]])[0, 0] >= AGREEMENT_IOU
    if near or (own != key and theirs.paired[place]):
        return found | {"step": "partner_taken", "other": place}
    clipped = there.clipped_below(key, 0, len(there.steps))
    if clipped is not None:
        return found | {"step": Clip.name, "number": clipped, "margin": 0.0}
    moved_by = what_changed(key, ours.followed, there).step if own == key else None
    return found | {"step": "drifted", "other": place, "moved_by": moved_by}


def _by(by: Rival, own: Key | None, key: Key, ours: View, there: Followed) -> dict[str, Any]:
    """The box that took the place, and what became of it on the side that keeps ours."""
    winner = (by.prior, by.label)
    geometry = there.geometry
    box = there.states[0].boxes[[there.keys(0)[winner]]]
    box = scale_to_original(box, geometry.scale_x, geometry.scale_y, "divide")[0]
    otherwise = ours.followed.fate(winner).step if own == key else None
    values = {**asdict(by), "otherwise": otherwise, **dict(zip(BOX, box.tolist(), strict=True))}
    return {f"by_{name}": value for name, value in values.items()}


def _value(followed: Followed, key: Key, floor: Floor) -> float | None:
    """What a floor is on, of a candidate; null where the store has not got it."""
    row, state = followed.keys(0).get(key), followed.states[0]
    if row is None:
        return None
    return float(state.score[row] * state.factor[row] if floor.quantity == "product" else state.score[row])


def _overlapping(i: int, ours: View, theirs: View) -> Key | None:
    """The candidate that stands for a box: of its category the best within IoU 0.9, else the nearest."""
    state, geometry = theirs.followed.states[0], theirs.followed.geometry
    classes = [label for label, mapped in enumerate(theirs.labels) if mapped == ours.categories[i]]
    rows = np.flatnonzero(np.isin(state.label, classes))
    if not len(rows):
        return None
    boxes = scale_to_original(state.boxes[rows], geometry.scale_x, geometry.scale_y, "divide")
    size = geometry.height, geometry.width
    iou = box_iou(clip_boxes(ours.boxes[[i]], *size), clip_boxes(boxes, *size))[0]
    score = np.where(iou >= AGREEMENT_IOU, state.score[rows] * state.factor[rows], iou - 1)
    best = int(score.argmax())
    return (int(state.prior[rows[best]]), int(state.label[rows[best]])) if iou[best] >= PAIR_IOU else None
