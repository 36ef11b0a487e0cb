import json

from report_fixtures import summary_row

from cutpoint.records.per_class import ClassRow
from cutpoint.report.class_table import class_table
from cutpoint.report.variant_table import variant_table


def cells(table, variant):
    (line,) = [line for line in table["lines"] if line["variant"] == variant]
    return dict(zip([head["text"] for head in table["heads"]], line["cells"], strict=True))


ROWS = [
    summary_row(variant="a", AP=0.4, delta_AP=-0.1, delta_AP_lo=-0.2, delta_AP_hi=0.05, verdict="different"),
    summary_row(variant="b", AP=0.5, delta_AP=0.0, verdict="lossless", latency_p50_ms=10.0),
    summary_row(variant="r", AP=0.5, is_reference=True, latency_p50_ms=20.0, latency_samples=320),
]


def test_the_reference_is_on_top():
    table = variant_table(ROWS)
    assert [line["variant"] for line in table["lines"]] == ["r", "a", "b"]
    assert [line["lossless"] for line in table["lines"]] == [False, False, True]


def test_bars_are_fractions_of_the_largest_value_and_differences_start_in_the_middle():
    table = variant_table(ROWS)
    assert cells(table, "a")["AP"].bar == "--at:0.800"
    assert cells(table, "b")["p50 [ms]"].bar == "--at:0.500"
    # the scale is the largest limit, 0.2
    assert cells(table, "a")["ΔAP"].bar == "--low:0.000;--at:0.250;--high:0.625"
    assert cells(table, "b")["ΔAP"].bar == "--low:0.500;--at:0.500;--high:0.500"
    assert cells(table, "r")["ΔAP"].bar == ""


def test_interval_and_n_stand_below_their_numbers():
    table = variant_table(ROWS)
    assert cells(table, "a")["ΔAP"].below == "-0.2000 to +0.0500"
    assert cells(table, "r")["p50 [ms]"].below == "n = 320"
    assert cells(table, "a")["p50 [ms]"].below == ""


def test_a_difference_of_times_is_as_doubtful_as_the_reference():
    reference = summary_row(variant="r", is_reference=True, latency_p50_ms=20.0, disturbed=True)
    differs = {"latency_delta_ms": -5.0, "latency_delta_ms_lo": -6.0, "latency_delta_ms_hi": -4.5}
    table = variant_table([reference, summary_row(variant="a", latency_p50_ms=15.0, **differs)])
    cell = cells(table, "a")["Δ p50 [ms]"]
    assert (cell.text, cell.below, cell.doubt) == ("-5.00", "-6.00 to -4.50", "reference disturbed")
    assert cells(table, "a")["p50 [ms]"].doubt == ""


def class_row(number, delta):
    place = {"dataset": "d", "model": "m", "variant": "v", "category_id": number, "name": f"<b>{number}"}
    limits = {"delta_AP_lo": None, "delta_AP_hi": None, "different": None}
    return ClassRow(
        **place, AP=0.5, AP50=0.6, delta_AP=delta, **limits, ground_truths=3, evaluator="pycocotools"
    )


def test_ten_classes_are_shown_and_all_are_there_for_scripts():
    table = class_table([class_row(number, number / 1000) for number in range(12)], {"v": "failed"})
    assert [row[0] for row in table["rows"]] == [f"<b>{number}" for number in range(11, 1, -1)]
    assert "<" not in table["all"]
    embedded = json.loads(table["all"])
    assert len(embedded["rows"]) == 12
    assert embedded["doubts"] == {"v": "failed"}
    assert {row[embedded["variant"]] for row in embedded["rows"]} == {"v"}


def test_classes_that_did_not_move_are_shown_as_such():
    table = class_table([class_row(1, 0.00004)], {})
    assert not table["moved"]
    assert [row[0] for row in table["rows"]] == ["<b>1"]
    assert table["all"] is None
    assert class_table([], {})["rows"] == []
