"""The cause why a box of one variant is missing in the other, image by image."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from cutpoint.compare.follow import Followed, Key, what_changed
from cutpoint.compare.missing import why_missing
from cutpoint.decode.boxes import clip_boxes, scale_to_original
from cutpoint.iou import box_iou
from cutpoint.matching import AGREEMENT_IOU, PAIR_IOU, match, pair_nearest
from cutpoint.recipes.steps.boxes import Clip
from cutpoint.recipes.steps.step import Rival
from cutpoint.records.autopsy import AutopsyRow
from cutpoint.records.head import Floor

# a graph or PyTorch may differ this much from the recipe on the raw run's candidates for the same box:
# original-image pixels, score
NEAR_BOX, NEAR_SCORE = 1.0, 0.01


@dataclass(frozen=True)
class Store:
    """The candidates of one image: the recipe that was run on them, and their floor.

    ``places``: what their priors count. Equal priors are the same location only in stores with equal values.
    ``chosen``: whether the network chooses its locations, so that one side may lack a location of the other.
    """

    followed: Followed
    floor: Floor
    places: Hashable
    chosen: bool = False

    def value(self, key: Key | None, floor: Floor) -> float | None:
        """A candidate's value in the quantity of the floor; null if there is no candidate with this key."""
        row, state = None if key is None else self.followed.keys(0).get(key), self.followed.states[0]
        if row is None:
            return None
        return float(state.score[row] * (state.factor[row] if floor.quantity == "product" else 1))


@dataclass(frozen=True)
class View:
    """One image on one side.

    ``boxes`` ``(N, 4)`` float64 ``x1, y1, x2, y2`` original-image pixels, ``scores`` ``(N,)``, ``categories``
    ``(N,)``, ``paired`` ``(N,)`` bool: has a partner at IoU 0.9; ``labels``: category id of each model class;
    ``store``: its candidates, or null; ``keys``: the candidate of each box, null if none is near.
    """

    boxes: np.ndarray
    scores: np.ndarray
    categories: np.ndarray
    paired: np.ndarray
    labels: Sequence[int | None]
    store: Store | None
    keys: Sequence[Key | None]


def explain_image(image_id: int, reference: View, variant: View) -> list[AutopsyRow]:
    """One row per box without a partner, see ``autopsy``."""
    forward = _find_partners(reference, variant)
    backward = {j: (i, step) for i, (j, step) in forward.items()}
    rows = []
    for side, ours, theirs, others in (
        ("reference", reference, variant, forward),
        ("variant", variant, reference, backward),
    ):
        for i in np.flatnonzero(~ours.paired).tolist():
            rows.append(_explain(_describe(image_id, side, i, ours), i, ours, theirs, others.get(i)))
    return rows


