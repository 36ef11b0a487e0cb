"""The three main lines of a run."""

from dataclasses import replace

import pytest
from report_fixtures import summary_row

from cutpoint.latency.paired import PairedTimes
from cutpoint.records.gate import Gate, write_gate
from cutpoint.records.recommendation import write_recommendations
from cutpoint.records.summary import by_evaluation, write_summary
from cutpoint.summary.recommend import recommend
from cutpoint.summary.short import main_lines

STREET = [
    summary_row(variant="pt", is_reference=True, AP=0.5, latency_p50_ms=9.0),
    summary_row(AP=0.5, delta_AP=0.0, verdict="lossless", latency_p50_ms=4.0),
]
INT8 = summary_row(
    variant="int8", AP=0.45, delta_AP=-0.05, delta_AP_lo=-0.07, delta_AP_hi=-0.03, verdict="different"
)


@pytest.fixture
def lines(tmp_path):
    def say(rows, gate=None):
        write_summary(tmp_path / "s.csv", rows)
        advice = [recommend(own, PairedTimes({})) for own in by_evaluation(rows)]
        write_recommendations(tmp_path / "r.json", advice)
        if gate:
            write_gate(tmp_path / "g.json", gate)
        paths = {"summary": str(tmp_path / "s.csv"), "recommendations": str(tmp_path / "r.json")}
        return main_lines(**paths, gate=str(tmp_path / "g.json") if gate else None)

    return say


def test_the_answer_the_losses_and_the_doubts(lines):
    said = lines([*STREET, INT8], Gate(False, "gate failed: of 2 checks 1 failed, 1 passed", ()))
    assert said == [
        "Use raw: lossless.",
        "Compared with the reference: 1 lossless, 1 different. Largest change of AP: int8 on street "
        "(-0.0500, 95 % interval -0.0700 to -0.0300).",
        "No number is doubtful. Gate failed: of 2 checks 1 failed, 1 passed.",
    ]


def test_flags_are_named_with_their_variants(lines):
    failed = replace(INT8, export_failed=True)
    disturbed = [replace(row, disturbed=True) for row in STREET]
    said = lines([*disturbed, failed])
    assert said[0] == "No recommendation on speed; without a loss: pt and raw."
    assert "-0.0300, failed)" in said[1]
    assert said[2] == "Doubtful: disturbed (pt and raw); failed (int8)."
    assert lines(disturbed)[2] == "Doubtful: disturbed (all variants)."


def test_of_many_flags_the_first_are_named(lines):
    shapes = [("320x320", "608x608"), ("320x608",), ("608x320", "640x640"), ("640x640",)]
    rows = [
        replace(row, dataset=f"set_{number}", disturbed=True, unsteady=shapes[number % 4])
        for number in range(20)
        for row in STREET
    ]
    said = lines(rows)[2]
    assert said.endswith("; 3 more flags in the report.")
    first = "Doubtful: warm-up not steady at 320x320, 608x608 (set_0/pt, set_0/raw and 8 more); "
    assert said.startswith(first)
    assert len(said) < 300
    few = lines([replace(row, unsteady=("9x9",), disturbed=True, images_skipped=2) for row in STREET])[2]
    assert "more flags" not in few
    assert few.count(";") == 2


def test_of_many_evaluations_the_first_are_named(lines):
    rows = [replace(row, dataset=f"set_{number}") for number in range(20) for row in STREET]
    said = lines(rows)
    assert said[0] == "Use raw (set_0/det, set_1/det and 18 more)."
    assert max(map(len, said)) < 120


def test_a_reference_alone_is_compared_with_nothing(lines):
    assert lines(STREET[:1])[1] == "Nothing is compared with a reference."
