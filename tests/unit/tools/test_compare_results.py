"""Two results folders side by side: what differs is found in every kind of file, what may differ is not."""

import importlib.util
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

ROOT = Path(__file__).parents[3]
_spec = importlib.util.spec_from_file_location("compare_results", ROOT / "tools" / "compare_results.py")
tool = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(tool)

JSON = {
    "detections/d/m/raw.json": [
        {"image_id": 1, "category_id": 2, "bbox": [1.0, 2.0, 3.0, 4.0], "score": 0.5}
    ],
    "metrics/d/m/raw.json": {"AP": 0.25, "per_class": [{"category_id": 2, "AP": None}]},
    "comparisons/d/m/raw.json": {"delta_AP": -0.125, "autopsy": {"reference": {"cap": 2}, "variant": {}}},
    "ladders/d/m.json": {
        "rungs": [{"AP": 0.25, "latency_p50_ms": 7.0, "recipe_steps": ["cap k 2 → 3", "threshold on a → b"]}]
    },
    "operating_points/d/m/raw.json": {
        "errors": {"class": 1, "place": 3},
        "scores": [{"from": 0.1, "drift": 0.5}],
    },
    "truth/d/m.json": {"annotations": [{"id": 1, "bbox": [1.0, 2.0, 3.0, 4.0]}]},
    "labels/d/m.json": {"classes": ["car"], "labels": [3]},
    "manifests/d.json": {"images": [{"id": 1, "height": 48}]},
    "fingerprints/d/m.json": {"limit": 1.5, "mistakes": [{"features": {"AP": 0.75}}]},
    "diagnoses/d/m/raw.json": {"limit": 1.5, "ranking": [{"distance": 0.5, "same": 0.75}]},
    "models/m/spec.json": {"head": {"recipe": [{"step": "threshold", "on": "class", "value": 0.25}]}},
    "samples/d/m/raw/index.json": [{"file": "00_1.jpg", "image_id": 1, "caption": "image 1"}],
}
SUMMARY = """dataset,variant,recipe,AP,latency_p50_ms,model_mb,notes
d,raw,made elsewhere,0.25,7.5,4.25,made elsewhere: a.json; disturbed (0.5 cores)
d,e2e,mmdet3,,,4.5,
"""
# what the redesign may write in place of the above
RENAMED = [
    ("diagnoses/d/m/raw.json", '"same"', '"match_rate"'),
    ("operating_points/d/m/raw.json", '"place"', '"localization"'),
    ("comparisons/d/m/raw.json", '"cap"', '"max_per_img"'),
    ("ladders/d/m.json", '"cap k', '"max_per_img k'),
    ("ladders/d/m.json", '"threshold on', '"threshold quantity'),
    ("ladders/d/m.json", "7.0", "9.0"),
    ("models/m/spec.json", '"on"', '"quantity"'),
    ("tables/summary.csv", "raw,made elsewhere,", "raw,external,"),
    ("tables/summary.csv", "made elsewhere: a.json; disturbed (0.5 cores)", "external: a.json"),
    ("tables/summary.csv", ",7.5,", ",8.5,"),
    ("tables/summary.csv", ",4.25,", ",4.2501,"),
]


def candidates(scores=(0.5, 0.25), floor="on"):
    columns = {"image_id": pa.array([1, 2], pa.int64()), "score": pa.array(scores, pa.float32())}
    metadata = {"floor": {floor: "class", "value": 0.05}, "onnx_sha256": str(scores)}
    return pa.table(columns).replace_schema_metadata({"cutpoint": json.dumps(metadata)})


def cases(steps=("cap", "nms"), margins=(None, 0.5)):
    return pa.table({"step": pa.array(steps), "margin": pa.array(margins, pa.float64())})


@pytest.fixture
def folders(tmp_path):
    """Two folders with the same content."""
    old, new = tmp_path / "old", tmp_path / "new"
    for name, content in JSON.items():
        (old / name).parent.mkdir(parents=True, exist_ok=True)
        (old / name).write_text(json.dumps(content, ensure_ascii=False))
    for name, table in (
        ("predictions/d/m/r/0.parquet", candidates()),
        ("autopsies/d/m/raw.parquet", cases()),
    ):
        (old / name).parent.mkdir(parents=True)
        pq.write_table(table, old / name)
    (old / "resamples").mkdir()
    np.savez(old / "resamples/raw.npz", ap=np.array([[0.5, np.nan]]), images=np.array([1, 2]))
    (old / "tables").mkdir()
    (old / "tables/summary.csv").write_text(SUMMARY)
    (old / "report.html").write_text("old")
    shutil.copytree(old, new)
    return old, new


def run(folders):
    said = []
    return tool.compare_folders(*folders, say=said.append), said


