"""`snakemake gate`: a table, a line, and how the call ends."""

from xml.etree import ElementTree

import pytest
from snake import CONFIG, run_snakemake

from cutpoint.files import read_json

GATE = "gate:\n  - {variants: [raw], delta_AP_lo: {min: -0.002}}\n"
SUMMARY = """\
dataset,model,variant,runtime,cut,precision,provider,input,recipe,images,images_without_detections,AP,\
AP50,AP75,delta_AP,delta_AP_lo,delta_AP_hi,verdict,agreement,latency_p50_ms,latency_p99_ms,images_per_s,model_mb,shape,batch,tf32,notes
traffic,demo,pytorch,pytorch,e2e,fp32,cpu,mmdet,mmdet3,64,0,0.5,0.7,0.6,,,,,,,,,,,1,,
traffic,demo,raw,onnxruntime,raw,fp32,cpu,mmdet,mmdet3,64,0,0.5,0.7,0.6,-0.001,-0.0015,0.0,different,0.99,,,,,,1,,
unlabelled,demo,pytorch,pytorch,e2e,fp32,cpu,mmdet,mmdet3,64,0,,,,,,,,,,,,,,1,,
unlabelled,demo,raw,onnxruntime,raw,fp32,cpu,mmdet,mmdet3,64,0,,,,,,,inconclusive,0.99,,,,,,1,,
"""
# the summary is a source here: nothing that makes it has to run
ONLY = ("gate", "--cores", "1", "--allowed-rules", "gate", "evaluate_gate")


@pytest.fixture
def gated(project):
    (project / "config/config.yaml").write_text(CONFIG + GATE)
    (project / "results/tables").mkdir(parents=True)
    (project / "results/tables/summary.csv").write_text(SUMMARY)
    return project


def test_a_gate_that_holds_and_one_that_fails(gated):
    result = run_snakemake(gated, *ONLY)
    assert result.code == 0, result.text
    assert "cutpoint: gate passed: of 4 checks 3 passed, 1 skipped" in result.text.splitlines()
    rows = [line.split() for line in result.text.splitlines() if "delta_AP_lo >= -0.002" in line]
    assert [(row[0], row[1]) for row in rows] == [("passed", "traffic,"), ("skipped", "unlabelled,")]

    (gated / "config/config.yaml").write_text(CONFIG + GATE.replace("-0.002", "-0.001"))
    result = run_snakemake(gated, *ONLY)
    assert result.code == 1
    verdict = "cutpoint: gate failed: of 4 checks 1 failed, 2 passed, 1 skipped"
    assert result.text.splitlines().count(verdict) == 1
    assert "Traceback" not in result.text
    # the files that say so stay, and are enough for the next call
    assert not read_json(gated / "results/gate.json")["passed"]
    assert ElementTree.parse(gated / "results/gate.xml").getroot().get("failures") == "1"
    again = run_snakemake(gated, *ONLY)
    assert again.code == 1
    assert {verdict, "failed: gate"} <= set(again.text.splitlines())
    assert "evaluate_gate" not in again.text


def test_the_gate_is_part_of_the_page_but_not_of_all(gated):
    jobs = run_snakemake(gated, "--dry-run").jobs
    assert jobs["evaluate_gate"] == 1
    assert "gate" not in jobs


def test_without_a_rule_there_is_no_gate(project):
    assert "evaluate_gate" not in run_snakemake(project, "--dry-run").jobs
    result = run_snakemake(project, "gate", "--cores", "1")
    assert result.code == 1
    assert "cutpoint: gate: the config has no rule to hold variants to" in result.err
    assert "Traceback" not in result.text
    assert not (project / "results").exists()
