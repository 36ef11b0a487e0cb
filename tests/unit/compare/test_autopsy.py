"""Planted causes, one of each kind, are named; every box without partner gets exactly one."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pyarrow.parquet as pq
import pytest
from datasets import make_image, save_labels, save_manifest
from tiny import (
    ATSS_STEPS,
    atss_head,
    candidates,
    geometry,
    model_spec,
    raw_outputs,
    recipe_of,
    run_metadata,
    yolox_head,
)

from cutpoint.compare.autopsy import Side, autopsy, count_steps
from cutpoint.decode.candidates import from_raw
from cutpoint.errors import UserError
from cutpoint.files import read_json, write_json
from cutpoint.matching import find_overlaps, pair_overlaps
from cutpoint.predict.postprocess import postprocess
from cutpoint.recipes.apply import apply_recipe
from cutpoint.recipes.recipe import in_graph_form, resolve_recipe
from cutpoint.recipes.steps.boxes import Clip
from cutpoint.recipes.steps.ranks import MaxPerImg, TopK
from cutpoint.records.detections import make_results
from cutpoint.records.manifest import Category
from cutpoint.records.predictions import PredictionWriter

SPEC = model_spec(atss_head())
CATEGORIES = [Category(10 * (label + 1), name) for label, name in enumerate(SPEC.classes)]
# network pixels; an image pixel is half of one
BOX, SMALLER, FAR, MIDDLE = (0, 0, 20, 20), (0, 0, 20, 15), (22, 0, 30, 30), (2, 2, 22, 22)
LOOSE = [{"step": "threshold", "quantity": "class", "value": 0.05}, {"step": "clip"}, {"step": "rescale"}]
NMS = {"step": "nms", "iou_threshold": 0.6}


@pytest.fixture
def bench(tmp_path):
    """Make a side of rows by image, and compare two."""
    paths = {name: str(tmp_path / f"{name}.json") for name in ("spec", "labels")}
    images = [make_image(7), make_image(9)]
    manifest = save_manifest(tmp_path / "manifest.json", images, categories=CATEGORIES)
    save_labels(paths["labels"], [category.id for category in CATEGORIES])

    def side(name, images, recipe, sizes=None, spec=SPEC, kept=None, scores=None):
        write_json(paths["spec"], spec.to_dict())
        files = [str(tmp_path / f"{name}.{ending}") for ending in ("parquet", "images.parquet", "json")]
        metadata = run_metadata(spec, scores=scores)
        with PredictionWriter(*files[:2], candidates=True, metadata=metadata) as writer:
            for image_id, rows in images.items():
                rows = candidates(*rows) if isinstance(rows, list) else rows
                writer.add(image_id, geometry(**(sizes or {})), rows)
        postprocess(
            predictions=files[:1],
            images=files[1:2],
            **paths,
            cut="raw",
            recipe=recipe,
            out=files[2],
        )
        if kept:
            write_json(files[2], [d for d in read_json(files[2]) if kept(d)])
        return Side(files[2], (files[0],), (files[1],), paths["spec"], recipe)

    def run(reference, variant):
        out = str(tmp_path / "cases.parquet")
        autopsy(reference=reference, variant=variant, manifest=manifest, labels=paths["labels"], out=out)
        rows = pq.read_table(out).to_pylist()
        _check_complete(reference, variant, rows, count_steps(out))
        return rows

    return side, run


def _check_complete(reference, variant, rows, totals):
    """Each box without partner is one row with one step, and the totals add up to them."""
    detections = [read_json(side.detections) for side in (reference, variant)]
    pairs = len(pair_overlaps(find_overlaps(*map(make_results, detections)), 0.9))
    for side, found in zip(("reference", "variant"), detections, strict=True):
        own = [row for row in rows if row["side"] == side]
        assert len(own) == len(found) - pairs
        assert getattr(totals, side) == Counter(row["step"] for row in own)
        boxes = {(d["image_id"], d["category_id"], d["score"], *d["bbox"][:2]) for d in found}
        described = {(r["image_id"], r["category_id"], r["score"], r["x1"], r["y1"]) for r in own}
        assert described <= boxes
        assert len(described) == len(own)
        assert all(row["step"] for row in own)


def steps(*found):
    return {"steps": [*LOOSE, *found]}


ONE = {"step": "threshold", "quantity": "class", "value": 0.3}
# cause: candidates of the reference, of the variant (null: the same), both recipes, what the row must hold
PLANTED = {
    "threshold": (
        [(0, 0, 0, 0.9, 1, BOX), (1, 8, 1, 0.25, 0.5, FAR)],
        None,
        (steps(NMS), steps(ONE, NMS)),
        {"number": 4, "prior": 8, "level": 1, "label": 1, "margin": 0.05, "value": 0.25, "there": 0.25},
    ),
    "no_candidate": (
        [(0, 0, 0, 0.9, 1, BOX), (1, 8, 1, 0.4, 1, FAR)],
        [(0, 0, 0, 0.9, 1, BOX)],
        (steps(NMS),) * 2,
        {"prior": 8, "level": None, "margin": 0.35, "value": 0.4, "there": None, "followed_by": "location"},
    ),
    "top_k": (
        [(0, 0, 0, 0.2, 1, BOX), (1, 8, 1, 0.5, 1, FAR), (1, 9, 1, 0.4, 1, (0, 0, 5, 30))],
        None,
        (steps(NMS), steps({"step": "top_k", "k": 1}, NMS)),
        {"level": 1, "prior": 9, "margin": 0.1, "number": 4},
    ),
    "clip": (
        [(0, 0, 0, 0.9, 1, BOX), (0, 1, 1, 0.8, 1, (41, 0, 47, 20))],
        None,
        tuple(
            {"steps": [LOOSE[0], {"step": "clip", "to": to}, LOOSE[2], {"step": "min_size", "value": 0}, NMS]}
            for to in ("tensor", "image")
        ),
        {"number": 2, "prior": 1, "margin": 0.0},
    ),
    "min_size": (
        [(0, 0, 0, 0.9, 1, BOX), (0, 1, 1, 0.8, 1, (5, 5, 6, 30))],
        None,
        (steps(NMS), steps({"step": "min_size", "value": 2.5}, NMS)),
        {"number": 4, "prior": 1, "margin": 0.5},
    ),
    "nms": (
        [(0, 0, 0, 0.9, 1, BOX), (0, 1, 0, 0.8, 1, SMALLER)],
        None,
        (steps(NMS | {"iou_threshold": 0.8}), steps(NMS)),
        {"prior": 1, "margin": 0.15, "by_prior": 0, "by_label": 0, "by_score": 0.9, "by_iou": 0.75}
        | {"by_x1": 0, "by_x2": 40, "by_y2": 40, "by_otherwise": "kept"},
    ),
    "max_per_class": (
        [(0, 0, 0, 0.9, 1, BOX), (0, 1, 0, 0.8, 1, FAR)],
        None,
        (steps(NMS), steps(NMS | {"space": "per_class", "max_per_class": 1})),
        {"number": 4, "prior": 1, "margin": 0.1},
    ),
    "max_per_img": (
        [(0, 0, 0, 0.9, 1, BOX), (0, 1, 1, 0.8, 1, FAR)],
        None,
        (steps(NMS), steps(NMS, {"step": "max_per_img", "k": 1})),
        {"number": 5, "prior": 1, "margin": 0.1},
    ),
    "best_class": (
        [(0, 0, 0, 0.9, 1, BOX), (0, 0, 1, 0.8, 1, BOX)],
        None,
        (steps(NMS), steps({"step": "best_class"}, NMS)),
        {"label": 1, "margin": 0.1, "by_label": 0, "by_prior": 0, "by_iou": None},
    ),
    "label_changed": (
        [(0, 0, 0, 0.9, 1, BOX)],
        [(0, 0, 2, 0.7, 1, BOX)],
        (steps(NMS),) * 2,
        {"label": 0, "other_category_id": 30, "other_score": 0.7, "other_iou": 1, "shift_px": 0},
    ),
    "drifted": (
        [(0, 0, 0, 0.9, 1, BOX)],
        [(0, 0, 0, 0.8, 1, MIDDLE)],
        (steps(NMS),) * 2,
        {"prior": 0, "other_iou": 324 / 476, "shift_px": 4, "moved_by": "network", "followed_by": "location"},
    ),
}
# in these the variant has a box of its own in the place, with the same cause the other way round
BOTH = {"label_changed", "drifted"}


@pytest.mark.parametrize("swapped", [False, True])
@pytest.mark.parametrize("cause", PLANTED)
def test_a_planted_cause_is_named(bench, cause, swapped):
    side, run = bench
    ours, theirs, recipes, expected = PLANTED[cause]
    sizes = {"padded_width": 48}
    pair_of_sides = [
        side("one", {7: ours, 9: []}, recipes[0], sizes),
        side("two", {7: ours if theirs is None else theirs, 9: []}, recipes[1], sizes),
    ]
    rows = run(*(pair_of_sides[::-1] if swapped else pair_of_sides))
    assert [row["step"] for row in rows] == [cause] * (2 if cause in BOTH else 1)
    row = next(row for row in rows if row["side"] == ("variant" if swapped else "reference"))
    assert row["image_id"] == 7
    for name, value in expected.items():
        assert row[name] == (pytest.approx(value, abs=1e-6) if isinstance(value, float) else value), name


def test_a_box_of_another_location_in_the_place_has_drifted(bench):
    side, run = bench
    sides = [
        side(name, {7: [(0, prior, 0, 0.9, 1, box)], 9: []}, steps(NMS))
        for name, prior, box in (("one", 0, BOX), ("two", 1, MIDDLE))
    ]
    rows = run(*sides)
    assert [(row["step"], row["prior"], row["other_score"]) for row in rows] == [
        ("drifted", 0, pytest.approx(0.9)),
        ("drifted", 1, pytest.approx(0.9)),
    ]
    assert rows[0]["margin"] == pytest.approx(0.85)


def test_a_box_that_another_one_suppresses_has_not_drifted(bench):
    side, run = bench
    scores = (0.9, 0.8), (0.7, 0.8)
    sides = [
        side(name, {7: [(0, 0, 0, a, 1, BOX), (0, 1, 0, b, 1, SMALLER)], 9: []}, steps(NMS))
        for name, (a, b) in zip(("one", "two"), scores, strict=True)
    ]
    rows = run(*sides)
    assert [(r["side"], r["step"], r["prior"], r["by_prior"]) for r in rows] == [
        ("reference", "nms", 0, 1),
        ("variant", "nms", 1, 0),
    ]
    assert {row["by_otherwise"] for row in rows} == {"nms"}


@pytest.mark.parametrize(("before", "step"), [(0.25, "threshold"), (0.4, "drifted")])
def test_a_threshold_is_the_cause_unless_the_network_changed(bench, before, step):
    """With the best box gone the one that it suppressed stays, in its place."""
    side, run = bench
    rest = (0, 1, 0, 0.35, 0.5, SMALLER)
    first = side("one", {7: [(0, 0, 0, before, 1, BOX), rest], 9: []}, "mmdet3")
    second = side("two", {7: [(0, 0, 0, 0.25, 1, BOX), rest], 9: []}, {"base": "mmdet3", "score_thr": 0.3})
    (ours, theirs) = run(first, second)
    assert (ours["step"], ours["margin"], ours["other_iou"]) == (
        step,
        pytest.approx(0.05),
        pytest.approx(0.75) if step == "drifted" else None,
    )
    assert (theirs["side"], theirs["step"], theirs["by_otherwise"]) == ("variant", "nms", "threshold")


def test_another_best_class_is_a_changed_label(bench):
    side, run = bench
    recipe = steps({"step": "best_class"}, NMS)
    sides = [
        side(name, {7: [(0, 0, 0, a, 1, BOX), (0, 0, 2, b, 1, BOX)], 9: []}, recipe)
        for name, a, b in (("one", 0.9, 0.3), ("two", 0.4, 0.8))
    ]
    rows = run(*sides)
    assert [(r["step"], r["label"], r["other_category_id"]) for r in rows] == [
        ("label_changed", 0, 30),
        ("label_changed", 2, 10),
    ]
    assert (rows[0]["value"], rows[0]["there"]) == (pytest.approx(0.9), pytest.approx(0.4))


def test_a_clip_that_only_moves_a_side(bench):
    side, run = bench
    rows = {7: [(0, 0, 0, 0.9, 1, (30, 0, 48, 20))], 9: []}
    definitions = [{"steps": [LOOSE[0], {"step": "clip", "to": to}, LOOSE[2]]} for to in ("tensor", "image")]
    sides = [side(str(n), rows, d, {"padded_width": 48}) for n, d in enumerate(definitions)]
    found = run(*sides)
    assert [(row["step"], row["moved_by"], row["shift_px"]) for row in found] == [("drifted", "clip", 16)] * 2


def test_a_clip_that_leaves_nothing_of_a_box_that_is_kept(bench):
    side, run = bench
    rows = {7: [(0, 0, 0, 0.9, 1, (41, 0, 47, 20))], 9: []}
    definitions = [{"steps": [LOOSE[0], {"step": "clip", "to": to}, LOOSE[2]]} for to in ("tensor", "image")]
    found = run(*(side(str(n), rows, d, {"padded_width": 48}) for n, d in enumerate(definitions)))
    assert [row["step"] for row in found if row["side"] == "reference"] == ["clip"]


def test_what_the_graph_alone_lacks(bench):
    """The recipe on the raw run's candidates keeps the box, the detections of ``e2e`` have it not."""
    side, run = bench
    rows = {7: [(0, 0, 0, 0.9, 1, BOX), (0, 1, 1, 0.8, 1, FAR)], 9: []}
    sides = side("one", rows, "mmdet3"), side("two", rows, "mmdet3", kept=lambda d: d["category_id"] == 10)
    (row,) = run(*sides)
    assert (row["side"], row["step"], row["prior"], row["category_id"]) == ("reference", "graph", 1, 20)


