"""What the plan puts into a capsule, and which capsule it is held against."""

from pathlib import Path

import pytest

from cutpoint.errors import UserError
from cutpoint.plan.capsule import (
    capsule_content,
    capsule_files,
    export_roles,
    find_capsule,
    source_roles,
)
from cutpoint.plan.config import complete_config
from cutpoint.plan.gate_rules import gate_baseline, resolve_gate
from cutpoint.plan.resolve import build_plan

SCHEMA = Path(__file__).parents[3] / "workflow/schemas/config.schema.yaml"
CONFIG = {
    "device": "auto",
    "models": {"det": {"config": "det.py", "checkpoint": "det.pth"}},
    "datasets": {
        "street": {"images": "street", "annotations": "street.json"},
        "lot": {"images": "lot", "annotations": None},
        "unused": {"images": "unused", "annotations": "unused.json"},
    },
    "variants": {
        "pytorch": {"runtime": "pytorch", "cut": "e2e"},
        "raw": {"runtime": "onnxruntime", "cut": "raw"},
        "theirs": {"results": "theirs.json"},
    },
    "evaluations": [
        {"model": "det", "dataset": "street", "variants": ["pytorch", "raw", "theirs"]},
        {"model": "det", "dataset": "lot", "variants": ["pytorch", "raw"]},
    ],
}


def planned(**keys):
    config = complete_config({**CONFIG, **keys}, SCHEMA)
    return config, build_plan(config, "cpu", lambda *_: None)


def test_the_content_names_every_file_and_no_bound():
    config, plan = planned(baseline="old", gate=[{"variants": "all", "agreement": {"min": 0.9}}])
    content = capsule_content(plan, config)
    assert content["config"]["device"] == "cpu"
    assert not {"baseline", "gate", "samples", "report"} & set(content["config"])
    assert content["manifests"] == {name: f"results/manifests/{name}.json" for name in ("street", "lot")}
    assert [entry["path"] for entry in content["truths"]] == ["results/truth/street/det.json"]
    assert [entry["dataset"] for entry in content["samples"]] == ["street", "lot"]
    theirs = content["variants"][2]
    assert (theirs["variant"], theirs["latency"], theirs["is_reference"]) == ("theirs", None, False)
    assert content["variants"][3]["resamples"] is None
    files = capsule_files(content)
    assert "results/detections/lot/det/raw.json" in files
    assert len(files) == len(set(files)) == 2 + 1 + 2 + 5 + 3 + 4


def test_files_are_known_by_their_key():
    config, plan = planned()
    assert source_roles(plan, config, {"det": ["det.py", "base.py"]}, ["mine.py"]) == {
        "models.det.config": "det.py",
        "models.det.config, base.py": "base.py",
        "models.det.checkpoint": "det.pth",
        "datasets.street.annotations": "street.json",
        "variants.theirs.results": "theirs.json",
        "imports, mine.py": "mine.py",
    }
    assert export_roles(plan) == {"exports.det.raw-fp32": "results/models/det/raw-fp32.onnx"}


def test_a_capsule_is_found_in_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for folder in ("old", "older/results", "results"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "capsule.zip").touch()
    assert find_capsule("baseline", "old/capsule.zip") == "old/capsule.zip"
    assert find_capsule("baseline", "old") == "old/capsule.zip"
    assert find_capsule("baseline", "older") == "older/results/capsule.zip"
    (tmp_path / "empty").mkdir()
    for path, said in (
        (None, "baseline: no run to compare with; add --config baseline=PATH"),
        ("empty", "baseline: this folder has no capsule.zip"),
        ("missing.zip", "baseline: no file missing.zip"),
        ("results", "baseline: results is this run's own capsule, which is written again; copy it"),
    ):
        with pytest.raises(UserError) as caught:
            find_capsule("baseline", path)
        assert str(caught.value).startswith(said)


RULE = {"variants": ["raw"], "baseline_delta_AP_lo": {"min": -0.002}}


def test_a_gate_with_a_baseline():
    gate = {"baseline": "old", "rules": [RULE, {"variants": ["raw"], "baseline_images_changed": {"max": 0}}]}
    config, plan = planned(gate=gate)
    assert gate_baseline(config) == "old"
    checks = resolve_gate(config["gate"], plan.evaluations, gate_baseline(config))
    assert [(check["column"], check["bound"], check["limit"]) for check in checks[:3]] == [
        ("export verified", None, None),
        ("baseline_delta_AP_lo", "min", -0.002),
        ("baseline_images_changed", "max", 0),
    ]
    assert {check["dataset"] for check in checks} == {"street", "lot"}


def test_the_configs_baseline_is_the_gates_too():
    config, plan = planned(gate=[RULE], baseline="old")
    assert gate_baseline(config) == "old"
    assert resolve_gate(config["gate"], plan.evaluations, gate_baseline(config))
    config, _ = planned(gate={"rules": [RULE], "baseline": "older"}, baseline="old")
    assert gate_baseline(config) == "older"


@pytest.mark.parametrize(("gate", "where"), [([RULE], "gate[0]"), ({"rules": [RULE]}, "gate.rules[0]")])
def test_a_bound_against_nothing_is_refused(gate, where):
    config, plan = planned(gate=gate)
    with pytest.raises(UserError) as caught:
        resolve_gate(config["gate"], plan.evaluations, gate_baseline(config))
    assert str(caught.value).startswith(f"{where}.baseline_delta_AP_lo: no run to compare with; write gate:")


@pytest.mark.parametrize(
    ("gate", "said"),
    [
        ({"baseline": "old"}, "gate: the key 'rules' is missing"),
        ({"rules": [], "base": "old"}, "gate: unknown key 'base'; did you mean 'baseline'?"),
        ({"rules": [{"variants": ["raw"], "AQ": {"min": 0}}]}, "gate.rules[0]: unknown key 'AQ'"),
        ([{"variants": ["raw"], "AQ": {"min": 0}}], "gate[0]: unknown key 'AQ'"),
        ([{"variants": "raw", "AP": {"min": 0}}], "gate[0].variants: 'raw' is not allowed"),
        ({"rules": [{"variants": ["raw"], "baseline_agreement": {"max": 0}}]}, "gate.rules[0].baseline_"),
        ("old", "gate: 'old' is not allowed. What `snakemake gate` demands"),
    ],
)
def test_mistakes_in_a_gate_are_named_with_their_place(gate, said):
    with pytest.raises(UserError) as caught:
        planned(gate=gate)
    assert str(caught.value).startswith(said)
