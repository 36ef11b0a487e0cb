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
class Store:
    """The candidates of one image: the recipe that was run on them, and their floor."""

    followed: Followed
    floor: Floor

    def value(self, key: Key | None, floor: Floor) -> float | None:
        """What a floor is on, of a candidate; null where there is none of that key."""
        row, state = None if key is None else self.followed.keys(0).get(key), self.followed.states[0]
        if row is None:
            return None
        return float(state.score[row] * (state.factor[row] if floor.quantity == "product" else 1))


@dataclass(frozen=True)
class View:
    """One image as one of the variants has it.

    ``boxes`` ``(N, 4)`` float64 ``x1, y1, x2, y2`` original-image pixels, ``scores`` ``(N,)``, ``categories``
    ``(N,)``, ``paired`` ``(N,)`` bool: has a partner at IoU 0.9; ``labels``: category id of each model class;
    ``store``: its candidates, null without; ``keys``: of each box its candidate, null where none is near.
    """

    boxes: np.ndarray
    scores: np.ndarray
    categories: np.ndarray
    paired: np.ndarray
    labels: Sequence[int | None]
    store: Store | None
    keys: Sequence[Key | None]


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
    own = ours.keys[i]
    label = own[1] if own else classes[0] if len(classes) == 1 else None
    box = dict(zip(BOX, ours.boxes[i].tolist(), strict=True))
    return {"category_id": category, "label": label, "score": float(ours.scores[i])} | box


def _explain(i: int, ours: View, theirs: View, other: tuple[int, str] | None) -> dict[str, Any]:
    own, there = ours.keys[i], theirs.store
    case: dict[str, Any] = {"step": "not_followed"}
    if there:
        alike = ours.store is not None and ours.store.followed.geometry == there.followed.geometry
        own_there = own if alike else None
        key = own_there or _overlapping(i, ours, theirs, there.followed)
        if key:
            case = _fate(i, key, ours, theirs, there)
            case["followed_by"] = "location" if own_there else "overlap"
        else:
            case = {"step": "no_candidate", "value": ours.store and ours.store.value(own, there.floor)}
    if other and _is_replaced(case):
        case = case | {"step": other[1], "other": other[0]}
    place = case.pop("other", None)
    if place is not None:
        case |= {
            "other_category_id": int(theirs.categories[place]),
            "other_score": float(theirs.scores[place]),
            "other_iou": float(box_iou(ours.boxes[[i]], theirs.boxes[[place]])[0, 0]),
            "shift_px": float(np.abs(ours.boxes[i] - theirs.boxes[place]).max()),
        }
    return case


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


def _fate(i: int, key: Key, ours: View, theirs: View, there: Store) -> dict[str, Any]:
    """What became of a candidate there, and its numbers."""
    own, followed, floor = ours.keys[i], there.followed, there.floor
    fate = followed.fate(key)
    value = ours.store.value(own, floor) if ours.store else None
    case: dict[str, Any] = {"prior": key[0], "step": fate.step, "number": fate.number, "margin": fate.margin}
    case |= {"value": value, "there": there.value(key, floor)}
    if fate.step == "no_candidate":
        assert value is not None  # the key is the side's own: it is not among theirs
        fell = bool(passes(np.array(value, np.float32), floor.value, floor.inclusive))
        margin = value - floor.value
        return case | ({"margin": margin} if fell else {"step": "threshold", "margin": -margin})
    case["level"] = int(followed.states[0].level[followed.keys(0)[key]])
    before = ours.store.followed if ours.store and own == key else None
    if fate.by:
        case |= _by(fate.by, before, followed)
    if fate.step != "kept":
        return case
    place = theirs.keys.index(key) if key in theirs.keys else None
    if place is None:
        return case | {"step": "graph"}
    near = box_iou(ours.boxes[[i]], theirs.boxes[[place]])[0, 0] >= AGREEMENT_IOU
    if near or (own != key and theirs.paired[place]):
        return case | {"step": "partner_taken", "other": place}
    clipped = followed.clipped_below(key, 0, len(followed.steps))
    if clipped is not None:
        return case | {"step": Clip.name, "number": clipped, "margin": 0.0}
    moved_by = what_changed(key, before, followed).step if before else None
    return case | {"step": "drifted", "other": place, "moved_by": moved_by}


def _by(by: Rival, before: Followed | None, there: Followed) -> dict[str, Any]:
    """The box that took the place, and what became of it on the side that keeps ours, if that is known."""
    winner = (by.prior, by.label)
    geometry = there.geometry
    box = there.states[0].boxes[[there.keys(0)[winner]]]
    box = scale_to_original(box, geometry.scale_x, geometry.scale_y, "divide")[0]
    otherwise = before.fate(winner).step if before else None
    values = {**asdict(by), "otherwise": otherwise, **dict(zip(BOX, box.tolist(), strict=True))}
    return {f"by_{name}": value for name, value in values.items()}


def _overlapping(i: int, ours: View, theirs: View, there: Followed) -> Key | None:
    """The candidate that stands for a box: of its category the best within IoU 0.9, else the nearest."""
    state, geometry = there.states[0], there.geometry
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
