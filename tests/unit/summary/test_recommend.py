"""The rule of the recommendation, and its words."""

import numpy as np
import pytest
from report_fixtures import summary_row

from cutpoint.latency.paired import PairedTimes
from cutpoint.records.recommendation import (
    NO_SPEED,
    NOTHING,
    TRADE_OFF,
    USE,
    Speed,
    read_recommendations,
    write_recommendations,
)
from cutpoint.records.summary import OF_TIMES
from cutpoint.summary.advice import answer, cost, faster, headline, milliseconds
from cutpoint.summary.flags import FLAGS
from cutpoint.summary.recommend import UNFIT, UNTRUSTED, recommend

NOISE_MS = 0.2


def times(**medians: float) -> PairedTimes:
    """Thirty rounds of eight runs, each a little off the median, in ms; all slow down together."""
    rng, drift = np.random.default_rng(1), np.linspace(1, 1.3, 30)
    return PairedTimes(
        {name: [m * slow + rng.normal(0, NOISE_MS, 8) for slow in drift] for name, m in medians.items()}
    )


def reference(**cells):
    given = {"variant": "pytorch", "runtime": "pytorch", "is_reference": True, "AP": 0.5}
    return summary_row(**given | {"latency_p50_ms": 40.0} | cells)


def variant(name, verdict="lossless", **cells):
    given = {"variant": name, "verdict": verdict, "AP": 0.5, "delta_AP": 0.0, "agreement": 1.0}
    return summary_row(**given | {"delta_AP_lo": -0.0001, "delta_AP_hi": 0.0001} | cells)


RAW, DECODED, E2E = (
    variant("raw", latency_p50_ms=20.0),
    variant("decoded", "equivalent", latency_p50_ms=10.0),
    variant("e2e", latency_p50_ms=12.0),
)
ALL = times(pytorch=40, raw=20, decoded=10, e2e=12)


def flagged(flag):
    """Cells with a flag set as a run would set it."""
    value = {"doubtful": ("2 of 4",), "unsteady": ("8x8",), "timed_recipe": "mmdet3+score_thr=0.3"}
    return {flag: value.get(flag, "why" if flag in ("refused", "weak_reference") else True)}


def test_the_fastest_of_those_without_a_loss_over_the_reference():
    found = recommend([reference(), RAW, DECODED, E2E, variant("int8", "different", latency_p50_ms=5.0)], ALL)
    assert (found.kind, found.choice.variant, found.choice.verdict) == (USE, "decoded", "equivalent")
    assert found.same == ("pytorch", "raw", "decoded", "e2e")
    assert found.as_fast == ()
    assert found.speed.other == "pytorch"
    low, high = found.speed.ratio_ci95
    assert 3.8 < low < found.speed.ratio < high < 4.2
    assert headline(found).startswith("use decoded: equivalent, 4.0 times as fast as pytorch (95 % interval ")


def test_beside_a_pytorch_without_compiled_nms_the_speed_is_over_the_next_variant():
    found = recommend([reference(without_compiled_nms=True), RAW, DECODED, E2E], ALL)
    assert (found.choice.variant, found.speed.other) == ("decoded", "e2e")
    assert found.speed.ratio == pytest.approx(1.2, abs=0.02)
    assert "% faster than e2e (95 % interval" in headline(found)
    assert "pytorch" not in headline(found)
    assert found.reasons == ("Not compared in speed: pytorch (without compiled NMS).",)


@pytest.mark.parametrize("flag", UNTRUSTED)
def test_a_time_that_is_not_trusted_is_never_the_fastest(flag):
    fast = variant("fast", latency_p50_ms=1.0, **flagged(flag))
    found = recommend([reference(), fast, E2E], times(pytorch=40, fast=1, e2e=12))
    assert found.choice.variant == "e2e"
    assert "fast" not in headline(found).replace("times as fast", "")


@pytest.mark.parametrize("flag", UNFIT)
def test_detections_that_are_not_trusted_are_never_recommended(flag):
    fast = variant("quick", latency_p50_ms=1.0, **flagged(flag))
    found = recommend([reference(), fast, E2E], times(pytorch=40, quick=1, e2e=12))
    assert found.choice.variant == "e2e"
    assert "quick" not in found.same


def test_every_flag_is_judged():
    said = {"baseline_off", "images_skipped", "timed_batch"}
    assert set(UNFIT) | set(UNTRUSTED) | said == set(FLAGS)
    assert set(UNTRUSTED) < set(OF_TIMES)


