"""What separates two recipes, on candidates whose fate is known."""

from typing import Any

import numpy as np
import pytest
from tiny import (
    ATSS_STEPS,
    PAA_STEPS,
    atss_head,
    candidates,
    geometry,
    model_spec,
    raw_outputs,
    recipe_of,
    run_metadata,
    yolox_head,
)

from cutpoint.compare.recipe_diff import diff_image, diff_recipes
from cutpoint.decode.candidates import from_raw
from cutpoint.errors import UserError
from cutpoint.files import read_json, write_json
from cutpoint.recipes.apply import apply_recipe
from cutpoint.recipes.names import RECIPES
from cutpoint.recipes.recipe import resolve_recipe
from cutpoint.recipes.steps.overlaps import Nms
from cutpoint.records.head import Floor
from cutpoint.records.json_file import as_content
from cutpoint.records.predictions import PredictionWriter

BOX, SMALLER, FAR = (0, 0, 20, 20), (0, 0, 20, 15), (22, 0, 30, 30)
SPEC = model_spec(atss_head())
NMS = {"step": "nms", "iou_threshold": 0.6}


def diff(first, second, rows, **sizes):
    return diff_recipes_of(recipe_of(*first), recipe_of(*second), candidates(*rows), geometry(**sizes), SPEC)


def diff_recipes_of(first, second, rows, sizes, spec):
    """The rows as the file has them."""
    found, counts = diff_image(first, second, 7, rows, sizes, spec)
    assert all(row.image_id == 7 for row in found)
    return [as_content(row) for row in found], counts


def test_the_same_recipe_has_no_rows():
    rows = [(0, 0, 0, 0.9, 1, BOX), (0, 1, 1, 0.8, 0.5, FAR)]
    found, counts = diff(ATSS_STEPS, ATSS_STEPS, rows)
    assert found == []
    assert counts == {"first": 2, "second": 2, "same": 2}


def test_a_threshold():
    rows = [(0, 0, 0, 0.9, 1, BOX), (1, 9, 1, 0.4, 0.5, FAR)]
    step = {"step": "threshold", "quantity": "product", "value": 0.25}
    (row,), counts = diff([NMS], [step, NMS], rows)
    assert {key: row[key] for key in ("kept_by", "label", "class", "level", "prior", "step", "number")} == {
        "kept_by": "first",
        "label": 1,
        "class": "bus",
        "level": 1,
        "prior": 9,
        "step": "threshold",
        "number": 1,
    }
    assert row["margin"] == pytest.approx(0.05)
    assert row["box"] == FAR
    assert counts == {"first": 2, "second": 1, "same": 1}
    (row,), _ = diff([step, NMS], [NMS], rows)
    assert row["kept_by"] == "second"


def test_top_k_of_pairs_and_of_locations():
    rows = [(0, 0, 0, 0.9, 1, BOX), (0, 0, 1, 0.5, 1, BOX), (0, 1, 2, 0.7, 1, FAR), (1, 9, 2, 0.3, 1, FAR)]
    pair, location = {"step": "top_k", "k": 1}, {"step": "top_k", "k": 1, "unit": "location"}
    (row,), _ = diff([location], [pair], rows)
    assert (row["step"], row["prior"], row["label"]) == ("top_k", 0, 1)
    assert row["margin"] == pytest.approx(0.4)
    (row,), _ = diff([], [location], rows)
    assert (row["prior"], row["margin"]) == (1, pytest.approx(0.2))
    found, _ = diff([], [location | {"per": "image", "k": 2}], rows)
    assert [(row["prior"], row["margin"]) for row in found] == [(9, pytest.approx(0.4))]


def test_nms_names_the_suppressor_its_iou_and_what_became_of_it_otherwise():
    rows = [(0, 0, 0, 0.9, 0.1, BOX), (0, 1, 0, 0.8, 1, SMALLER), (0, 2, 1, 0.7, 1, BOX)]
    (row,), _ = diff([NMS | {"iou_threshold": 0.8}], [NMS], rows)
    assert (row["step"], row["prior"]) == ("nms", 1)
    assert row["by"] == {
        "prior": 0,
        "label": 0,
        "score": pytest.approx(0.9),
        "iou": pytest.approx(0.75),
        "otherwise": "kept",
    }
    assert row["margin"] == pytest.approx(0.15)
    # with the factor the suppressor falls below the threshold, and its victim stays
    product = [{"step": "threshold", "quantity": "product", "value": 0.3}, NMS]
    found, _ = diff(product, [NMS], rows)
    assert [(row["kept_by"], row["step"]) for row in found] == [("first", "nms"), ("second", "threshold")]
    assert found[0]["by"]["otherwise"] == "threshold"
    # across the classes
    (row,), _ = diff([NMS], [NMS | {"space": "agnostic"}], rows)
    assert (row["label"], row["by"]["label"], row["by"]["iou"]) == (1, 0, pytest.approx(1.0))


def test_the_limit_of_a_class_and_the_limit_of_the_image():
    rows = [(0, 0, 0, 0.9, 1, BOX), (0, 1, 0, 0.8, 1, FAR), (0, 2, 1, 0.5, 1, BOX)]
    one = NMS | {"space": "per_class", "max_per_class": 1}
    (row,), _ = diff([NMS], [one], rows)
    assert (row["step"], row["prior"], row["margin"]) == ("max_per_class", 1, pytest.approx(0.1))
    (row,), _ = diff([NMS], [NMS, {"step": "max_per_img", "k": 2}], rows)
    assert (row["step"], row["prior"], row["margin"]) == ("max_per_img", 2, pytest.approx(0.3))


