"""Candidates of files without an mmdet model are followed: decoded ones, and rows behind the file's NMS."""

from dataclasses import replace

import pyarrow.parquet as pq
import pytest
from datasets import make_image, save_labels, save_manifest
from tiny import (
    EXTERNAL_STEPS,
    ROW_STEPS,
    atss_head,
    candidates,
    external_head,
    geometry,
    model_spec,
    rows_head,
    run_metadata,
)

from cutpoint.compare.autopsy import Side, autopsy
from cutpoint.compare.recipe_diff import diff_recipes
from cutpoint.errors import UserError
from cutpoint.files import read_json, write_json
from cutpoint.predict.postprocess import postprocess
from cutpoint.records.manifest import Category
from cutpoint.records.predictions import PredictionWriter

CATEGORIES = [Category(10 * (label + 1), name) for label, name in enumerate(("car", "bus", "person"))]
DECODED, ROWS = model_spec(external_head()), model_spec(rows_head())
# a 64x80 image at half its size in a frame of 40x40, at the top left and in the middle
CORNER = {"padded_height": 40, "padded_width": 40, "gain": 0.5}
CENTRE = {**CORNER, "top": 4}
# network pixels, for the image at the top left
BOX, SMALLER, FAR = (0, 0, 20, 20), (0, 0, 20, 15), (22, 0, 30, 30)


def lower(box, by=4):
    x1, y1, x2, y2 = box
    return (x1, y1 + by, x2, y2 + by)


def with_step(name, **changes):
    """The own recipe of ``DECODED`` with one step changed."""
    return {"steps": [step | changes if step["step"] == name else step for step in EXTERNAL_STEPS]}


OWN = {"steps": list(EXTERNAL_STEPS)}
LAST = {"steps": list(ROW_STEPS)}


@pytest.fixture
def bench(tmp_path):
    """Make a side of the rows of image 7, and compare two."""
    manifest = save_manifest(tmp_path / "manifest.json", [make_image(7)], categories=CATEGORIES)
    labels = save_labels(tmp_path / "labels.json", [category.id for category in CATEGORIES])

    def side(name, rows, recipe, sizes=CORNER, spec=DECODED, run=None):
        """``run``: the name of the side whose candidates these are."""
        cut = "e2e" if spec.head.layout == "mmdeploy" else "decoded"
        write_json(tmp_path / f"{name}.spec.json", spec.to_dict())
        files = [str(tmp_path / f"{run or name}.{ending}") for ending in ("parquet", "images.parquet")]
        if run is None:
            metadata = run_metadata(spec, cut=cut)
            with PredictionWriter(*files, candidates=True, metadata=metadata) as writer:
                writer.add(7, geometry(**sizes), candidates(*rows))
        out, spec_file = str(tmp_path / f"{name}.json"), str(tmp_path / f"{name}.spec.json")
        postprocess(
            predictions=files[:1],
            images=files[1:],
            spec=spec_file,
            labels=labels,
            cut=cut,
            recipe=recipe,
            out=out,
        )
        return Side(out, (files[0],), (files[1],), spec_file, recipe)

    def run(reference, variant):
        out = str(tmp_path / "cases.parquet")
        autopsy(reference=reference, variant=variant, manifest=manifest, labels=labels, out=out)
        return pq.read_table(out).to_pylist()

    return side, run


FOUND = [(0, 0, 0, 0.9, 1, BOX), (0, 1, 1, 0.2, 1, FAR)]
BEHIND = [(0, 0, 0, 0.9, 1, BOX), (0, 1, 0, 0.8, 1, SMALLER)]
# candidates of both sides, both recipes, what the reference's row must hold
PLANTED = {
    "threshold": (
        FOUND,
        OWN,
        {"base": "mmdet3", "score_thr": 0.25},
        {"number": 2, "there": 0.2, "margin": 0.05},
    ),
    "nms": (BEHIND, with_step("nms", iou_threshold=0.8), OWN, {"number": 3, "by_prior": 0, "prior": 1}),
    "max_per_img": (
        FOUND,
        OWN,
        {"base": "mmdet3", "max_per_img": 1},
        {"number": 4, "prior": 1, "margin": 0.7},
    ),
    "best_class": (
        [(0, 0, 0, 0.9, 1, BOX), (0, 0, 1, 0.8, 1, BOX)],
        OWN,
        {"steps": [{"step": "best_class"}, *EXTERNAL_STEPS]},
        {"number": 1, "by_label": 0, "label": 1},
    ),
    "drifted": (FOUND[:1], OWN, with_step("rescale", padding="left"), {"moved_by": "rescale", "shift_px": 8}),
    "clip": (
        [(0, 0, 0, 0.9, 1, lower(BOX)), (0, 1, 1, 0.8, 1, lower((2, -20, 20, -2)))],
        {"steps": list(EXTERNAL_STEPS[:-1])},
        {"steps": [*EXTERNAL_STEPS, {"step": "min_size", "value": 0}]},
        {"number": 6, "prior": 1},
    ),
}


