"""The gate's bounds on the difference to an earlier run."""

from dataclasses import replace

import pytest
from report_fixtures import summary_row

from cutpoint.gate.check import evaluate_gate, judge
from cutpoint.records.gate import Check, read_gate
from cutpoint.records.run_comparison import (
    ApChange,
    Change,
    DetectionChange,
    Inputs,
    LatencyChange,
    RunComparison,
    VariantChange,
    write_run_comparison,
)
from cutpoint.records.summary import write_summary

BOXES = DetectionChange(
    images=12, images_changed=3, baseline=40, run=38, only_baseline=4, only_run=2, agreement=0.95
)
AP = ApChange(
    baseline=0.5,
    run=0.498,
    delta_AP=-0.002,
    delta_AP_ci95=(-0.004, 0.001),
    delta_AP_ci90=(-0.003, 0.0),
    verdict="inconclusive",
    not_paired=None,
)
UNPAIRED = replace(
    AP, delta_AP=None, delta_AP_ci95=None, delta_AP_ci90=None, verdict=None, not_paired="the images differ"
)
LATENCY = LatencyChange(
    baseline_ms=10.0,
    run_ms=10.4,
    difference_ms=0.4,
    difference_ci95=(0.1, 0.7),
    ratio=1.04,
    ratio_ci95=(1.01, 1.07),
    facts=(),
    doubts_baseline=(),
    doubts_run=(),
    claim="slower",
)
CHANGE = VariantChange(
    dataset="street",
    model="det",
    variant="raw",
    detections=BOXES,
    not_compared=None,
    ap=AP,
    latency=LATENCY,
    doubts_baseline=(),
    doubts_run=(),
)
REFUSED = replace(
    CHANGE, detections=None, ap=None, latency=None, not_compared="refused in the run: NaN in boxes"
)
OTHER_MACHINE = replace(LATENCY, facts=(Change("processor", "A", "B"),))
RATIO = "baseline_latency_p50_ratio"

CASES = {
    "images, at the limit": (CHANGE, "baseline_images_changed", 3, 3, "passed", None),
    "images, above": (CHANGE, "baseline_images_changed", 0, 3, "failed", None),
    "agreement": (CHANGE, "baseline_agreement", 0.96, 0.95, "failed", None),
    "AP": (CHANGE, "baseline_delta_AP", -0.002, -0.002, "passed", None),
    "AP, proven": (CHANGE, "baseline_delta_AP_lo", -0.003, -0.004, "failed", None),
    "a doubt of the run": (
        replace(CHANGE, doubts_run=("doubtful",)),
        "baseline_delta_AP",
        -0.01,
        -0.002,
        "passed",
        "doubtful",
    ),
    "few images": (
        replace(CHANGE, ap=replace(AP, delta_AP_ci95=None)),
        "baseline_delta_AP_lo",
        -1,
        None,
        "inconclusive",
        "too few images for an interval",
    ),
    "not paired": (
        replace(CHANGE, ap=UNPAIRED),
        "baseline_delta_AP_lo",
        -1,
        None,
        "inconclusive",
        "not paired: the images differ",
    ),
    "no ground truth": (
        replace(CHANGE, ap=None),
        "baseline_delta_AP_lo",
        -1,
        None,
        "skipped",
        "no ground truth",
    ),
    "no detection": (
        replace(CHANGE, detections=replace(BOXES, baseline=0, run=0, agreement=1.0)),
        "baseline_agreement",
        0.9,
        1.0,
        "inconclusive",
        "no detection on any image",
    ),
    "refused": (REFUSED, "baseline_images_changed", 9, None, "inconclusive", REFUSED.not_compared),
    "refused, AP": (REFUSED, "baseline_delta_AP", -1, None, "inconclusive", REFUSED.not_compared),
    "not in the baseline": (
        None,
        "baseline_delta_AP",
        -1,
        None,
        "inconclusive",
        "the baseline does not have this variant",
    ),
    "ratio": (CHANGE, RATIO, 1.04, 1.04, "passed", None),
    "ratio, above": (CHANGE, RATIO, 1.03, 1.04, "failed", None),
    "ratio, proven": (CHANGE, f"{RATIO}_hi", 1.05, 1.07, "failed", None),
    "another machine": (
        replace(CHANGE, latency=OTHER_MACHINE),
        RATIO,
        2,
        1.04,
        "inconclusive",
        "processor differs: A -> B",
    ),
    "a flag of the baseline": (
        replace(CHANGE, latency=replace(LATENCY, doubts_baseline=("disturbed",))),
        RATIO,
        2,
        1.04,
        "inconclusive",
        "baseline: disturbed",
    ),
    "a single round": (
        replace(CHANGE, latency=replace(LATENCY, ratio_ci95=None)),
        f"{RATIO}_hi",
        2,
        None,
        "inconclusive",
        "a single round has no interval",
    ),
    "timed in this run only": (
        replace(CHANGE, latency=None),
        RATIO,
        2,
        None,
        "inconclusive",
        "the baseline has no latency of this variant",
    ),
}


def check(column, limit):
    least = column.startswith(("baseline_agreement", "baseline_delta"))
    place = {"dataset": "street", "model": "det", "variant": "raw"}
    return Check(**place, column=column, bound="min" if least else "max", limit=limit)


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_check_against_the_baseline(case):
    change, column, limit, value, status, reason = case
    found = judge(check(column, limit), summary_row(), change)
    assert (found.value, found.status, found.reason) == (value, status, reason)


def test_a_results_file_has_no_latency_to_compare():
    found = judge(check(RATIO, 1), summary_row(runtime=None), replace(CHANGE, latency=None))
    assert (found.status, found.reason) == ("skipped", "an external results file has no latency")


def test_the_gate_reads_the_comparison_of_the_runs(tmp_path):
    runs, summary = tmp_path / "runs.json", tmp_path / "summary.csv"
    write_summary(summary, [summary_row()])
    compared = RunComparison(
        baseline="old.zip",
        baseline_code="Cutpoint 1",
        run_code="Cutpoint 2",
        inputs=Inputs((), (), (), ()),
        only_baseline=(),
        only_run=(),
        variants=(CHANGE,),
    )
    write_run_comparison(runs, compared)
    wanted = [vars(check("baseline_images_changed", 0)), vars(check(RATIO, 1.05))]
    outs = {"out_json": str(tmp_path / "gate.json"), "out_xml": str(tmp_path / "gate.xml")}
    evaluate_gate(summary=str(summary), runs=str(runs), checks=wanted, **outs)
    gate = read_gate(outs["out_json"])
    assert gate.verdict == "gate failed: of 2 checks 1 failed, 1 passed"
    assert gate.checks[0].title == "baseline_images_changed <= 0"
    assert "baseline_images_changed is 3, must be at most 0" in (tmp_path / "gate.xml").read_text()