def test_best_class_and_min_size():
    rows = [(0, 0, 0, 0.9, 1, BOX), (0, 0, 1, 0.8, 1, BOX), (0, 1, 2, 0.5, 1, (5, 5, 6, 30))]
    (row,), _ = diff([], [{"step": "best_class"}], rows)
    assert (row["step"], row["label"], row["by"]["label"]) == ("best_class", 1, 0)
    (row,), _ = diff([], [{"step": "min_size", "value": 2.0}], rows)
    assert (row["step"], row["label"], row["margin"]) == ("min_size", 2, pytest.approx(1.0))


def test_boxes_and_scores_that_change():
    rows = [(0, 0, 0, 0.9, 0.5, (0, 0, 60, 60)), (0, 1, 1, 0.8, 1.0, BOX)]
    clip, rescale = {"step": "clip"}, {"step": "rescale"}
    sizes = {"padded_height": 50, "padded_width": 50}
    (row,), counts = diff([clip, rescale], [clip | {"to": "tensor"}, rescale], rows, **sizes)
    assert (row["kept_by"], row["step"], row["prior"]) == ("both", "clip", 0)
    assert (row["box"], row["other_box"]) == ((0, 0, 80, 64), (0, 0, 100, 100))
    assert counts == {"first": 2, "second": 2, "same": 1}
    (row,), _ = diff([{"step": "multiply_factor"}], [], rows)
    assert (row["step"], row["score"], row["other_score"]) == (
        "multiply_factor",
        pytest.approx(0.45),
        pytest.approx(0.9),
    )
    # the order of two steps alone is no difference
    assert diff([rescale, NMS], [NMS, rescale | {"operation": "divide"}], rows)[0] == []


def test_voting_changes_boxes_alone():
    floor = Floor("product", 0.05**2 * (1 - 1e-6), True)
    spec = model_spec(atss_head(recipe=PAA_STEPS, floor=floor))
    rows = candidates((0, 0, 0, 0.9, 1, BOX), (0, 1, 0, 0.8, 1, SMALLER))
    recipes = [resolve_recipe(d, spec.head) for d in ("mmdet3", {"base": "mmdet3", "score_voting": False})]
    found, _ = diff_recipes_of(*recipes, rows, geometry(), spec)
    assert [(row["kept_by"], row["step"]) for row in found] == [("both", "score_voting")]


@pytest.mark.parametrize("head", [atss_head, yolox_head])
@pytest.mark.parametrize("other", [name for name in RECIPES if name != "mmdet3"])
def test_every_difference_of_the_named_recipes_is_explained(head, other):
    spec = model_spec(head())
    second: dict[str, Any] = {"base": other, "score_thr": 0.25}
    second |= {"iou_threshold": 0.3} if resolve_recipe(second, spec.head).get(Nms) else {"score_thr": 0.3}
    definitions = "mmdet3", second
    recipes = [resolve_recipe(definition, spec.head) for definition in definitions]
    total = 0
    for seed in range(5):
        rows = from_raw(raw_outputs(spec.head, [(6, 6), (3, 3)], seed=seed), spec.head)
        found, counts = diff_recipes_of(*recipes, rows, geometry(), spec)
        sizes = [len(apply_recipe(recipe, rows, geometry(), spec)) for recipe in recipes]
        assert [counts["first"], counts["second"]] == sizes
        sides = [sum(row["kept_by"] == side for row in found) for side in ("first", "second", "both")]
        assert sizes == [counts["same"] + sides[2] + side for side in sides[:2]]
        for row in found:
            assert row["step"] != "rounding"
            if row["kept_by"] != "both":
                assert row["margin"] >= 0
        total += len(found)
    assert total > 0


@pytest.fixture
def store(tmp_path):
    rows = {7: [(0, 0, 0, 0.9, 1, BOX), (0, 1, 0, 0.8, 1, SMALLER)], 9: [(0, 0, 1, 0.06, 1, FAR)], 4: []}
    paths = {
        name: str(tmp_path / name) for name in ("0.parquet", "0.images.parquet", "spec.json", "out.json")
    }
    write_json(paths["spec.json"], SPEC.to_dict())

    def write(**metadata):
        metadata = run_metadata(SPEC, **{"cut": "decoded"} | metadata)
        with PredictionWriter(
            paths["0.parquet"], paths["0.images.parquet"], candidates=True, metadata=metadata
        ) as w:
            for image_id, found in rows.items():
                w.add(image_id, geometry(), candidates(*found))

    def run(second, **metadata):
        write(**metadata)
        diff_recipes(
            first="mmdet3",
            second=second,
            predictions=[paths["0.parquet"]],
            images=[paths["0.images.parquet"]],
            spec=paths["spec.json"],
            out=paths["out.json"],
        )
        return read_json(paths["out.json"])

    return run


def test_the_file(store):
    found = store({"base": "mmdet3", "score_thr": 0.1, "iou_threshold": 0.8})
    assert found["images"] == 3
    assert found["detections"] == {"first": 2, "second": 2, "same": 1}
    assert found["steps"] == {
        "nms": {"first": 0, "second": 1, "both": 0},
        "threshold": {"first": 1, "second": 0, "both": 0},
    }
    assert [(row["image_id"], row["kept_by"]) for row in found["rows"]] == [(7, "second"), (9, "first")]
    assert found["second"][0]["value"] == 0.1
    assert np.isfinite([row["margin"] for row in found["rows"]]).all()


def test_stores_that_cannot_be_compared_are_refused(store):
    for metadata, second, message in (
        ({"spec": "0"}, "mmdet3", "another model specification"),
        ({"cut": "e2e"}, "mmdet3", "not candidates"),
        ({}, {"base": "mmdet3", "score_thr": 0.01}, "candidates end at"),
        ({"scores": "fused"}, "mmdeploy", "thresholds the class score"),
    ):
        with pytest.raises(UserError, match=message):
            store(second, **metadata)
