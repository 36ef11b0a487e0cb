"""All problems of all inputs in one list before a heavy job runs, and a sound project that passes."""

import json
import re
from pathlib import Path

import pytest
from snake import CONFIG, ROOT, run_snakemake

pytestmark = pytest.mark.slow

BROKEN = (
    CONFIG.replace("data/demo/traffic/instances.json", "boxes.json")
    .replace("data/demo/atss_traffic.pth", "weights.pth")
    .replace("variants: [pytorch, raw]}", "variants: [pytorch, raw, finished]}")
    .replace("evaluations:", "  finished: {results: results.json}\nevaluations:")
)
PROBLEMS = (
    "1. datasets.traffic.annotations boxes.json: bbox that is not four finite numbers (null): 1 of ",
    "2. checkpoint weights.pth: it is text, not a checkpoint",
)
PICTURES = (
    "datasets.traffic: pictures in results/preflight/odd/traffic of what is odd: bbox that is not four "
)


def spoil(project: Path) -> None:
    content = json.loads((ROOT / "data/demo/traffic/instances.json").read_text())
    content["annotations"][0].pop("bbox")
    (project / "boxes.json").write_text(json.dumps(content))
    (project / "weights.pth").write_text("weights")
    (project / "results.json").write_text("[]")
    (project / "config/config.yaml").write_text(BROKEN)


def test_one_list_and_no_heavy_job_until_it_is_mended(project):
    spoil(project)
    for targets in (["preflight"], [], ["results/manifests/unlabelled.json"]):
        result = run_snakemake(project, "--cores", "2", *targets)
        assert result.code == 1
        assert "Traceback" not in result.text
        assert result.text.count("cutpoint: 2 problems:") == 1, result.text
        for problem in PROBLEMS:
            assert result.text.count(problem) == 1, result.text
        # the job that tells all problems says it, and no other one
        alone = any("manifests" in target for target in targets)
        assert result.text.count(PICTURES) == int(not alone), result.text
        assert [path.name for path in (project / "results").iterdir()] == ["preflight"]

    (project / "config/config.yaml").write_text(CONFIG)
    passed = run_snakemake(project, "--cores", "2", "preflight")
    assert passed.code == 0, passed.text
    assert "preflight: no problem found" in passed.out
    assert [path.name for path in (project / "results/preflight/odd").iterdir()] == ["traffic"]
    assert [path.name for path in (project / "results").iterdir()] == ["preflight"]


def test_what_is_filled_in_is_said(project):
    content = json.loads((ROOT / "data/demo/traffic/instances.json").read_text())
    for box in content["annotations"]:
        del box["iscrowd"]
    (project / "boxes.json").write_text(json.dumps(content))
    path = project / "config/config.yaml"
    path.write_text(CONFIG.replace("data/demo/traffic/instances.json", "boxes.json"))
    result = run_snakemake(project, "--cores", "2", "preflight")
    assert result.code == 0, result.text
    assert "preflight: no problem found; 2 remarks:" in result.out
    told = "pictures in results/preflight/odd/traffic of what is odd: image without a box: 4 of 80 images"
    assert told in result.out
    assert "boxes.json: iscrowd missing or null: 477 of 477 annotations" in result.out


def test_every_job_that_is_more_than_a_look_waits(project):
    result = run_snakemake(project, "--dry-run")
    blocks = re.findall(r"^rule (\w+):\n    input: (.*)$", result.text, re.M)
    waiting = {name for name, inputs in blocks if "results/preflight/findings.json" in inputs}
    heavy = {"describe_model", "trace_model", "export_onnx", "verify_export", "predict", "predict_pytorch"}
    assert heavy | {"build_manifest", "map_labels", "build_truth", "postprocess", "time_variants"} <= waiting
