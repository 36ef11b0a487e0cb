"""The files of the comparisons: what is written comes back, older ones are read, others are refused."""

import json
from dataclasses import replace

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cutpoint.errors import UserError
from cutpoint.files import read_json, write_json
from cutpoint.records.autopsy import COLUMNS, AutopsyRow, read_autopsy, write_autopsy
from cutpoint.records.diagnosis import Candidate, Diagnosis, read_diagnosis, write_diagnosis
from cutpoint.records.fingerprints import Fingerprint, Fingerprints, read_fingerprints, write_fingerprints
from cutpoint.records.ladder import Alone, Ladder, Rung, TensorDifference, read_ladder, write_ladder
from cutpoint.records.manifest import Category, Licence
from cutpoint.records.operating_points import (
    OperatingPoints,
    Point,
    ScoreBin,
    read_operating_points,
    write_operating_points,
)
from cutpoint.records.recipe_diff import (
    Detected,
    DiffRow,
    RecipeDiff,
    StepTotals,
    Winner,
    read_recipe_diff,
    write_recipe_diff,
)
from cutpoint.records.resamples import Resamples, read_resamples, write_resamples
from cutpoint.records.samples import (
    DrawnDetection,
    DrawnObject,
    DrawnVariant,
    Gallery,
    Hidden,
    OtherSide,
    Picture,
    read_gallery,
    write_gallery,
)

DIAGNOSIS = Diagnosis(
    40,
    1.1,
    "resembles",
    ("stretch",),
    "Resembles.",
    (Candidate(("stretch",), ("stretched",), 0.5, 0.75, False),),
)
BOX = (1.5, 2.0, 30.0, 40.5)
GALLERY = Gallery(
    reference="pytorch",
    refused={"theirs": "NaN"},
    labelled=True,
    score_thr=0.3,
    images=80,
    hidden=Hidden(3, 2),
    categories=(Category(1, "<b>車</b>"),),
    licences=(Licence(4, "Attribution License", None),),
    pictures=(
        Picture(
            "7.jpg",
            7,
            "a.png",
            48,
            64,
            4,
            "https://example.org/7",
            (DrawnObject(BOX, 1, False),),
            (DrawnDetection(BOX, 1, 0.9, "correct"),),
            {"raw": DrawnVariant((), (), (OtherSide(None, 0.7, "nms"),), (0,), 1, 1)},
            ("night",),
        ),
    ),
)
POINTS = OperatingPoints(
    score_thr=0.35,
    points=(Point(0.3, 0.9, 0.8, 0.85, 7.0, 0.2), Point(0.35, 0.9, 0.7, 0.86, 6.0, None)),
    errors={"correct": 9, "localization": 3},
    error_changes={"correct": -1, "localization": 1},
    scores=(ScoreBin(0.0, 3, 0.05, 0.5, None, None), ScoreBin(0.1, None, None, None, 4, -0.25)),
    refused=None,
)
RUNG = Rung(
    *("raw", ("cut e2e → raw",), (), 0.5, None, -0.01, (-0.02, 0.0), None, None, 0.9, 0.95, 3.5, None),
    tensor_difference=TensorDifference("box_0", 1e-6),
    alone=Alone("e2e", 0.01, (0.0, 0.02)),
)
ROW = AutopsyRow(
    image_id=2**40,
    side="variant",
    category_id=3,
    score=0.1,
    x1=1.5,
    y1=2.5,
    x2=30.0,
    y2=40.0,
    step="nms",
    number=4,
    by_iou=0.625,
)
DIFF_ROW = DiffRow(
    image_id=1,
    kept_by="first",
    label=0,
    class_name="car",
    level=1,
    prior=12,
    score=0.5,
    box=(0.0, 1.0, 2.0, 3.0),
    step="nms",
    number=2,
    margin=0.1,
    by=Winner(prior=13, label=0, score=0.9, iou=0.7, otherwise="max_per_img"),
)


@pytest.mark.parametrize(
    ("record", "read", "write"),
    [
        (DIAGNOSIS, read_diagnosis, write_diagnosis),
        (POINTS, read_operating_points, write_operating_points),
        (Ladder("pytorch", 0.57, (RUNG,)), read_ladder, write_ladder),
        (
            Fingerprints(
                (1, 2), 1.5, (Fingerprint(("none",), ("no",), {"AP": 1.0}, {"AP": 0.1}, {"AP": 0.01}),), None
            ),
            read_fingerprints,
            write_fingerprints,
        ),
        (
            RecipeDiff(
                ({"step": "nms"},), (), 3, Detected(4, 5, 3), {"nms": StepTotals(1, 2, 0)}, (DIFF_ROW,)
            ),
            read_recipe_diff,
            write_recipe_diff,
        ),
    ],
)
def test_what_is_written_comes_back(tmp_path, record, read, write):
    path = tmp_path / "a.json"
    write(path, record)
    assert read(path) == record
    assert next(iter(read_json(path))) == "format"


def test_keys_that_python_keeps_for_itself_stand_in_the_file(tmp_path):
    write_operating_points(tmp_path / "points.json", POINTS)
    bins = read_json(tmp_path / "points.json")["scores"]
    assert bins[1] == {
        "from": 0.1,
        "detections": None,
        "mean_score": None,
        "correct": None,
        "pairs": 4,
        "drift": -0.25,
    }
    write_recipe_diff(tmp_path / "diff.json", RecipeDiff((), (), 1, Detected(1, 0, 0), {}, (DIFF_ROW,)))
    assert read_json(tmp_path / "diff.json")["rows"][0]["class"] == "car"


