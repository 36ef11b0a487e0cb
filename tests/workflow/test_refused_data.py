"""Data that would be scored wrongly ends the run with one message, before a network runs on it."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from snake import ROOT, Result, copy_project, run_snakemake

from cutpoint.files import read_json

pytestmark = pytest.mark.slow

CONFIG = """\
device: cpu
models:
  demo: {config: config/demo/atss_traffic.py, checkpoint: data/demo/atss_traffic.pth}
datasets:
  street: {images: data/demo/traffic/images, annotations: boxes.json}
variants:
  pytorch: {runtime: pytorch, cut: e2e}
  raw: {runtime: onnxruntime, cut: raw, exporter: torchscript}
evaluations:
  - {model: demo, dataset: street, variants: [pytorch, raw]}
"""
METRICS = "results/metrics/street/demo/pytorch.json"
CATEGORIES = ["pedestrian", "non-motor-vehicle", "motor-vehicle", "other"]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copy_project(tmp_path_factory.mktemp("refused-data"))


@pytest.fixture
def run(project: Path) -> Callable[..., Result]:
    """Run to PyTorch's metrics on six images with changed annotations."""

    def call(change: Callable[[dict], None], **keys: str) -> Result:
        content = read_json(ROOT / "data/demo/traffic/instances.json")
        content["images"] = content["images"][:6]
        ids = {image["id"] for image in content["images"]}
        content["annotations"] = [a for a in content["annotations"] if a["image_id"] in ids]
        change(content)
        (project / "boxes.json").write_text(json.dumps(content))
        lines = "".join(f"    {key}: {value}\n" for key, value in keys.items())
        text = CONFIG.replace(
            "  street: {images: data/demo/traffic/images, annotations: boxes.json}\n",
            f"  street:\n    images: data/demo/traffic/images\n    annotations: boxes.json\n{lines}",
        )
        (project / "config/config.yaml").write_text(text)
        return run_snakemake(project, METRICS, "--cores", "2")

    return call


def reverse(content: dict) -> None:
    content["categories"] = content["categories"][::-1]


def rename(content: dict) -> None:
    content["categories"][3]["name"] = "tram"


def test_an_order_that_may_be_either_is_asked_for_and_the_answer_holds(run, project):
    refused = run(reverse)
    assert refused.code == 1
    message = (
        "datasets.street.label_order: boxes.json lists the categories in the order "
        + ", ".join(map(repr, CATEGORIES[::-1]))
        + ", and the model its classes in the order "
        + ", ".join(map(repr, CATEGORIES))
    )
    assert message in refused.text
    assert "Traceback" not in refused.text
    assert not (project / "results/predictions").exists() or not [
        *project.glob("results/predictions/**/*.parquet")
    ]
    found = {}
    for order in ("names", "file"):
        done = run(reverse, label_order=order)
        assert done.code == 0, done.text
        found[order] = read_json(project / METRICS)["AP"]
    assert found["names"] > 0.4
    assert found["file"] < 0.1


def test_a_category_without_a_class_is_asked_for_and_left_out_or_counted(run, project):
    refused = run(rename)
    assert refused.code == 1
    assert "datasets.street.categories_without_class: 1 of 4 categories have boxes (" in refused.text
    found = {}
    for choice in ("leave_out", "count"):
        done = run(rename, categories_without_class=choice)
        assert done.code == 0, done.text
        metrics = read_json(project / METRICS)
        truth = read_json(project / "results/truth/street/demo.json")["info"]["left_out"]
        found[choice] = metrics["AP"], [row["AP"] for row in metrics["per_class"]], truth["categories"]
    kept = [ap for ap in found["leave_out"][1] if ap is not None]
    assert found["leave_out"][0] == pytest.approx(sum(kept) / len(kept))
    assert found["count"][0] == pytest.approx(sum(kept) / (len(kept) + 1))
    assert (found["leave_out"][2], found["count"][2]) == (1, 0)


def test_boxes_as_fractions_stop_the_run_at_once(run, project):
    def change(content):
        sizes = {image["id"]: (image["width"], image["height"]) for image in content["images"]}
        for annotation in content["annotations"]:
            width, height = sizes[annotation["image_id"]]
            x, y, w, h = annotation["bbox"]
            annotation["bbox"] = [x / width, y / height, w / width, h / height]

    refused = run(change)
    assert refused.code == 1
    assert "bbox that is fractions of the image's size" in refused.text
    assert "Traceback" not in refused.text