def test_a_results_file_cannot_be_followed_but_its_boxes_can_be_seen(bench):
    side, run = bench
    first = side("one", {7: [(0, 0, 0, 0.9, 1, BOX), (0, 1, 1, 0.8, 1, FAR)], 9: []}, "mmdet3")
    second = side("two", {7: [(0, 0, 0, 0.9, 1, MIDDLE)], 9: [(0, 1, 1, 0.5, 1, FAR)]}, "mmdet3")
    rows = run(first, Side(second.detections))
    assert [(row["side"], row["image_id"], row["step"]) for row in rows] == [
        ("reference", 7, "drifted"),
        ("reference", 7, "not_followed"),
        ("variant", 7, "drifted"),
        ("variant", 9, "no_candidate"),
    ]
    assert rows[1]["label"] == 1
    rows = run(Side(first.detections), Side(second.detections))
    assert Counter(row["step"] for row in rows) == {"drifted": 2, "not_followed": 2}


def test_what_never_passed_the_other_floor_fell_below_a_threshold_and_not_by_the_network(bench):
    """Fused candidates end at class score x factor, which mmdet's own recipe does not threshold."""
    side, run = bench
    best = (0, 0, 0, 0.9, 1, BOX)
    first = side("one", {7: [best, (0, 1, 1, 0.5, 0.08, FAR)], 9: []}, "mmdet3")
    (row,) = run(first, side("two", {7: [best], 9: []}, "mmdeploy", scores="fused"))
    assert (row["step"], row["margin"], row["value"], row["there"]) == (
        "threshold",
        pytest.approx(0.01),
        pytest.approx(0.04),
        None,
    )