def test_files_of_format_1_are_read_with_their_old_words(tmp_path):
    path = tmp_path / "old.json"
    write_diagnosis(path, DIAGNOSIS)
    text = path.read_text().replace('"match_rate"', '"same"').replace('"format": 2,\n', "")
    path.write_text(text)
    assert "format" not in json.loads(text)
    assert read_diagnosis(path) == DIAGNOSIS
    write_operating_points(path, POINTS)
    path.write_text(path.read_text().replace('"localization"', '"place"').replace('"format": 2,\n', ""))
    assert read_operating_points(path) == POINTS
    # without ground truth
    bare = replace(POINTS, score_thr=None, points=None, errors=None, error_changes=None)
    write_json(path, {key: value for key, value in _content(path, bare).items() if key != "format"})
    assert read_operating_points(path) == bare


def test_the_causes_of_format_1_have_their_new_names(tmp_path):
    """And the steps of recipes, whole."""
    path = tmp_path / "old.json"
    steps = ({"step": "max_per_img", "k": 3}, {"step": "threshold", "quantity": "class", "value": 0.1})
    totals = {"max_per_img": StepTotals(1, 0, 0), "nms": StepTotals(0, 1, 0)}
    row = msgspec.structs.replace(DIFF_ROW, step="max_per_class")
    diff = RecipeDiff(steps, (), 1, Detected(1, 2, 0), totals, (row,))
    write_recipe_diff(path, diff)
    text = path.read_text().replace('"max_per_img"', '"cap"').replace('"max_per_class"', '"per_class_cap"')
    path.write_text(text.replace('"quantity"', '"on"').replace('"format": 2,\n', ""))
    assert read_recipe_diff(path) == diff


def _content(path, points):
    write_operating_points(path, points)
    return read_json(path)


def test_the_best_point_is_that_of_the_threshold():
    assert POINTS.best is POINTS.points[1]
    assert replace(POINTS, score_thr=None, points=None).best is None


def test_a_gallery_comes_back_and_another_file_is_refused(tmp_path):
    path = tmp_path / "index.json"
    write_gallery(path, GALLERY)
    assert read_gallery(path) == GALLERY
    write_json(path, [{"file": "00_7.jpg", "image_id": 7, "caption": ""}])
    with pytest.raises(UserError, match=r"index\.json: expected object, got array; remove the file"):
        read_gallery(path)
    content = msgspec.to_builtins(GALLERY)
    content["pictures"][0]["variants"]["raw"]["lost"] = "2"
    write_json(path, content)
    with pytest.raises(UserError, match=r"index\.json: pictures\[0\]\..*expected `?int"):
        read_gallery(path)


def test_resamples_come_back_and_another_file_is_refused(tmp_path):
    path = tmp_path / "a.npz"
    resamples = Resamples(np.arange(3), np.array([1, 9]), np.full((5, 4, 2), 0.25), np.ones((4, 3), int))
    write_resamples(path, resamples)
    back = read_resamples(path)
    assert all(np.array_equal(value, getattr(back, name)) for name, value in vars(resamples).items())
    with path.open("wb") as file:
        np.savez(file, images=resamples.images)
    with pytest.raises(UserError, match=r"a\.npz: .*categories"):
        read_resamples(path)
    path.write_text("no archive")
    with pytest.raises(UserError, match=r"a\.npz: "):
        read_resamples(path)
    with pytest.raises(UserError, match=r"b\.npz"):
        read_resamples(tmp_path / "b.npz")


def test_an_autopsy_comes_back_row_by_row(tmp_path):
    path = tmp_path / "a.parquet"
    write_autopsy(path, [ROW, replace(ROW, side="reference", score=0.3)])
    assert list(read_autopsy(path)) == [ROW, replace(ROW, side="reference", score=0.3)]
    write_autopsy(path, [])
    assert list(read_autopsy(path)) == []
    assert pq.read_schema(path).names == list(COLUMNS)


def test_an_autopsy_of_format_1_is_read(tmp_path):
    path = tmp_path / "a.parquet"
    write_autopsy(path, [ROW, replace(ROW, step="per_class_cap", by_otherwise="cap")])
    pq.write_table(pq.read_table(path).replace_schema_metadata(None), path)
    assert list(read_autopsy(path)) == [ROW, replace(ROW, step="max_per_class", by_otherwise="max_per_img")]


def test_another_parquet_file_is_refused_with_path_and_column(tmp_path):
    path = tmp_path / "a.parquet"
    write_autopsy(path, [ROW])
    table = pq.read_table(path)
    pq.write_table(table.drop_columns(["margin"]), path)
    with pytest.raises(UserError, match=r"a\.parquet: column margin is missing"):
        list(read_autopsy(path))
    place = table.schema.get_field_index("by_label")
    pq.write_table(table.set_column(place, "by_label", pa.array([None], pa.int64())), path)
    with pytest.raises(UserError, match=r"a\.parquet: column by_label: expected int16, got int64"):
        list(read_autopsy(path))
    path.write_text("no Parquet")
    with pytest.raises(UserError, match=r"a\.parquet: "):
        list(read_autopsy(path))
