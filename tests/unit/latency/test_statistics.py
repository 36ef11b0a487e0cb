from dataclasses import replace

import numpy as np
import pytest

from cutpoint.latency.statistics import (
    median_difference,
    median_interval,
    stage_statistics,
    summarize_latency,
)
from cutpoint.records.latency import COPIES, STAGES, Difference, Stage, Total, read_latency
from cutpoint.records.timing import (
    ColdStart,
    Load,
    Memory,
    Timed,
    Timing,
    WarmedShape,
    WarmUp,
    Watched,
    write_samples,
)


def test_statistics_by_hand():
    found = stage_statistics(np.arange(1, 102, dtype=float))  # 1 .. 101 ms
    assert found == Stage(p50=51, p90=91, p95=96, p99=100, mean=51, n=101)


def test_the_intervals_ends_are_medians_of_whole_rounds():
    # two rounds: drawn are both, or one of them twice, so only three medians can be
    assert median_interval([np.float64([1, 1, 1]), np.float64([3, 3, 3])]) == (1, 3)
    assert median_interval([np.float64([1, 2, 3])]) is None


def test_the_interval_covers_the_median():
    # machines whose speed wanders from round to round; 95 % of the intervals are to hold the truth
    rng, held = np.random.default_rng(4), 0
    for _ in range(60):
        rounds = [10 + rng.normal(0, 1) + rng.exponential(1, 8) for _ in range(30)]
        low, high = median_interval(rounds)
        held += low <= 10.875 <= high  # the median of that mixture, by a sample of 10 million
    assert held >= 52


def test_what_the_machine_does_to_both_cancels():
    rng = np.random.default_rng(0)
    drift = np.linspace(0, 20, 12)[:, None]
    base = list(50 + drift + rng.normal(0, 0.1, (12, 8)))
    own = list(51 + drift + rng.normal(0, 0.1, (12, 8)))
    found = median_difference("raw", base, own)
    low, high = found.p50_ci95
    assert found.p50_ms == pytest.approx(1, abs=0.2)
    assert 0.5 < low < 1 < high < 1.5
    # unpaired, the drift alone would hide it
    alone = median_interval(own)
    assert alone[1] - alone[0] > 5


TIMED = Timed(
    **{"runtime": "onnxruntime", "cut": "raw", "tf32": False, "recipe": "mmdet3", "provider_got": "cpu"},
    provider_asked="cpu",
    without_compiled_nms=False,
    affinity=(0, 1),
    cold_start=ColdStart(0.5, 9.5),
    warm_up=WarmUp({"1x1": WarmedShape(3, True), "1x2": WarmedShape(30, False)}, 33, 0.1),
    load=Load(5.0, 0.5, 0.1),
    throughput=None,
    memory=Memory(70.0, None),
    node_placement=None,
)


@pytest.fixture
def summarize(tmp_path):
    """Summarizes 4 rounds of 11 samples of one of three variants; the change is of pytorch's facts."""

    def run(variant, reference, throttled=(), **change):
        rows = [
            {"variant": name, "round": r, "image_id": i, "shape": "1x1"}
            | dict.fromkeys((*STAGES, *COPIES), f * i)
            for name, f in (("raw", 1.0), ("e2e", 10.0), ("pytorch", 100.0))
            for r in range(4)
            for i in range(1, 12)
        ]
        variants = dict.fromkeys(("raw", "e2e"), TIMED) | {"pytorch": replace(TIMED, **change)}
        shared = {"threads": 2, "batch": 1, "images": 11, "block_images": 8, "machine": {"processor": "x"}}
        timing = Timing(**shared, watch=Watched({}, {}, {}, throttled), variants=variants)
        write_samples(tmp_path / "s.parquet", rows, timing)
        out = str(tmp_path / "out.json")
        summarize_latency(samples=str(tmp_path / "s.parquet"), variant=variant, reference=reference, out=out)
        return read_latency(out)

    return run


def test_summarize_reads_one_variant(summarize):
    latency = summarize("e2e", "raw")
    assert list(latency.stages.in_order()) == list(STAGES[:-1])
    total = latency.stages.total
    assert isinstance(total, Total)
    assert (total.p50, total.p90, total.mean, total.n, total.p50_ci95) == (60, 100, 60, 44, (60, 60))
    assert latency.difference == Difference("raw", 54, (54, 54))
    assert (latency.notes, latency.disturbed) == (("warm-up not steady at 1x2",), False)
    assert (latency.threads, latency.batch, latency.images) == (2, 1, 11)
    assert latency.machine == {"processor": "x"}


def test_copies_are_stages_on_a_gpu_only(summarize):
    latency = summarize("pytorch", "pytorch", provider_asked="cuda")
    assert set(latency.stages.in_order()) == {*STAGES[:-1], *COPIES}
    assert latency.difference is None


@pytest.mark.parametrize(("variant", "reference"), [("e2e", "pytorch"), ("pytorch", "raw")])
def test_an_nms_in_python_is_compared_with_nothing(summarize, variant, reference):
    assert summarize(variant, reference).difference is not None
    assert summarize(variant, reference, without_compiled_nms=True).difference is None


def test_what_makes_times_doubtful_is_a_flag_and_a_note(summarize):
    latency = summarize("pytorch", None, without_compiled_nms=True, load=Load(5.0, 3.0, 0.6))
    assert (latency.disturbed, latency.without_compiled_nms) == (True, True)
    assert latency.notes == (
        "without compiled NMS",
        "warm-up not steady at 1x2",
        "disturbed (other processes kept 0.6 cores busy)",
    )
    assert not summarize("pytorch", None, load=Load(5.0, 2.5, 0.5)).disturbed
    assert summarize("e2e", None, throttled=("hardware slowdown",)).disturbed
