"""Judge two variants of one detector: every detection matched both ways, or traced to a tie.

A tie: a score within max(1e-5, twice the measured score difference) of a threshold or a rank border; an IoU
that the measured box difference and one float32 spacing at the shifted coordinates can move across the NMS
threshold (never more than 2e-3); a proposal or query that the network of one side did not choose; or a
consequence of one.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from cutpoint.data.image import clip_size
from cutpoint.iou import box_iou
from cutpoint.matching import Pairs, pair_nearest
from cutpoint.recipes import nms
from cutpoint.recipes.recipe import Recipe
from cutpoint.recipes.steps.boxes import Clip, MinSize, Rescale
from cutpoint.recipes.steps.overlaps import Nms, ScoreVoting
from cutpoint.recipes.steps.ranks import MaxPerImg, TopK
from cutpoint.recipes.steps.scores import BestClass, MultiplyFactor, Threshold
from cutpoint.recipes.steps.step import Frame, Step
from cutpoint.records.candidates import Candidates
from cutpoint.records.detections import Detections
from cutpoint.records.image import Geometry
from cutpoint.records.model import ModelSpec

MATCH_IOU, MATCH_PIXELS, MATCH_SCORE = 0.99, 0.02, 1e-3
LEAST_SCORE_TIE, MOST_IOU_TIE = 1e-5, 2e-3


@dataclass
class Fate:
    """What became of a candidate: ``kept``, or the step that removed it.

    ``margin`` is how far it was from the border, for one that is kept from the NMS threshold (infinite
    without NMS); ``score`` the score when it left; ``floored`` the quantity that the candidates' floor is on.
    """

    step: str
    score: float
    margin: float = 0.0
    by: tuple[int, int] | None = None
    floored: float = 0.0


@dataclass
class Verdict:
    """Result of one image."""

    matched: int = 0
    ties: list[str] = field(default_factory=list)
    unexplained: list[str] = field(default_factory=list)


def match_detections(a: Detections, b: Detections) -> Pairs:
    """One-to-one partners, the most there are: same class, IoU or corners close, scores close."""
    score = np.abs(a.scores[:, None] - b.scores[None])
    corners = np.abs(a.boxes[:, None] - b.boxes[None]).max(axis=-1)
    close = (corners <= MATCH_PIXELS) | (box_iou(a.boxes, b.boxes) >= MATCH_IOU)
    same = a.labels[:, None] == b.labels[None]
    return pair_nearest(score.astype(np.float64), same & close & (score <= MATCH_SCORE))


def fates(recipe: Recipe, candidates: Candidates, geometry: Geometry, spec: ModelSpec) -> dict:
    """(prior, label) to ``Fate`` of every candidate of one side, by running the recipe step by step."""
    frame = Frame(geometry, clip_size(geometry, spec.input), candidates, nms)
    found: dict[tuple[int, int], Fate] = {}
    state = before_nms = candidates
    for step in recipe.steps:
        if isinstance(step, Nms):
            before_nms, frame = state, replace(frame, before_nms=state)
        after = step.apply(state, frame)
        kept = set(_keys(after))
        for i, key in enumerate(_keys(state)):
            if key not in kept:
                found[key] = _why(state, i, after, step)
        state = after
    suppression = recipe.get(Nms)
    border = suppression.iou_threshold if suppression else np.inf
    rows = {key: i for i, key in enumerate(_keys(before_nms))}
    boxes = before_nms.boxes[[rows[key] for key in _keys(state)]]  # not moved by score voting
    for i, key in enumerate(_keys(state)):
        better = np.flatnonzero((state.label == state.label[i]) & (state.score > state.score[i]))
        iou = box_iou(boxes[i : i + 1], boxes[better])[0]
        found[key] = Fate("kept", float(state.score[i]), border - float(iou.max(initial=0)))
    on_product = spec.head.floor.quantity == "product"
    floored = candidates.score * candidates.factor if on_product else candidates.score
    for key, value in zip(_keys(candidates), floored.tolist(), strict=True):
        found[key].floored = value
    return found


def _keys(c: Candidates) -> list[tuple[int, int]]:
    return list(zip(c.prior.tolist(), c.label.tolist(), strict=True))


def _why(before: Candidates, i: int, after: Candidates, step: Step) -> Fate:
    kind, score = step.name, float(before.score[i])
    if isinstance(step, Threshold):
        factor = float(before.factor[i])
        value = {"class": score, "factor": factor, "product": score * factor}[step.quantity]
        return Fate(kind, score, abs(value - step.value))
    if isinstance(step, TopK):
        rank, ranks = score, after.score
        group = after.level == before.level[i] if step.per == "level" else np.ones(len(after), bool)
        if step.unit == "location":  # a location ranks by its best pair
            rank = float(before.score[before.prior == before.prior[i]].max())
            ranks = np.array([after.score[after.prior == prior].max() for prior in after.prior])
        return Fate(kind, score, float(ranks[group].min()) - rank)
    if isinstance(step, MaxPerImg):
        return Fate(kind, score, float(after.score.min()) - score)
    if isinstance(step, BestClass):
        best = after.score[after.prior == before.prior[i]].max()
        return Fate(kind, score, float(best) - score)
    if isinstance(step, MinSize):
        size = (before.boxes[i, 2:] - before.boxes[i, :2]).min()
        return Fate(kind, score, abs(float(size) - step.value))
    # nms: the best kept box of its class that overlaps it enough
    same = np.flatnonzero((after.label == before.label[i]) & (after.score >= before.score[i]))
    iou = box_iou(before.boxes[i : i + 1], after.boxes[same])[0]
    # the nearest to the threshold from above is a conservative margin: the largest IoU
    best = same[int(np.argmax(iou))]
    return Fate(kind, score, float(iou.max()) - step.iou_threshold, _keys(after)[best])


def judge(
    reference: Detections,
    variant: Detections,
    reference_candidates: Candidates,
    variant_candidates: Candidates,
    recipe: Recipe,
    geometry: Geometry,
    spec: ModelSpec,
    places: Sequence[set[int]] = (set(), set()),
) -> Verdict:
    """Match one image's detections both ways and trace what is left.

    ``places``: of each side, the priors that its network chose; empty where they are not chosen.
    """
    pairs = match_detections(reference, variant)
    verdict = Verdict(matched=len(pairs))
    extra = [
        (reference, i, "only in the reference") for i in np.setdiff1d(np.arange(len(reference)), pairs.left)
    ] + [(variant, i, "only in the variant") for i in np.setdiff1d(np.arange(len(variant)), pairs.right)]
    if not extra:
        return verdict
    sides = [reference_candidates, variant_candidates]
    both = [fates(recipe, side, geometry, spec) for side in sides]
    score_tie, box_shift = _differences(
        *sides, root=any(isinstance(step, MultiplyFactor) and step.root for step in recipe.steps)
    )
    floors = [_floor(side, spec) for side in sides]
    extent = float(max(side.boxes.max() for side in sides if len(side)))
    lines, capped = [], []
    for detections, i, text in extra:
        key = _find(detections, i, sides, recipe, geometry, spec)
        reason = None
        if key is not None:
            spacing = float(np.spacing(np.float32(extent * (detections.labels[i] + 1))))
            side = np.sqrt(max(float((detections.boxes[i, 2:] - detections.boxes[i, :2]).prod()), 1.0))
            iou_tie = min(MOST_IOU_TIE, 4 * (box_shift + spacing) / side)
            reason = _tie(key, both, score_tie, iou_tie, floors, places, set())
        lines.append((f"{text}: label {detections.labels[i]} score {detections.scores[i]:.6f}", reason))
        capped.append(any(side.get(key) and side[key].step == "max_per_img" for side in both))
    explained = next((reason for _, reason in lines if reason), None)
    for (line, reason), cut in zip(lines, capped, strict=True):
        if reason is None and cut and explained:
            reason = f"the limit moved, a consequence of: {explained}"
        (verdict.ties if reason else verdict.unexplained).append(f"{line}: {reason or 'no tie'}")
    return verdict


def _differences(a: Candidates, b: Candidates, *, root: bool) -> tuple[float, float]:
    """Measured between the two sides for the candidates they share: tie width of scores, box shift in px."""
    where = {k: i for i, k in enumerate(_keys(b))}
    pairs = [(i, where[k]) for i, k in enumerate(_keys(a)) if k in where]
    if not pairs:
        return LEAST_SCORE_TIE, 0.0
    i, j = np.array(pairs).T
    products = a.score[i] * a.factor[i], b.score[j] * b.factor[j]
    pairs = [products, (a.score[i], b.score[j]), (a.factor[i], b.factor[j])]
    if root:
        pairs.append((np.sqrt(products[0]), np.sqrt(products[1])))
    score = max(float(np.abs(left - right).max()) for left, right in pairs)
    shift = np.median(np.abs(a.boxes[i] - b.boxes[j]).max(axis=1))
    return max(LEAST_SCORE_TIE, 2 * score), float(shift)


def _find(detections, i, sides, recipe, geometry, spec) -> tuple[int, int] | None:
    """The candidate that a detection came from: same label, nearest in box and score on its way back.

    Score voting moves boxes, so that the score alone tells.
    """
    moves = [step for step in recipe.steps if isinstance(step, Clip | Rescale | MultiplyFactor)]
    voted = recipe.get(ScoreVoting) is not None
    best, key = 0.05, None
    for side in sides:
        frame, moved = Frame(geometry, clip_size(geometry, spec.input), side, nms), side
        for step in moves:
            moved = step.apply(moved, frame)
        same = np.flatnonzero(moved.label == detections.labels[i])
        if len(same):
            distance = 100 * np.abs(moved.score[same] - detections.scores[i])
            if not voted:
                distance += np.abs(moved.boxes[same] - detections.boxes[i]).max(axis=1)
            nearest = int(np.argmin(distance))
            if distance[nearest] < best:
                best, key = float(distance[nearest]), _keys(moved)[same[nearest]]
    return key


def _floor(candidates: Candidates, spec: ModelSpec) -> float:
    """The lowest score of a pair that is a candidate for sure; a floor on the number moves with the image."""
    floor = spec.head.floor
    if floor.pairs is None or len(candidates) < floor.pairs:
        return floor.value
    return float(np.partition(candidates.score, -floor.pairs)[-floor.pairs])


def _tie(key, both, score_tie, iou_tie, floors, places, seen) -> str | None:
    """Why the two sides treat a candidate differently, if rounding can be the cause.

    Args:
        key: prior and label.
        both: of each side, ``fates``.
        score_tie, iou_tie: what counts as rounding.
        floors: of each side, see ``_floor``.
        places: see ``judge``.
        seen: keys on the way here.
    """
    if key in seen:
        return None
    seen = seen | {key}
    here = [side.get(key) for side in both]
    if (key[0] in places[0]) != (key[0] in places[1]):
        return f"place {key[0]} was chosen by the network of one side only"
    for (fate, other), floor in zip((here, here[::-1]), floors, strict=True):
        if fate is None and other is not None:
            # no candidate on one side: its score there does not pass the floor
            margin = abs(other.floored - floor)
            return f"score {margin:.1e} from the floor" if margin <= score_tie else None
        if fate is None:
            continue
        if fate.step == "kept":
            # kept by our recipe on both sides: mmdet's or the graph's own arithmetic may still suppress it
            if fate.margin <= iou_tie:
                return f"IoU {fate.margin:.1e} below the NMS threshold"
            continue
        if fate.step in ("threshold", "top_k", "max_per_img", "best_class") and fate.margin <= score_tie:
            return f"score {fate.margin:.1e} from the border of {fate.step}"
        if fate.step == "nms":
            if fate.margin <= iou_tie:
                return f"IoU {fate.margin:.1e} above the NMS threshold"
            by = [side.get(fate.by) for side in both]
            if all(f is not None and f.step == "kept" for f in by):
                other_score = other.score if other else fate.score
                if abs(by[0].score - other_score) <= score_tie:
                    return "scores of suppressor and suppressed tie"
                continue
            reason = _tie(fate.by, both, score_tie, iou_tie, floors, places, seen)
            if reason:
                return f"consequence of: {reason}"
        if fate.step in ("max_per_img", "top_k"):
            # another candidate crossed: one that is kept on one side alone moved the border
            for moved, _ in _moved(both, fate.step):
                reason = _tie(moved, both, score_tie, iou_tie, floors, places, seen)
                if reason:
                    return f"consequence of: {reason}"
    return None


def _moved(both, step):
    keys = set(both[0]) | set(both[1])
    for key in keys:
        a, b = both[0].get(key), both[1].get(key)
        states = {f.step if f else "none" for f in (a, b)}
        if len(states) == 2 and states != {"kept", step}:
            yield key, states