def identify(
    boxes: np.ndarray,
    scores: np.ndarray,
    categories: np.ndarray,
    followed: Followed,
    labels: Sequence[int | None],
) -> list[Key | None]:
    """The candidate of each detection, one to one, nearest first; null if none is near.

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
    """For the reference's boxes without a partner: the variant's box in its place, and the kind of change."""
    ours, theirs = np.flatnonzero(~reference.paired), np.flatnonzero(~variant.paired)
    found: dict[int, tuple[int, str]] = {}

    def pair_up(left: np.ndarray, right: np.ndarray, iou: float, step: str) -> None:
        pairs = match(reference.boxes[left], reference.scores[left], variant.boxes[right], iou)
        for i, j in zip(left[pairs.left].tolist(), right[pairs.right].tolist(), strict=True):
            found[i] = (j, step)

    # two boxes of one category without partners do not overlap this much
    pair_up(ours, theirs, AGREEMENT_IOU, "label_changed")
    ours = ours[~np.isin(ours, list(found))]
    theirs = theirs[~np.isin(theirs, [j for j, _ in found.values()])]
    for category in np.unique(reference.categories[ours]):
        same = ours[reference.categories[ours] == category], theirs[variant.categories[theirs] == category]
        pair_up(*same, PAIR_IOU, "drifted")
    return found


def _describe(image_id: int, side: str, i: int, ours: View) -> AutopsyRow:
    """The row of a box without any further information."""
    category, own = int(ours.categories[i]), ours.keys[i]
    classes = [label for label, mapped in enumerate(ours.labels) if mapped == category]
    x1, y1, x2, y2 = ours.boxes[i].tolist()
    return AutopsyRow(
        image_id=image_id,
        side=side,
        category_id=category,
        label=own[1] if own else classes[0] if len(classes) == 1 else None,
        score=float(ours.scores[i]),
        x1=x1,
        y1=y1,
        x2=x2,
        y2=y2,
        step="not_followed",
    )


def _explain(row: AutopsyRow, i: int, ours: View, theirs: View, other: tuple[int, str] | None) -> AutopsyRow:
    """What happened to box ``i`` on the other side; ``other``: the box in its place, the kind of change."""
    place: int | None = None
    if theirs.store:
        row, place = _follow(row, i, ours, theirs, theirs.store)
    if other and _is_replaced(row):
        place, step = other
        row = replace(row, step=step)
    if place is None:
        return row
    return replace(
        row,
        other_category_id=int(theirs.categories[place]),
        other_score=float(theirs.scores[place]),
        other_iou=float(box_iou(ours.boxes[[i]], theirs.boxes[[place]])[0, 0]),
        shift_px=float(np.abs(ours.boxes[i] - theirs.boxes[place]).max()),
    )


def _is_replaced(row: AutopsyRow) -> bool:
    """Whether a box in its place explains more than the step: the networks differ, not the recipes."""
    if row.step == "threshold":
        if row.value is None or row.there is None or row.margin is None:
            return False
        return row.value - row.there >= row.margin
    if row.step == "best_class":
        # with a floor on the number of pairs a worse class need not be a candidate
        worse = ("best_class",) if row.there is not None else ("best_class", "no_candidate")
        return row.by_otherwise in worse
    return row.step in ("no_candidate", "graph", "not_followed")


def _follow(row: AutopsyRow, i: int, ours: View, theirs: View, there: Store) -> tuple[AutopsyRow, int | None]:
    """What happened to the candidate of box ``i`` among the other side's candidates.

    Returns:
        the row, and the box of the other side that is in its place, or null.
    """
    own, here, followed = ours.keys[i], ours.store, there.followed
    alike = own if here and _are_alike(here, there, own) else None
    key = alike or _overlapping(i, ours, theirs, followed)
    row = replace(row, value=here.value(own, there.floor) if here else None)
    if key is None:
        return replace(row, step="no_candidate"), None
    fate, found_by = followed.fate(key), "location" if alike else "overlap"
    row = replace(row, followed_by=found_by, prior=key[0], there=there.value(key, there.floor))
    row = replace(row, step=fate.step, number=fate.number, margin=fate.margin)
    if fate.step == "no_candidate":
        return _missing(row, key, here, there), None
    row = replace(row, level=int(followed.states[0].level[followed.keys(0)[key]]))
    same = here.followed if here and alike else None
    if fate.by:
        row = _taken(row, fate.by, same, followed)
    if fate.step != "kept":
        return row, None
    place = theirs.keys.index(key) if key in theirs.keys else None
    if place is None:
        return replace(row, step="graph"), None
    near = box_iou(ours.boxes[[i]], theirs.boxes[[place]])[0, 0] >= AGREEMENT_IOU
    if near or (own != key and theirs.paired[place]):
        return replace(row, step="partner_taken"), place
    clipped = followed.clipped_below(key, 0, len(followed.steps))
    if clipped is not None:
        return replace(row, step=Clip.name, number=clipped, margin=0.0), None
    moved_by = what_changed(key, same, followed).step if same else None
    return replace(row, step="drifted", moved_by=moved_by), place


def _are_alike(here: Store, there: Store, own: Key | None) -> bool:
    """Whether a candidate's location is a location of the other side too."""
    if here.places != there.places or here.followed.geometry != there.followed.geometry:
        return False
    return not there.chosen or own is None or own[0] in there.followed.states[0].prior


def _missing(row: AutopsyRow, key: Key, here: Store | None, there: Store) -> AutopsyRow:
    """A candidate that the other side lacks: its value fell below the floor, or was never above it."""
    if row.value is None:
        raise ValueError(f"image {row.image_id}: prior {row.prior} is among neither side's candidates")
    fate = why_missing(key, row.value, there.followed, there.floor)
    row = replace(row, step=fate.step, number=fate.number, margin=fate.margin)
    return _taken(row, fate.by, here.followed if here else None, there.followed) if fate.by else row


def _taken(row: AutopsyRow, by: Rival, ours: Followed | None, there: Followed) -> AutopsyRow:
    """The box that took the place, and what happened to it on the side that keeps ours, if it is followed."""
    winner = (by.prior, by.label)
    boxes, geometry = there.states[0].boxes[[there.keys(0)[winner]]], there.geometry
    x1, y1, x2, y2 = scale_to_original(boxes, geometry)[0].tolist()
    return replace(
        row,
        by_prior=by.prior,
        by_label=by.label,
        by_score=by.score,
        by_iou=by.iou,
        by_x1=x1,
        by_y1=y1,
        by_x2=x2,
        by_y2=y2,
        by_otherwise=ours.fate(winner).step if ours else None,
    )


def _overlapping(i: int, ours: View, theirs: View, followed: Followed) -> Key | None:
    """The candidate that stands for a box: the best of its category within IoU 0.9, or else the nearest."""
    state, geometry = followed.states[0], followed.geometry
    classes = [label for label, mapped in enumerate(theirs.labels) if mapped == ours.categories[i]]
    rows = np.flatnonzero(np.isin(state.label, classes))
    if not len(rows):
        return None
    boxes = scale_to_original(state.boxes[rows], geometry)
    size = geometry.height, geometry.width
    iou = box_iou(clip_boxes(ours.boxes[[i]], *size), clip_boxes(boxes, *size))[0]
    score = np.where(iou >= AGREEMENT_IOU, state.score[rows] * state.factor[rows], iou - 1)
    best = int(score.argmax())
    return (int(state.prior[rows[best]]), int(state.label[rows[best]])) if iou[best] >= PAIR_IOU else None
