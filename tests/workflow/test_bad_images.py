"""Images that cannot be read: the run stops with one message, or goes on without them and says so."""

import csv
import json
import shutil
from pathlib import Path

import pytest
from snake import ROOT, copy_project, run_snakemake

from cutpoint.files import read_json

pytestmark = pytest.mark.slow

CONFIG = """\
device: cpu
models:
  demo: {config: config/demo/atss_traffic.py, checkpoint: data/demo/atss_traffic.pth}
datasets:
  torn: {images: photos, annotations: torn.json, slices: slices.csv, on_bad_image: fail}
  whole: {images: photos, annotations: whole.json}
variants:
  pytorch: {runtime: pytorch, cut: e2e}
  raw: {runtime: onnxruntime, cut: raw, exporter: torchscript}
evaluations:
  - {model: demo, dataset: torn, variants: [pytorch, raw]}
  - {model: demo, dataset: whole, variants: [pytorch, raw]}
"""
RESULTS_ALONE = """\
device: cpu
models:
  theirs: {classes: CLASSES}
datasets:
  torn: {images: photos, annotations: torn.json, slices: slices.csv, on_bad_image: fail}
variants:
  finished: {results: finished.json}
  again: {results: finished.json}
evaluations:
  - {model: theirs, dataset: torn, variants: [finished, again], reference: finished}
gate:
  - {variants: [finished, again], AP: {min: 0.5}}
"""
# file name of each bad image, by what is wrong with it
CUT, EMPTY = "000003.jpg", "000005.jpg"
VARIANTS = ("pytorch", "raw")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight images, of which one is cut in half and one empty; ``whole`` does not list these two."""
    folder = copy_project(tmp_path_factory.mktemp("bad-images"))
    content = read_json(ROOT / "data/demo/traffic/instances.json")
    content["images"] = content["images"][:8]
    ids = {image["id"] for image in content["images"]}
    content["annotations"] = [a for a in content["annotations"] if a["image_id"] in ids]
    (folder / "torn.json").write_text(json.dumps(content))
    (folder / "photos").mkdir()
    for image in content["images"]:
        shutil.copy2(ROOT / "data/demo/traffic/images" / image["file_name"], folder / "photos")
    whole = (folder / "photos" / CUT).read_bytes()
    (folder / "photos" / CUT).write_bytes(whole[: len(whole) // 2])
    (folder / "photos" / EMPTY).write_bytes(b"")
    bad = {image["id"] for image in content["images"] if image["file_name"] in (CUT, EMPTY)}
    content["images"] = [image for image in content["images"] if image["id"] not in bad]
    boxes = content["annotations"]
    content["annotations"] = [a for a in boxes if a["image_id"] not in bad]
    (folder / "whole.json").write_text(json.dumps(content))
    found = [{key: a[key] for key in ("image_id", "category_id", "bbox")} | {"score": 0.9} for a in boxes]
    assert bad & {entry["image_id"] for entry in found}
    (folder / "finished.json").write_text(json.dumps(found))
    lines = [f"{identity},time,{'day' if identity % 2 else 'night'}\n" for identity in sorted(ids)]
    (folder / "slices.csv").write_text("image,name,value\n" + "".join(lines))
    (folder / "config/config.yaml").write_text(CONFIG)
    return folder


def set_skip(project: Path, config: str) -> None:
    text = config.replace("on_bad_image: fail", "on_bad_image: skip")
    assert text != config
    (project / "config/config.yaml").write_text(text)


def test_fail_names_all_of_them_before_a_network_runs(project):
    done = run_snakemake(project, "--cores", "2")
    assert done.code == 1
    assert "Traceback" not in done.text
    assert "datasets.torn.images: " in done.text
    assert f"photos/{EMPTY}: it is empty; copy or download it again" in done.text
    assert not list(project.glob("results/predictions/**/*.parquet"))


def test_a_file_that_is_cut_short_is_found_by_decoding(project):
    """The header is whole, so that the check of headers does not see it."""
    empty = project / "photos" / EMPTY
    whole = (ROOT / "data/demo/traffic/images" / EMPTY).read_bytes()
    empty.write_bytes(whole)
    done = run_snakemake(project, "--cores", "2", "results/metrics/torn/demo/pytorch.json")
    empty.write_bytes(b"")
    assert done.code == 1
    assert "Traceback" not in done.text
    assert "datasets.torn.images: 1 of 8 images cannot be read; mend them, or leave them out" in done.text
    assert f"photos/{CUT}: the JPEG file is cut short: it has no end marker" in done.text
    assert not list(project.glob("results/predictions/torn/**/*.parquet"))


def test_skip_gives_the_numbers_of_a_data_set_without_them(project):
    set_skip(project, CONFIG)
    kinds = ("metrics", "detections")
    files = {
        (kind, variant, dataset): f"results/{kind}/{dataset}/demo/{variant}.json"
        for kind in kinds
        for variant in VARIANTS
        for dataset in ("torn", "whole")
    }
    done = run_snakemake(project, "--cores", "2", *files.values(), timeout=580)
    assert done.code == 0, done.text
    found = {key: read_json(project / path) for key, path in files.items()}
    for kind in kinds:
        for variant in VARIANTS:
            assert found[kind, variant, "torn"] == found[kind, variant, "whole"]
    assert found["metrics", "pytorch", "torn"]["AP"] > 0.3
    assert found["metrics", "pytorch", "torn"]["images"] == 6


def test_skipped_images_are_said_beside_the_numbers(project):
    """Results files alone, so that no network runs; they have boxes on the skipped images too."""
    names = [category["name"] for category in read_json(project / "torn.json")["categories"]]
    set_skip(project, RESULTS_ALONE.replace("CLASSES", json.dumps(names)))
    done = run_snakemake(project, "--cores", "2", timeout=580)
    assert done.code == 0, done.text
    results = project / "results"
    manifest = read_json(results / "manifests/torn.json")
    assert [image["file_name"] for image in manifest["skipped"]] == [CUT, EMPTY]
    with (results / "tables/summary.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["AP"], row["images"], row["images_skipped"]) for row in rows] == [("1.0", "6", "2")] * 2
    assert f"skipped: image 3 ({CUT}): the JPEG file is cut short" in rows[0]["notes"]
    said = "2 of 8 images cannot be read and are left out of every number here"
    assert said in " ".join((results / "tables/summary.md").read_text().split())
    page = (results / "report.html").read_text()
    assert said in page.split('id="gate"')[0]  # the first screen
    checks = read_json(results / "gate.json")["checks"]
    assert [(check["status"], check["reason"]) for check in checks] == [("passed", "2 images skipped")] * 2