def test_other_geometry_is_followed_by_overlap(bench):
    """At scale 1 the same location is another prior: the candidate is the one that overlaps the box."""
    side, run = bench
    double = {"resized_height": 64, "resized_width": 80, "padded_height": 64, "padded_width": 80}
    double |= {"scale_x": 1.0, "scale_y": 1.0}
    first = side("one", {7: [(0, 0, 0, 0.9, 1, BOX), (0, 1, 1, 0.8, 1, FAR)], 9: []}, steps(NMS))
    rows = [(0, 40, 0, 0.9, 1, (0, 0, 40, 40)), (0, 41, 1, 0.2, 1, (44, 0, 60, 60)), (0, 0, 1, 0.9, 1, BOX)]
    second = side("two", {7: rows[:2], 9: []}, steps(ONE, NMS), double)
    (row,) = run(first, second)
    assert (row["step"], row["followed_by"], row["prior"], row["there"]) == (
        "threshold",
        "overlap",
        41,
        pytest.approx(0.2),
    )
    second = side("two", {7: [rows[0], rows[2]], 9: []}, steps(NMS), double)
    row = run(first, second)[0]
    assert (row["step"], row["prior"], row["margin"]) == ("no_candidate", None, None)
    assert (row["value"], row["there"]) == (pytest.approx(0.8), None)