def test_what_is_not_shown_to_be_slower_is_named_and_no_speed_is_claimed_over_it():
    rows = [reference(without_compiled_nms=True), variant("a", latency_p50_ms=10.0)]
    rows += [variant("b", latency_p50_ms=10.001), variant("c", latency_p50_ms=15.0)]
    found = recommend(rows, times(pytorch=40, a=10, b=10.001, c=15))
    assert (found.choice.variant, found.as_fast, found.speed.other) == ("a", ("b",), "c")
    assert headline(found).startswith("use a: lossless, 49")
    assert headline(found).endswith("%), b is not shown to be slower")
    only = recommend(rows[:3], times(pytorch=40, a=10, b=10.001))
    assert (only.speed.other, only.speed.is_faster) == ("b", False)
    assert "not shown to be faster than b (95 % interval -" in headline(only)


def test_a_batch_of_its_own_is_said_beside_the_speed():
    found = recommend([reference(), variant("raw", latency_p50_ms=20.0, batch=8, timed_batch=1)], ALL)
    assert found.choice.variant == "raw"
    assert headline(found).endswith("[latency at batch 1]")


def test_a_baseline_that_is_off_is_said_beside_the_verdict():
    found = recommend(
        [reference(baseline_off=True), variant("raw", latency_p50_ms=20.0, baseline_off=True)], ALL
    )
    assert headline(found).startswith("use raw: lossless [baseline off], ")


def test_where_all_times_are_disturbed_nothing_is_said_about_speed():
    rows = [
        variant(row.variant, row.verdict, latency_p50_ms=row.latency_p50_ms, disturbed=True)
        for row in (RAW, DECODED)
    ]
    found = recommend([reference(disturbed=True), *rows], ALL)
    assert (found.kind, found.choice, found.speed) == (NO_SPEED, None, None)
    assert headline(found) == "no recommendation on speed; without a loss: pytorch, raw and decoded"
    assert found.reasons == ("Not compared in speed: pytorch, raw and decoded (disturbed).",)


def test_a_reference_alone_with_trusted_times_is_no_answer():
    found = recommend([reference(), variant("raw", latency_p50_ms=9.0, disturbed=True)], ALL)
    assert found.kind == NO_SPEED


def test_results_files_have_no_times():
    rows = [reference(runtime=None, latency_p50_ms=None), variant("theirs", runtime=None)]
    found = recommend(rows, PairedTimes({}))
    assert (found.kind, found.same) == (NO_SPEED, ("pytorch", "theirs"))
    assert found.reasons == ("No variant was timed.",)


def test_without_a_variant_without_a_loss_the_trade_off_is_said():
    int8 = variant("int8", "different", AP=0.48, delta_AP=-0.02, latency_p50_ms=10.0)
    found = recommend([reference(), int8], times(pytorch=40, int8=10))
    assert (found.kind, found.choice.variant, found.fastest.variant) == (TRADE_OFF, "pytorch", "int8")
    said = headline(found)
    assert said.startswith("no variant is shown to be without a loss: best AP pytorch (AP 0.5000, 40.0 ms (")
    assert "; fastest int8 (ΔAP -0.0200, 95 % interval -0.0001 to +0.0001, 10.0 ms (" in said
    assert "times as fast as pytorch" in said


def test_a_trade_off_with_disturbed_times_has_no_fastest():
    int8 = variant("int8", "different", AP=0.48, delta_AP=-0.02, latency_p50_ms=10.0, disturbed=True)
    found = recommend([reference(disturbed=True), int8], times(pytorch=40, int8=10))
    assert (found.kind, found.fastest, found.speed) == (TRADE_OFF, None, None)
    assert "[disturbed]" in headline(found)
    assert "fastest" not in headline(found)


def test_too_few_images_are_said_with_how_many_would_decide():
    unclear = variant("fp16", "inconclusive", images_to_decide=900, latency_p50_ms=10.0)
    found = recommend([reference(), unclear], times(pytorch=40, fp16=10))
    assert found.kind == TRADE_OFF
    assert found.reasons == ("4 images are too few to judge fp16; about 900 images would decide.",)


