"""Explain every box that one of two variants lacks: what happened to its candidate in that variant."""

from collections import Counter
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import repeat
from typing import Any

import numpy as np

from cutpoint.compare.causes import Store, View, explain_image, identify
from cutpoint.compare.follow import Followed, Key, open_candidates
from cutpoint.errors import UserError
from cutpoint.matching import AGREEMENT_IOU, find_overlaps, group_rows, pair_overlaps
from cutpoint.recipes.recipe import Recipe, in_graph_form, resolve_recipe
from cutpoint.records.autopsy import SIDES, AutopsyRow, read_autopsy, write_autopsy
from cutpoint.records.comparison import StepCounts
from cutpoint.records.detections import Refused, Results, read_results
from cutpoint.records.head import ExternalHead, Floor, QueryHead, RoiHead
from cutpoint.records.labels import read_labels
from cutpoint.records.manifest import Manifest, read_manifest
from cutpoint.records.model import ModelSpec
from cutpoint.records.predictions import read_predictions


@dataclass(frozen=True)
class Side:
    """One of the two variants.

    ``detections``: detections file. ``predictions``, ``images``: the shards of the run whose candidates are
    followed: its own run, or for the cut ``e2e`` the ``raw`` run that is otherwise the same; empty without
    candidates. ``spec``: the specification to read them with. ``recipe``: its definition. ``clip``,
    ``topk_limit``: the export's.
    """

    detections: str
    predictions: tuple[str, ...] = ()
    images: tuple[str, ...] = ()
    spec: str | None = None
    recipe: str | Mapping[str, Any] | None = None
    clip: str = "image"
    topk_limit: int | None = None


def autopsy(*, reference: Side, variant: Side, manifest: str, labels: str, out: str) -> None:
    """Name the step that removed each box of one variant that the other lacks.

    Boxes without a partner of their image and category at IoU 0.9 (``matching.pair_overlaps``) are followed
    in the other variant's candidates: at the same location and class if both networks saw the same geometry
    and count the locations alike, or else at the best candidate of the class that overlaps the box. A
    location is what ``prior`` counts: a prior, or where a proposal or a query comes from. The network may
    choose its proposals or queries; one that the other side lacks is followed by overlap.

    Args:
        reference, variant: the two sides.
        manifest: manifest JSON.
        labels: JSON of ``truth.map_labels``.
        out: Parquet file to write, one row per box; empty if one of the two is refused. ``side`` has the box,
            the other side lacks it. ``image_id, category_id, label`` (model class; null if several classes
            are one category), ``score, x1, y1, x2, y2`` (original-image pixels). ``step`` is one of:
            the steps of a recipe and ``max_per_class``, see ``follow.Fate``; ``number``: the step's, from 1;
            ``no_candidate``: its score there is below the floor of the candidates, or no candidate is near;
            ``label_changed``: a box of another category is in its place (IoU 0.9);
            ``drifted``: a box of its category is near (IoU 0.5). These two need a box without a partner, and
            the network and not the recipe must have removed the candidate (no candidate, its score fell by
            the margin or more, or another class of its location is best). ``drifted`` also means: the same
            candidate stays with its box at another place (IoU below 0.9);
            ``partner_taken``: its candidate stays, as the partner of another box;
            ``graph``: the recipe keeps it on the raw run's candidates, but the graph or PyTorch does not;
            ``not_followed``: the other side has no candidates.
            ``followed_by``: ``location`` or ``overlap``, with ``level`` and ``prior`` there. ``value``,
            ``there``: the quantity of the floor (class score or its product with the factor) for the side's
            own candidate and for the other's. ``margin``: see there; for ``no_candidate`` how far the value
            fell at least, null if that is not known. ``by_...``: the box that suppressed it or took its
            location, original-image pixels; ``by_otherwise``: what happened to that one on the side that has
            the box. ``other_...``: the box in its place, ``shift_px`` the largest move of a coordinate;
            ``moved_by``: the step that moves it in another way, or ``network``. Null if it does not apply.

    Raises:
        UserError: the candidates have another specification, or are not enough for the recipe.
    """
    data = read_manifest(manifest)
    sides = reference, variant
    try:
        results = [read_results(side.detections) for side in sides]
    except Refused:
        write_autopsy(out, [])
        return
    write_autopsy(out, _find_cases(sides, results, data, read_labels(labels).labels))