@pytest.mark.parametrize("step", PLANTED)
def test_a_planted_step_of_the_recipe_is_named(bench, step):
    side, run = bench
    rows, first, second, expected = PLANTED[step]
    reference = side("reference", rows, first, CENTRE)
    found = [
        row for row in run(reference, side("variant", rows, second, CENTRE)) if row["side"] == "reference"
    ]
    assert [row["step"] for row in found] == [step]
    assert found[0]["followed_by"] == "location"
    for key, value in expected.items():
        assert found[0][key] == (value if isinstance(value, str) else pytest.approx(value, abs=1e-6))


def test_the_other_place_in_the_letterbox_is_respected(bench):
    """The same box is found at other network pixels, and the box in its way is drawn in original pixels."""
    side, run = bench
    reference = side("reference", BEHIND, with_step("nms", iou_threshold=0.8))
    moved = [(*row[:-1], lower(row[-1])) for row in BEHIND]
    (row,) = run(reference, side("variant", moved, OWN, CENTRE))
    assert (row["step"], row["followed_by"], row["prior"]) == ("nms", "overlap", 1)
    assert [row[key] for key in ("by_x1", "by_y1", "by_x2", "by_y2")] == [0, 0, 40, 40]
    assert row["by_otherwise"] is None


def test_a_row_of_another_file_is_another_box(bench):
    """Rows are in the order of the scores: row 1 of one file is row 0 of the other."""
    side, run = bench
    rows = [(0, 0, 0, 0.9, 1, BOX), (0, 1, 0, 0.8, 1, FAR)]
    turned = [(0, 0, 0, 0.85, 1, FAR), (0, 1, 0, 0.1, 1, BOX)]
    reference = side("reference", rows, LAST, spec=ROWS)
    strict = {"steps": [{"step": "threshold", "quantity": "class", "value": 0.25}, *ROW_STEPS]}
    (row,) = run(reference, side("variant", turned, strict, spec=ROWS))
    assert (row["step"], row["followed_by"], row["prior"]) == ("threshold", "overlap", 1)
    assert (row["value"], row["there"]) == pytest.approx((0.9, 0.1))


def test_two_recipes_on_the_same_rows_are_followed_row_by_row(bench):
    side, run = bench
    rows = [(0, 0, 0, 0.9, 1, BOX), (0, 1, 0, 0.8, 1, FAR)]
    reference = side("reference", rows, LAST, spec=ROWS)
    strict = {"steps": [{"step": "threshold", "quantity": "class", "value": 0.85}, *ROW_STEPS]}
    (row,) = run(reference, side("variant", rows, strict, spec=ROWS, run="reference"))
    assert (row["step"], row["followed_by"], row["prior"]) == ("threshold", "location", 1)


def test_rows_and_decoded_boxes_are_compared_by_their_place(bench):
    """Two layouts of one network: each side is read with its own specification."""
    side, run = bench
    reference = side("reference", [(0, 40, 0, 0.9, 1, BOX), (0, 70, 0, 0.8, 1, FAR)], OWN)
    (row,) = run(reference, side("variant", [(0, 0, 0, 0.9, 1, BOX)], LAST, spec=ROWS))
    assert (row["side"], row["step"], row["prior"]) == ("reference", "no_candidate", None)
    both = side("variant", [(0, 0, 0, 0.9, 1, BOX), (0, 40, 0, 0.8, 1, FAR)], LAST, spec=ROWS)
    assert run(reference, both) == []


@pytest.mark.parametrize("spec", [DECODED, ROWS], ids=["decoded", "rows"])
def test_a_recipe_diff_reads_both(bench, tmp_path, spec):
    side, _ = bench
    made = side("only", FOUND, OWN, spec=spec)
    out = str(tmp_path / "diff.json")
    second = {"steps": [*EXTERNAL_STEPS, {"step": "max_per_img", "k": 1}]}
    files = {"predictions": list(made.predictions), "images": list(made.images), "spec": made.spec}
    diff_recipes(first=OWN, second=second, **files, out=out)
    found = read_json(out)
    assert found["detections"] == {"first": 2, "second": 1, "same": 1}
    assert [(row["step"], row["prior"], row["class"]) for row in found["rows"]] == [("max_per_img", 1, "bus")]


def test_final_detections_of_an_mmdet_model_are_still_refused(tmp_path):
    spec = model_spec(atss_head())
    write_json(tmp_path / "spec.json", spec.to_dict())
    files = [str(tmp_path / name) for name in ("0.parquet", "0.images.parquet")]
    with PredictionWriter(*files, candidates=False, metadata=run_metadata(spec, cut="e2e")):
        pass
    with pytest.raises(UserError, match="holds detections, not candidates"):
        diff_recipes(
            first="mmdet3",
            second="mmdet3",
            predictions=files[:1],
            images=files[1:],
            spec=str(tmp_path / "spec.json"),
            out=str(tmp_path / "diff.json"),
        )


def test_specifications_that_read_alike_are_one_place(bench):
    """fp32 and int8 of one file: two specifications, the same locations."""
    side, run = bench
    reference = side("reference", FOUND, OWN)
    other = replace(DECODED, model="int8")
    low = [FOUND[0], (0, 1, 1, 0.0011, 1, FAR)]
    strict = {"base": "mmdet3", "score_thr": 0.1}
    (row,) = run(reference, side("variant", low, strict, spec=other))
    assert (row["step"], row["followed_by"], row["prior"]) == ("threshold", "location", 1)
