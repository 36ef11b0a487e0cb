"""The card of a data set and model on the first screen."""

from dataclasses import replace

import pytest
from report_fixtures import summary_row

from cutpoint.latency.paired import PairedTimes
from cutpoint.report.first import Flagged, card, flagged, losses, times
from cutpoint.summary.recommend import recommend

REFERENCE = summary_row(variant="pt", is_reference=True, AP=0.5, latency_p50_ms=9.0)
RAW = summary_row(AP=0.5, delta_AP=0.0, verdict="lossless", agreement=1.0, latency_p50_ms=4.0)
INT8 = summary_row(
    variant="int8", AP=0.45, delta_AP=-0.05, delta_AP_lo=-0.07, delta_AP_hi=-0.03, verdict="different"
)


def card_of(*rows):
    return card(rows, recommend(rows, PairedTimes({})))


def test_the_variant_its_cost_the_losses_and_the_times():
    found = card_of(REFERENCE, RAW, INT8)
    assert (found.variant, found.answer) == ("raw", "lossless")
    assert dict(found.facts) == {
        "Cost": "ΔAP 0.0000",
        "Latency": "4.00 ms",
        "Losses": "1 lossless, 1 different; largest: int8 -0.0500, -0.0700 to -0.0300",
        "Times": "can be trusted",
    }
    assert found.flags == []


def test_disturbed_times_give_no_recommendation_and_say_so():
    found = card_of(*(replace(row, disturbed=True) for row in (REFERENCE, RAW)))
    assert (found.variant, found.title) == (None, "No recommendation on speed")
    assert found.answer == "without a loss: pt and raw"
    assert dict(found.facts)["Times"] == "cannot be trusted (disturbed)"
    assert found.flags == [Flagged("disturbed", "all variants")]


def test_some_times_may_be_trusted():
    rows = (replace(REFERENCE, without_compiled_nms=True), RAW)
    assert times(rows) == "1 of 2 can be trusted (without compiled NMS)"
    assert times([INT8]) == "not measured"


def test_the_largest_loss_stands_with_its_flag():
    assert losses([REFERENCE, replace(INT8, export_failed=True)]).endswith("-0.0700 to -0.0300, failed")
    assert losses([REFERENCE]) == "nothing is compared with the reference"


def test_too_few_images_are_a_flag():
    unclear = [replace(INT8, variant=f"v{number}", verdict="inconclusive") for number in range(5)]
    assert flagged([REFERENCE, *unclear]) == [Flagged("too few images", "v0, v1 and 3 more")]


@pytest.mark.parametrize(
    ("cells", "said"),
    [
        ({"refused": "NaN"}, "The reference pt is refused, so nothing is compared with it: NaN."),
        ({"weak_reference": "AP 0"}, "The reference pt is weak: AP 0. No difference from it has a verdict."),
    ],
)
def test_a_bad_reference_is_said_before_all(cells, said):
    found = card_of(replace(REFERENCE, **cells), RAW)
    assert found.severe == [said]
    assert (found.variant, found.title) == (None, "No recommendation")


def test_without_a_recommendation_the_rest_is_said():
    found = card([REFERENCE, RAW], None)
    assert (found.variant, found.title, found.answer) == (None, "No recommendation", "")