def _find_cases(
    sides: tuple[Side, Side],
    detections: Sequence[Results],
    manifest: Manifest,
    category_ids: Sequence[int | None],
) -> Iterator[AutopsyRow]:
    """The rows of an autopsy, image by image."""
    reference, variant = detections
    opened = [_open(side) for side in sides]
    pairs = pair_overlaps(find_overlaps(reference, variant), AGREEMENT_IOU)
    both = [
        (results, np.isin(np.arange(len(results)), rows), group_rows(results.image_id))
        for results, rows in ((reference, pairs.left), (variant, pairs.right))
    ]
    wanted = {image for results, paired, _ in both for image in results.image_id[~paired].tolist()}
    for image_id, stores in _stream(sides, manifest):
        if image_id not in wanted:
            continue
        views = []
        for (results, paired, rows), store, made in zip(both, stores, opened, strict=True):
            own = rows.get(image_id, np.zeros(0, dtype=np.int64))
            seen = results.take(own)
            boxes = seen.corners, seen.score, seen.category_id
            keys: list[Key | None] = [None] * len(own)
            kept = None
            if store and made:
                followed = Followed(made.recipe, store[1], store[0], made.model)
                kept = Store(followed, made.floor, made.places, made.chosen)
                keys = identify(*boxes, kept.followed, category_ids)
            views.append(View(*boxes, paired[own], category_ids, store=kept, keys=keys))
        yield from explain_image(image_id, views[0], views[1])


def count_steps(path: str) -> StepCounts:
    """For each side of an autopsy file, the number of its boxes that the other side lacks, by step."""
    counts: dict[str, Counter[str]] = {side: Counter() for side in SIDES}
    for row in read_autopsy(path):
        counts[row.side][row.step] += 1
    return StepCounts(**{side: dict(count.most_common()) for side, count in counts.items()})


@dataclass(frozen=True)
class _Opened:
    """How to read a side's candidates. ``places``, ``chosen``: see ``causes.Store``."""

    model: ModelSpec
    recipe: Recipe
    floor: Floor
    places: Hashable
    chosen: bool = False


def _open(side: Side) -> _Opened | None:
    """How to read a side's candidates; null if there are none."""
    if not side.predictions or side.spec is None or side.recipe is None:
        return None
    model, made = open_candidates(list(side.predictions), side.spec)
    head, scores = model.head, made.scores or "class"
    recipe = in_graph_form(resolve_recipe(side.recipe, head, scores), side.clip, side.topk_limit, head)
    fused = scores == "fused" and head.has_factor
    floor = replace(head.floor, quantity="product") if fused else head.floor
    if not isinstance(head, ExternalHead):
        chosen = isinstance(head, RoiHead | QueryHead) and head.selected
        return _Opened(model, recipe, floor, head.kind, chosen)
    # rows behind an NMS are in the order of their scores, which another file does not have
    places = side.predictions if made.cut == "e2e" else (head.layout, head.num_classes)
    return _Opened(model, recipe, floor, places)


def _stream(sides: tuple[Side, Side], manifest: Manifest) -> Iterator[tuple[int, list[Any]]]:
    """Image id, and for each side geometry and candidates, or null."""
    with_store = [side for side in sides if side.predictions]
    if not with_store:
        yield from ((image.id, [None, None]) for image in manifest.images)
        return
    stores = [
        read_predictions(side.predictions, side.images) if side.predictions else repeat(None)
        for side in sides
    ]
    for rows in zip(*stores):  # noqa: B905 one of them may be endless
        ids = {row[0] for row in rows if row}
        if len(ids) > 1:
            raise UserError(f"{sides[0].predictions[0]} and {sides[1].predictions[0]} have different images")
        yield ids.pop(), [row and row[1:] for row in rows]
