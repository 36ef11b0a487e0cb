"""Bounds on a summary by hand: what passes, what fails, what does not count, and what CI reads of it."""

from dataclasses import replace
from xml.etree import ElementTree

import pytest
from report_fixtures import TABLES, summary_row, write_results

from cutpoint.files import read_json
from cutpoint.gate.check import decide, evaluate_gate, judge, show_gate
from cutpoint.records.gate import CHECKED, VERIFIED, Check, JudgedCheck
from cutpoint.summary.build import summarize

ROW = summary_row(
    AP=0.58,
    delta_AP=-0.0004,
    delta_AP_lo=-0.002,
    verdict="equivalent",
    agreement=0.99,
    images=80,
    images_without_detections=2,
    latency_p99_ms=25.0,
    model_mb=4.3,
)
REFERENCE = {"is_reference": True} | dict.fromkeys(("verdict", "agreement", "delta_AP", "delta_AP_lo"))
UNLABELLED = dict.fromkeys(("AP", "delta_AP", "delta_AP_lo"))
ELSEWHERE = dict.fromkeys(("runtime", "latency_p99_ms", "model_mb"))
DISTURBED = {"disturbed": True, "foreign_cores": 3.12}
WEAK = {"weak_reference": "AP 0.0021 is under 0.01"}
DOUBTFUL = {"doubtful": ("3 of 9 entries repeat another one",)}


def bound(column, limit, kind="min", variant="raw"):
    place = {"dataset": "street", "model": "det", "variant": variant}
    return {**place, "column": column, "bound": kind, "limit": limit}


CASES = {
    "the limit itself": ({}, bound("delta_AP_lo", -0.002), "passed", None),
    "below it": ({}, bound("delta_AP_lo", -0.0019), "failed", None),
    "rounding at the limit": ({"delta_AP": 0.499 - 0.5}, bound("delta_AP", -0.001), "passed", None),
    "largest, itself": ({}, bound("latency_p99_ms", 25, "max"), "passed", None),
    "above it": ({}, bound("latency_p99_ms", 24.9, "max"), "failed", None),
    "zero is a value": ({"agreement": 0.0}, bound("agreement", 0.9), "failed", None),
    "the reference": (REFERENCE, bound("delta_AP_lo", 0), "skipped", "the reference itself"),
    "the reference's agreement": (REFERENCE, bound("agreement", 1), "skipped", "the reference itself"),
    "the reference's own AP": (REFERENCE, bound("AP", 0.6), "failed", None),
    "no annotations": (UNLABELLED, bound("delta_AP_lo", 0), "skipped", "no ground truth"),
    "no annotations, AP": (UNLABELLED, bound("AP", 0), "skipped", "no ground truth"),
    "no annotations, agreement": (UNLABELLED, bound("agreement", 0.9), "passed", None),
    "few images": (
        {"delta_AP_lo": None},
        bound("delta_AP_lo", -0.5),
        "inconclusive",
        "too few images for an interval",
    ),
    "a results file": (
        ELSEWHERE,
        bound("latency_p99_ms", 1, "max"),
        "skipped",
        "an external results file has no latency",
    ),
    "pytorch has no file": (
        {"model_mb": None},
        bound("model_mb", 1, "max"),
        "skipped",
        "no ONNX file",
    ),
    "disturbed though within": (
        DISTURBED,
        bound("latency_p99_ms", 30, "max"),
        "inconclusive",
        "disturbed (other processes kept 3.1 cores busy): time again on an idle machine",
    ),
    "a reference that finds nothing": (
        WEAK,
        bound("delta_AP_lo", -0.01),
        "inconclusive",
        "weak reference: a loss cannot show against it",
    ),
    "a weak reference is about differences in AP": (
        WEAK,
        bound("AP", 0.6),
        "failed",
        "weak reference",
    ),
    "nothing agrees with nothing": (
        {"images_without_detections": 80, "agreement": 1.0},
        bound("agreement", 0.9),
        "inconclusive",
        "no detection on any image",
    ),
    "nothing does not agree with something": (
        {"images_without_detections": 80, "agreement": 0.0},
        bound("agreement", 0.9),
        "failed",
        None,
    ),
    "doubtful detections": (
        DOUBTFUL,
        bound("AP", 0.5),
        "passed",
        "doubtful: 3 of 9 entries repeat another one",
    ),
    "a doubt about detections is none of time": (
        DOUBTFUL,
        bound("latency_p99_ms", 30, "max"),
        "passed",
        None,
    ),
    "disturbed is about time alone": (DISTURBED, bound("AP", 0.5), "passed", None),
    "better": (
        {"suspicious": True},
        bound("delta_AP_lo", -0.01),
        "passed",
        "suspicious: better than the reference",
    ),
    "pytorch's latency": (
        {"without_compiled_nms": True},
        bound("latency_p99_ms", 20, "max"),
        "failed",
        "without compiled NMS",
    ),
    "failed export": (
        {"export_failed": True, "export_failures": ("cls_0, max abs 0.3", "box_1, max abs 9")},
        bound(VERIFIED, None, None),
        "failed",
        "cls_0, max abs 0.3; box_1, max abs 9",
    ),
    "failed check": (
        {"export_failed": True, "export_failures": ("scores, logits",)},
        bound(CHECKED, None, None),
        "failed",
        "scores, logits",
    ),
    "good export": ({"export_failed": False}, bound(VERIFIED, None, None), "passed", None),
}


