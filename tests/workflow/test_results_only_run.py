"""Results files alone, through the whole workflow."""

import csv
import json
from pathlib import Path

import pytest
from snake import copy_project, run_snakemake

from cutpoint.files import read_json

CONFIG = """\
device: cpu
models:
  theirs: {classes: CLASSES}
datasets:
  traffic:
    images: data/demo/traffic/images
    annotations: data/demo/traffic/instances.json
    limit: 12
variants:
  pt: {results: pt.json, category_ids: label_plus_one}
  same: {results: same.json}
  strict: {results: strict.json}
evaluations:
  - {model: theirs, dataset: traffic, variants: [pt, same, strict]}
"""


def write_results(folder):
    """The true boxes as detections: as Ultralytics writes them, as COCO results, and without low scores."""
    truth = json.loads((folder / "data/demo/traffic/instances.json").read_text())
    labels = {category["id"]: label for label, category in enumerate(truth["categories"])}
    files = {image["id"]: Path(image["file_name"]) for image in truth["images"]}
    coco, theirs = [], []
    for number, box in enumerate(truth["annotations"]):
        common = {"bbox": box["bbox"], "score": 0.05 + 0.9 * (number % 10) / 10}
        coco.append({"image_id": box["image_id"], "category_id": box["category_id"], **common})
        file = files[box["image_id"]]
        stem = int(file.stem) if file.stem.isdecimal() else file.stem
        ids = {"image_id": stem, "file_name": file.name, "category_id": labels[box["category_id"]] + 1}
        theirs.append({**ids, **common})
    (folder / "pt.json").write_text(json.dumps(theirs))
    (folder / "same.json").write_text(json.dumps(coco))
    (folder / "strict.json").write_text(json.dumps([e for e in coco if e["score"] > 0.5]))


@pytest.fixture
def folder(tmp_path):
    copy_project(tmp_path)
    truth = read_json(tmp_path / "data/demo/traffic/instances.json")
    text = CONFIG.replace("CLASSES", json.dumps([category["name"] for category in truth["categories"]]))
    (tmp_path / "config/config.yaml").write_text(text)
    write_results(tmp_path)
    return tmp_path


def test_results_files_alone_make_tables_figures_and_a_page(folder):
    done = run_snakemake(folder, "--cores", "2", timeout=500)
    assert done.code == 0, done.text
    with (folder / "results/tables/summary.csv").open(newline="") as file:
        rows = {row["variant"]: row for row in csv.DictReader(file)}
    assert (rows["pt"]["is_reference"], rows["same"]["verdict"]) == ("True", "lossless")
    assert float(rows["pt"]["AP"]) == float(rows["same"]["AP"]) > 0.9
    assert float(rows["strict"]["delta_AP"]) < -0.1
    assert "scores from 0.5" in rows["strict"]["kept_otherwise"]
    made = {path.name for path in (folder / "results/figures/traffic/theirs").glob("*.svg")}
    assert {"ap.svg", "calibration.svg", "drift.svg", "operating_points.svg"} <= made
    assert not made & {"ladder.svg", "latency.svg", "stages.svg", "causes.svg"}
    assert not (folder / "results/latency").exists()
    assert not list((folder / "results/models").rglob("*.onnx"))
    found = read_json(folder / "results/detections/traffic/theirs/pt.json")
    assert found == read_json(folder / "results/detections/traffic/theirs/same.json")
    page = (folder / "results/report.html").read_text()
    assert "AP is lower with strict" in page


def test_a_numbering_that_nobody_chose_is_refused_with_the_choice(folder):
    config = folder / "config/config.yaml"
    config.write_text(config.read_text().replace(", category_ids: label_plus_one", ""))
    target = "results/detections/traffic/theirs/pt.json"
    done = run_snakemake(folder, "--cores", "2", target)
    assert done.code != 0
    assert "say what category_id is with category_ids: dataset (" in done.text
