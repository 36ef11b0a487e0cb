"""Annotations in another format than COCO JSON, through the whole workflow."""

import csv
import json
from pathlib import Path

import pytest
from snake import Result, copy_project, run_snakemake

from cutpoint.files import read_json

COCO_FILE = "data/demo/traffic/instances.json"
IMAGES = "data/demo/traffic/images"
CONFIG = f"""\
device: cpu
models:
  theirs: {{classes: CLASSES}}
datasets:
  coco: {{images: {IMAGES}, annotations: {COCO_FILE}, limit: 12}}
  yolo: {{images: {IMAGES}, annotations: theirs, format: yolo, limit: 12}}
variants:
  found: {{results: found.json}}
evaluations:
  - {{model: theirs, dataset: coco, variants: [found]}}
  - {{model: theirs, dataset: yolo, variants: [found]}}
"""


def write_yolo(folder: Path) -> None:
    """The demo's annotations as YOLO writes them, with the digits of Ultralytics' converter."""
    truth = read_json(folder / COCO_FILE)
    labels = {category["id"]: label for label, category in enumerate(truth["categories"])}
    lines: dict[int, list[str]] = {image["id"]: [] for image in truth["images"]}
    sizes = {image["id"]: (image["width"], image["height"]) for image in truth["images"]}
    for box in truth["annotations"]:
        (x, y, w, h), (width, height) = box["bbox"], sizes[box["image_id"]]
        numbers = (x + w / 2) / width, (y + h / 2) / height, w / width, h / height
        text = " ".join(f"{number:.6f}" for number in numbers)
        lines[box["image_id"]].append(f"{labels[box['category_id']]} {text}\n")
    (folder / "theirs/labels").mkdir(parents=True)
    for image in truth["images"]:
        path = folder / "theirs/labels" / Path(image["file_name"]).with_suffix(".txt").name
        path.write_text("".join(lines[image["id"]]))
    names = [category["name"] for category in truth["categories"]]
    (folder / "theirs/data.yaml").write_text(f"names: {json.dumps(names)}\n")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    copy_project(tmp_path)
    truth = read_json(tmp_path / COCO_FILE)
    names = json.dumps([category["name"] for category in truth["categories"]])
    (tmp_path / "config/config.yaml").write_text(CONFIG.replace("CLASSES", names))
    found = [
        {
            "image_id": b["image_id"],
            "category_id": b["category_id"],
            "bbox": b["bbox"],
            "score": 0.9 - n % 10 / 20,
        }
        for n, b in enumerate(truth["annotations"])
    ]
    (tmp_path / "found.json").write_text(json.dumps(found))
    write_yolo(tmp_path)
    return tmp_path


def test_only_what_is_not_coco_is_converted(folder: Path) -> None:
    planned = run_snakemake(folder, "--dry-run")
    assert planned.code == 0, planned.text
    assert planned.jobs["convert_annotations"] == 1
    assert {"results/annotations/yolo.json", "results/annotations/yolo.conversion.json"} <= set(
        planned.outputs
    )
    assert not any("annotations/coco" in path for path in planned.outputs)


@pytest.mark.slow
def test_both_score_alike_and_the_loss_is_beside_ap(folder: Path) -> None:
    done = run_snakemake(folder, "--cores", "2", "all", timeout=500)
    assert done.code == 0, done.text
    with (folder / "results/tables/summary.csv").open(newline="") as file:
        rows = {row["dataset"]: row for row in csv.DictReader(file)}
    assert float(rows["yolo"]["AP"]) == pytest.approx(float(rows["coco"]["AP"]), abs=1e-6)
    assert "from yolo: area of the box in place of the object's own" in rows["yolo"]["notes"]
    assert "from yolo" not in rows["coco"]["notes"]
    assert "from yolo: area of the box" in (folder / "results/report.html").read_text()
    # nothing repeats
    assert run_snakemake(folder, "--dry-run").jobs == {}
    # a box: the truth and what follows, not the manifest, on which predictions depend
    label = min((folder / "theirs/labels").iterdir())
    label.write_text(label.read_text() + "0 0.5 0.5 0.1 0.1\n")
    again = run_snakemake(folder, "--dry-run")
    assert {"convert_annotations", "build_truth", "evaluate", "render_report"} <= set(again.jobs)
    assert not {"build_manifest", "map_labels", "import_results"} & set(again.jobs)
    # the names of the classes are part of the manifest
    data = folder / "theirs/data.yaml"
    data.write_text(data.read_text().replace("[", '["unused", ', 1))
    assert "build_manifest" in run_snakemake(folder, "--dry-run").jobs


def _refused(folder: Path) -> Result:
    done = run_snakemake(folder, "--cores", "2", "preflight")
    assert done.code != 0
    return done


@pytest.mark.slow
def test_a_broken_line_is_one_message_with_its_place(folder: Path) -> None:
    label = min((folder / "theirs/labels").iterdir())
    label.write_text(label.read_text() + "77 0.5 0.5 0.1 0.1\n")
    place = f"theirs/labels/{label.name}, line {len(label.read_text().splitlines())} ('77')"
    message = (
        "datasets.yolo.annotations theirs: class number that the list of classes does not have: 1, first "
        f"{place}; the classes are numbered 0 to"
    )
    text = _refused(folder).text
    assert text.count(message) == 1
    assert "Traceback" not in text