def test_one_box_for_two(bench):
    side, run = bench
    twice = {7: [(0, 0, 0, 0.9, 1, BOX), (0, 1, 0, 0.8, 1, BOX)], 9: []}
    first = side("one", twice, steps())
    (row,) = run(first, side("two", {7: twice[7][:1], 9: []}, steps(NMS)))
    assert row["step"] == "no_candidate"
    moved = {7: [(0, 0, 0, 0.9, 1, FAR), (0, 1, 0, 0.8, 1, BOX)], 9: []}
    rows = run(first, side("two", moved, steps()))
    assert [(row["side"], row["step"], row["prior"]) for row in rows] == [
        ("reference", "partner_taken", 1),
        ("variant", "drifted", 0),
    ]


def test_the_tensor_form_clips_and_compares_in_network_pixels():
    own = recipe_of(*ATSS_STEPS)
    assert in_graph_form(own, "image", None, atss_head()) == own
    tensor = in_graph_form(own, "tensor", None, atss_head())
    assert [step.name for step in tensor.steps] == [
        *("threshold", "top_k", "clip", "multiply_factor", "min_size", "nms", "max_per_img", "rescale")
    ]
    assert tensor.get(Clip).to == "tensor"
    rows = candidates((0, 0, 0, 0.9, 1, (10, 10, 60, 60)))
    (box,) = apply_recipe(tensor, rows, geometry(padded_width=48, padded_height=48), SPEC).boxes
    assert box.tolist() == [20, 20, 96, 96]
    assert in_graph_form(own, "image", 2, atss_head()).get(TopK).k == 2


