import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cutpoint.latency.notes import UNCOMPILED
from cutpoint.latency.statistics import (
    COPIES,
    METADATA,
    STAGES,
    median_difference,
    median_interval,
    stage_statistics,
    summarize_latency,
)


def test_statistics_by_hand():
    found = stage_statistics(np.arange(1, 102, dtype=float))  # 1 .. 101 ms
    assert found == {"p50": 51, "p90": 91, "p95": 96, "p99": 100, "mean": 51, "n": 101}
    assert json.dumps(found)


def test_the_intervals_ends_are_medians_of_whole_rounds():
    # two rounds: drawn are both, or one of them twice, so only three medians can be
    assert median_interval([np.float64([1, 1, 1]), np.float64([3, 3, 3])]) == [1, 3]
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
    found = median_difference(base, own)
    low, high = found["p50_ci95"]
    assert found["p50_ms"] == pytest.approx(1, abs=0.2)
    assert 0.5 < low < 1 < high < 1.5
    # unpaired, the drift alone would hide it
    alone = median_interval(own)
    assert alone[1] - alone[0] > 5


@pytest.fixture
def samples(tmp_path):
    """Writes 4 rounds of 11 samples of three variants; ``provider`` and notes of the first as given."""

    def write(provider="cpu", notes=()):
        rows = [
            {"variant": name, "round": r, "image_id": i, "shape": "1x1"}
            | dict.fromkeys((*STAGES, *COPIES), f * i)
            for name, f in (("raw", 1.0), ("e2e", 10.0), ("pytorch", 100.0))
            for r in range(4)
            for i in range(1, 12)
        ]
        variants = {
            name: {"runtime": "onnxruntime", "provider_asked": provider, "notes": [name]}
            for name in ("raw", "e2e", "pytorch")
        }
        variants["pytorch"]["notes"] = list(notes)
        shared = {"threads": 2, "batch": 1, "images": 11, "block_images": 8}
        facts = {**shared, "machine": {"processor": "x"}, "watch": {"throttled": []}, "variants": variants}
        table = pa.Table.from_pandas(pd.DataFrame(rows))
        path = tmp_path / "s.parquet"
        pq.write_table(table.replace_schema_metadata({METADATA: json.dumps(facts)}), path)
        return str(path)

    return write


def test_summarize_reads_one_variant(samples, tmp_path):
    out = tmp_path / "e2e.json"
    summarize_latency(samples=samples(), variant="e2e", reference="raw", out=str(out))
    found = json.loads(out.read_text())
    assert set(found["stages"]) == set(STAGES)
    total = found["stages"]["total"]
    assert total == total | {"p50": 60, "p90": 100, "mean": 60, "n": 44}
    assert total["p50_ci95"] == [60, 60]
    assert found["difference"] == {"reference": "raw", "p50_ms": 54, "p50_ci95": [54, 54]}
    assert found["notes"] == ["e2e"]
    assert (found["threads"], found["batch"], found["images"]) == (2, 1, 11)
    assert found["machine"] == {"processor": "x"}


def test_copies_are_stages_on_a_gpu_only(samples, tmp_path):
    out = tmp_path / "e2e.json"
    summarize_latency(samples=samples("cuda"), variant="e2e", reference="e2e", out=str(out))
    found = json.loads(out.read_text())
    assert set(found["stages"]) == {*STAGES, *COPIES}
    assert found["difference"] is None


@pytest.mark.parametrize("variant", ["e2e", "pytorch"])
def test_an_nms_in_python_is_compared_with_nothing(samples, tmp_path, variant):
    out = tmp_path / "x.json"
    reference = "pytorch" if variant == "e2e" else "raw"
    summarize_latency(samples=samples(notes=[UNCOMPILED]), variant=variant, reference=reference, out=str(out))
    assert json.loads(out.read_text())["difference"] is None