def test_a_reference_that_is_best_and_fastest_is_the_answer():
    slow = variant("fp16", "different", AP=0.4, delta_AP=-0.1, latency_p50_ms=100.0)
    found = recommend([reference(), slow], times(pytorch=40, fp16=100))
    assert (found.kind, found.choice.variant) == (USE, "pytorch")
    assert answer(found).startswith(
        "the reference; no other variant is shown to be without a loss, 2.5 times"
    )


@pytest.mark.parametrize("flag", ["refused", "weak_reference", "doubtful", "export_failed"])
def test_beside_a_bad_reference_there_is_no_recommendation(flag):
    found = recommend([reference(**flagged(flag)), RAW], ALL)
    assert (found.kind, headline(found)) == (NOTHING, "no recommendation")
    assert "The reference pytorch is no measure (" in found.reasons[0]


def test_where_all_are_refused_there_is_no_recommendation():
    rows = [reference(refused="x", AP=None), variant("raw", verdict=None, refused="x", AP=None)]
    assert recommend(rows, PairedTimes({})).kind == NOTHING


@pytest.mark.parametrize("disturbed", [False, True])
def test_a_single_variant_is_the_only_one_to_choose(disturbed):
    found = recommend([reference(disturbed=disturbed)], times(pytorch=40))
    assert (found.kind, found.choice.variant) == (USE, "pytorch")
    assert headline(found) == "use pytorch: the only variant to choose from"
    assert found.choice.time_doubts == (("disturbed",) if disturbed else ())


def test_without_ground_truth_only_lossless_variants_count():
    blind = {"AP": None, "delta_AP": None, "delta_AP_lo": None, "delta_AP_hi": None}
    rows = [reference(AP=None), variant("raw", latency_p50_ms=20.0, **blind)]
    rows += [variant("fp16", "inconclusive", latency_p50_ms=5.0, agreement=0.9, **blind)]
    found = recommend(rows, times(pytorch=40, raw=20, fp16=5))
    assert (found.kind, found.choice.variant) == (USE, "raw")
    worse = recommend([rows[0], rows[2]], times(pytorch=40, fp16=5))
    assert (worse.kind, worse.choice.variant, worse.fastest.variant) == (TRADE_OFF, "pytorch", "fp16")
    assert "best agreement pytorch (the reference itself, 40.0 ms" in headline(worse)
    assert "agreement 0.9000" in headline(worse)


def test_forty_variants_are_counted():
    names = [f"v{number}" for number in range(39)]
    rows = [reference(), *(variant(name, latency_p50_ms=10.0 + i) for i, name in enumerate(names))]
    found = recommend(rows, times(pytorch=40, **{name: 10.0 + i for i, name in enumerate(names)}))
    assert found.choice.variant == "v0"
    blind = [reference(disturbed=True)]
    blind += [variant(name, latency_p50_ms=9.0, disturbed=True) for name in names]
    assert headline(recommend(blind, PairedTimes({}))).endswith("pytorch, v0, v1 and 37 more")


@pytest.mark.parametrize(
    ("ratio", "ends", "said"),
    [
        (1.18, (1.151, 1.206), "18 % faster than raw (95 % interval 15 to 21 %)"),
        (1.052, (1.041, 1.063), "5.2 % faster than raw (95 % interval 4.1 to 6.3 %)"),
        (2.345, (2.2, 2.5), "2.3 times as fast as raw (95 % interval 2.2 to 2.5)"),
        (1.05, (0.98, 1.12), "not shown to be faster than raw (95 % interval -2 to 12 %)"),
        (1.0, (1.0, 1.2), "not shown to be faster than raw (95 % interval 0 to 20 %)"),
        (1.3, None, "not shown to be faster than raw"),
    ],
)
def test_faster_is_said_only_if_the_whole_interval_is_above_zero(ratio, ends, said):
    assert faster(Speed("raw", ratio, ends)) == said


def test_costs_stand_with_their_flags():
    found = recommend([reference(baseline_off=True)], times(pytorch=40))
    assert cost(found.choice) == "AP 0.5000 [baseline off]"
    assert milliseconds(9.876, (9.5, 10.25)) == "9.88 ms (9.50 to 10.25)"


def test_recommendations_are_read_as_they_were_written(tmp_path):
    found = [recommend([reference(), RAW, DECODED], ALL), recommend([reference(refused="x")], ALL)]
    write_recommendations(tmp_path / "r.json", found)
    assert list(read_recommendations(tmp_path / "r.json")) == found
