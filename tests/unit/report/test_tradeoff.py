"""Accuracy against latency: the marks, and where their labels stand."""

from dataclasses import replace

import pytest
from report_fixtures import summary_row

from cutpoint.report.charts.labels import sides
from cutpoint.report.charts.tradeoff import build
from cutpoint.report.group import Group

REFERENCE = summary_row(variant="pt", is_reference=True, AP=0.5, cut="e2e", latency_p50_ms=9.0)
RAW = summary_row(AP=0.49, delta_AP=-0.01, delta_AP_lo=-0.02, delta_AP_hi=0.0, cut="raw", latency_p50_ms=4.0)


def drawn(*rows):
    return build(Group(list(rows), [], {}))


def test_a_mark_has_both_numbers_and_their_doubts():
    found = drawn(REFERENCE, replace(RAW, disturbed=True, export_failed=True))
    pt, raw = found.rows
    assert (pt["value"], pt["p50_ms"], pt["time_doubt"], pt["doubt"]) == (0.0, 9.0, "", "")
    assert (raw["value"], raw["low"], raw["high"]) == (-0.01, -0.02, 0.0)
    assert (raw["time_doubt"], raw["doubt"]) == ("disturbed", "failed")
    assert found.caption.endswith("Hollow: a doubtful time: disturbed (raw).")
    assert "disturbed (all)" in drawn(*(replace(row, disturbed=True) for row in (REFERENCE, RAW))).caption
    assert "Hollow" not in drawn(REFERENCE, RAW).caption
    assert found.svg.startswith("<svg")


def test_without_ground_truth_it_is_agreement():
    blind = [replace(REFERENCE, AP=None), replace(RAW, AP=None, delta_AP=None, agreement=0.9)]
    found = drawn(*blind)
    assert [row["value"] for row in found.rows] == [1.0, 0.9]
    assert found.title == "Agreement against latency"


def test_there_is_nothing_to_compare_with_one_timed_variant():
    assert drawn(REFERENCE) is None
    assert drawn(REFERENCE, replace(RAW, latency_p50_ms=None)) is None
    assert drawn(REFERENCE, replace(RAW, refused="NaN")) is None


@pytest.mark.parametrize(("slowest", "kind"), [(8.0, "linear"), (80.0, "log")])
def test_the_axis_is_logarithmic_where_one_is_much_slower(slowest, kind):
    spec = drawn(replace(REFERENCE, latency_p50_ms=slowest), RAW).spec
    scales = {layer["encoding"]["x"]["scale"]["type"] for layer in spec["layer"] if "x" in layer["encoding"]}
    assert scales == {kind}


def test_labels_stand_where_they_cover_nothing():
    # two points too close for both labels above: the second takes another side
    assert sides([(50, 50), (54, 50)], ["aaaa", "bbbb"], (300, 100)) == ["above", "below"]
    # at the upper edge there is no room above
    assert sides([(50, 4)], ["aaaa"], (300, 100)) == ["below"]
    # an interval above is avoided, unless there is no other place
    assert sides([(50, 50)], ["aaaa"], (300, 100), [(50, 0, 50, 50)]) == ["below"]
    assert sides([(10, 10)], ["a" * 99], (20, 20)) == [None]


def test_the_recommended_variant_is_labelled_first():
    crowd = [
        replace(RAW, variant=f"variant-{number}", latency_p50_ms=4 + number / 1000) for number in range(40)
    ]
    found = drawn(REFERENCE, *crowd)
    labelled = [row["variant"] for row in found.rows if row["label"]]
    assert "variant-0" in labelled
    assert 0 < len(labelled) < 40