@pytest.mark.parametrize("head", [atss_head, yolox_head])
@pytest.mark.parametrize("second", ["mmdet3", {"base": "mmdeploy", "score_thr": 0.3, "iou_threshold": 0.4}])
def test_every_unmatched_box_has_one_cause(bench, head, second):
    side, run = bench
    spec, total = model_spec(head()), Counter()
    for seed in range(4):
        first = {
            image: from_raw(raw_outputs(spec.head, [(6, 6), (3, 3)], seed=2 * seed + k), spec.head)
            for k, image in enumerate((7, 9))
        }
        random = np.random.default_rng(seed)
        other = {}
        for image, rows in first.items():
            score = np.clip(rows.score + random.normal(0, 0.1, len(rows)), 0, 1).astype(np.float32)
            boxes = rows.boxes + random.normal(0, 0.5, rows.boxes.shape).astype(np.float32)
            fuse = score * rows.factor if spec.head.floor.quantity == "product" else score
            other[image] = replace(rows, score=score, boxes=boxes).take(fuse > spec.head.floor.value)
        rows = run(
            side("one", first, "mmdet3", spec=spec),
            side("two", other, second, spec=spec),
        )
        total += Counter(row["step"] for row in rows)
        for row in rows:
            assert row["margin"] is None or row["margin"] >= -1e-6, row
    assert "drifted" in total
    assert len(total) > 2
    assert not {"graph", "not_followed"} & set(total)


def test_refusals(bench):
    side, run = bench
    rows = {7: [(0, 0, 0, 0.9, 1, BOX)], 9: []}
    first = side("one", rows, "mmdet3")
    with pytest.raises(UserError, match="candidates end at"):
        run(first, replace(first, recipe={"base": "mmdet3", "score_thr": 0.01}))
    with pytest.raises(UserError, match="have different images"):
        run(first, side("two", {9: [], 7: rows[7]}, "mmdet3"))
    assert resolve_recipe("mmdet3", SPEC.head).get(MaxPerImg).k == 2