def change(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_equal_folders_are_equal_and_counted(folders):
    (folders[1] / "report.html").write_text("new")
    equal, said = run(folders)
    assert equal
    assert said[-1] == "equal"
    assert "1 autopsies, 1 comparisons, 1 detections, 1 diagnoses" in said[-3]
    assert said[-2] == "not compared: 1 report.html"


def test_new_words_times_digests_and_formats_are_no_difference(folders):
    for name, old, new in RENAMED:
        change(folders[1] / name, old, new)
    for name in JSON:
        if not name.startswith(("detections", "metrics", "samples")):
            change(folders[1] / name, "{", '{"format": 2, ') if name.count("{") else None
    pq.write_table(candidates(floor="quantity"), folders[1] / "predictions/d/m/r/0.parquet")
    pq.write_table(cases(steps=("max_per_img", "nms")), folders[1] / "autopsies/d/m/raw.parquet")
    equal, said = run(folders)
    assert equal, said


@pytest.mark.parametrize("name", JSON)
def test_one_changed_number_is_found_in_every_json_file(folders, name):
    path = folders[1] / name
    text = path.read_text()
    numbers = list(re.finditer(r"\d+\.\d+|(?<=[\[: ])\d+(?=[,}\]])", text.replace("7.0", "x.x")))
    last = numbers[-1]
    path.write_text(text[: last.start()] + str(float(last[0]) + 1) + text[last.end() :])
    equal, said = run(folders)
    assert not equal
    assert said[0].startswith(f"{name}: ")
    assert "->" in said[0]
    assert said[-1] == "1 files differ"


def test_bytes_of_detections_count_though_the_values_are_equal(folders):
    name = "detections/d/m/raw.json"
    change(folders[1] / name, "0.5}", "0.50}")
    equal, said = run(folders)
    assert not equal
    assert said[0] == f"{name}: bytes: these -> others, of equal values"


@pytest.mark.parametrize(
    ("old", "new", "place"),
    [
        ("raw,made elsewhere,0.25", "raw,made elsewhere,0.75", "[0].AP: 0.25 -> 0.75"),
        ("e2e,mmdet3,", "e2e,mmdet2-onnx,", "[1].recipe: mmdet3 -> mmdet2-onnx"),
        (",4.25,", ",4.5,", "[0].model_mb"),
        ("a.json; disturbed", "b.json; disturbed", "[0].notes"),
        ("d,e2e", "d,raw", "[1].variant"),
        ("AP,latency", "mAP,latency", "[0].AP: there -> missing"),
    ],
)
def test_a_changed_cell_is_found_in_the_table(folders, old, new, place):
    change(folders[1] / "tables/summary.csv", old, new)
    equal, said = run(folders)
    assert not equal
    assert said[0].startswith(f"tables/summary.csv: {place}")


@pytest.mark.parametrize(
    ("name", "table", "place"),
    [
        ("predictions/d/m/r/0.parquet", candidates((0.5, 0.26)), "score[1]: 0.25 -> 0.25999"),
        (
            "predictions/d/m/r/0.parquet",
            candidates(floor="value"),
            "metadata.cutpoint.floor.quantity: there",
        ),
        ("autopsies/d/m/raw.parquet", cases(margins=(0.0, 0.5)), "margin[0]: None -> 0.0"),
        ("autopsies/d/m/raw.parquet", cases(steps=("cap", "clip")), "step[1]: nms -> clip"),
        ("autopsies/d/m/raw.parquet", cases(("cap",), (None,)), "step: rows: 2 -> 1"),
        ("autopsies/d/m/raw.parquet", cases().drop_columns(["margin"]), "margin: there -> missing"),
        (
            "autopsies/d/m/raw.parquet",
            cases().cast(pa.schema({"step": pa.string(), "margin": pa.float32()})),
            "margin: type: double -> float",
        ),
    ],
)
def test_a_changed_row_is_found_in_parquet(folders, name, table, place):
    pq.write_table(table, folders[1] / name)
    equal, said = run(folders)
    assert not equal
    assert said[0].startswith(f"{name}: {place}")


@pytest.mark.parametrize(
    ("arrays", "place"),
    [
        ({"ap": np.array([[0.5, 0.25]])}, "ap[0, 1]: nan -> 0.25"),
        ({"ap": np.array([[0.5], [np.nan]])}, "ap: type and shape"),
        ({"ap": None}, "ap: there -> missing"),
    ],
)
def test_a_changed_array_is_found(folders, arrays, place):
    with np.load(folders[0] / "resamples/raw.npz") as old:
        made = {**old, "format": np.array(2)} | arrays
    np.savez(folders[1] / "resamples/raw.npz", **{k: v for k, v in made.items() if v is not None})
    equal, said = run(folders)
    assert not equal
    assert said[0].startswith(f"resamples/raw.npz: {place}")


def test_what_is_on_one_side_is_named_and_only_the_old_ones_count(folders):
    change(folders[1] / "labels/d/m.json", '{"classes"', '{"more": 1, "classes"')
    (folders[1] / "labels/d/n.json").write_text("{}")
    equal, said = run(folders)
    assert equal
    assert f"labels/d/n.json: only in {folders[1]} (no difference)" in said
    assert f"labels: more: only in {folders[1]}, 1 times (no difference)" in said
    (folders[1] / "manifests/d.json").unlink()
    equal, said = run(folders)
    assert not equal
    assert said[0] == f"manifests/d.json: only in {folders[0]}"


def test_a_broken_file_is_a_difference_and_nothing_is_not_equal(folders, tmp_path):
    (folders[1] / "labels/d/m.json").write_text("{")
    (folders[1] / "resamples/raw.npz").write_text("no archive")
    (folders[1] / "autopsies/d/m/raw.parquet").write_text("no table")
    equal, said = run(folders)
    assert not equal
    assert sum("cannot be read" in line for line in said) == 3
    (tmp_path / "empty").mkdir()
    assert run((tmp_path / "empty",) * 2) == (
        False,
        ["compared: nothing", "not compared: nothing", "nothing to compare"],
    )