@pytest.mark.parametrize(("cells", "check", "status", "reason"), CASES.values(), ids=CASES)
def test_a_check(cells, check, status, reason):
    row = replace(ROW, **cells)
    found = judge(Check(**check), row)
    assert (found.status, found.reason) == (status, reason)
    assert found.value == (None if check["bound"] is None else getattr(row, check["column"]))


def judged(check, status):
    return JudgedCheck(**check, value=None, status=status, reason=None)


@pytest.mark.parametrize(
    ("statuses", "passed", "verdict"),
    [
        (["passed"] * 3, True, "gate passed: of 3 checks 3 passed"),
        (["passed", "skipped"], True, "gate passed: of 2 checks 1 passed, 1 skipped"),
        (["passed", "failed", "skipped"], False, "of 3 checks 1 failed, 1 passed, 1 skipped"),
        (["passed", "inconclusive"], False, "gate failed: of 2 checks 1 inconclusive, 1 passed"),
        (["skipped"] * 2, False, "gate failed: every bound was skipped, so the gate checked nothing"),
    ],
)
def test_the_verdict(statuses, passed, verdict):
    found = decide([judged(bound("AP", 0), status) for status in statuses])
    assert found.passed is passed
    assert verdict in found.verdict


def test_a_verified_export_alone_is_no_gate():
    checks = [judged(bound(VERIFIED, None, None), "passed"), judged(bound("AP", 0), "skipped")]
    assert not decide(checks).passed


@pytest.fixture(scope="module")
def summary(tmp_path_factory):
    root = tmp_path_factory.mktemp("gate")
    outs = {f"out_{key}": str(root / key) for key in TABLES}
    summarize(rows=write_results(root)["rows"], **outs)
    return outs["out_csv"]


@pytest.fixture
def gate(summary, tmp_path):
    def run(*checks):
        files = {"out_json": str(tmp_path / "gate.json"), "out_xml": str(tmp_path / "gate.xml")}
        evaluate_gate(summary=summary, checks=list(checks), **files)
        return read_json(files["out_json"]), ElementTree.parse(files["out_xml"]).getroot(), files["out_json"]

    return run


CHECKS = [
    bound(VERIFIED, None, None, "raw-int8"),
    bound("delta_AP_lo", -0.005, variant="raw-int8"),
    bound("agreement", 0.99),
    bound("delta_AP_lo", -0.005) | {"dataset": "unlabelled"},
    bound("latency_p99_ms", 100, "max") | {"dataset": "unlabelled"},
]


def test_the_files(gate):
    content, root, _ = gate(*CHECKS)
    assert content["verdict"] == "gate failed: of 5 checks 2 failed, 2 passed, 1 skipped"
    assert [check["status"] for check in content["checks"]] == [
        *("failed", "failed", "passed", "skipped", "passed")
    ]
    assert content["checks"][1] == CHECKS[1] | {"value": -0.03, "status": "failed", "reason": None}
    assert root.tag == "testsuites"
    numbers = {"tests": "5", "failures": "2", "errors": "0", "skipped": "1", "time": "0"}
    assert {key: root.get(key) for key in numbers} == numbers
    street, unlabelled = root
    assert (street.get("name"), unlabelled.get("name")) == ("street, det", "unlabelled, det")
    assert [street.get(key) for key in ("tests", "failures", "skipped")] == ["3", "2", "0"]
    assert [unlabelled.get(key) for key in ("tests", "failures", "skipped")] == ["2", "0", "1"]
    first, second, third = street
    assert second.attrib == {
        "classname": "street.det.raw-int8",
        "name": "delta_AP_lo >= -0.005",
        "time": "0",
    }
    failure = second.find("failure")
    assert failure.get("message") == "delta_AP_lo is -0.03, must be at least -0.005"
    assert failure.text == f"raw-int8 (street, det): {failure.get('message')}"
    assert first.find("failure").get("message").startswith("export verification failed: cls_0")
    assert list(third) == []
    assert unlabelled[0].find("skipped").get("message") == "no ground truth"


def test_nothing_checked_fails_in_the_xml_as_well(gate):
    content, root, _ = gate(CHECKS[3])
    assert not content["passed"]
    assert [root.get(key) for key in ("tests", "failures", "skipped")] == ["2", "1", "1"]
    assert root[-1][0].get("name") == "a bound was checked"


def test_what_is_printed(gate, capsys):
    *_, path = gate(*CHECKS)
    assert show_gate(path) == 1
    lines = capsys.readouterr().out.strip().splitlines()
    assert lines[-1] == "cutpoint: gate failed: of 5 checks 2 failed, 2 passed, 1 skipped"
    row = next(line.split("  ") for line in lines if "delta_AP_lo >= -0.005" in line and "raw-int8" in line)
    cells = [cell.strip() for cell in row if cell.strip()]
    assert cells == ["FAILED", "street, det", "raw-int8", "delta_AP_lo >= -0.005", "-0.03"]
    *_, path = gate(*CHECKS[2:])
    assert show_gate(path) == 0
    said = capsys.readouterr().out.strip().splitlines()
    assert said[-1] == "cutpoint: gate passed: of 3 checks 2 passed, 1 skipped"
