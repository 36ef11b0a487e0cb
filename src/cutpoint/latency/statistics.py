"""Latency samples in; percentiles, intervals and differences out, in ms: nothing clipped, no best-of."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from cutpoint.files import write_json
from cutpoint.latency.notes import UNCOMPILED
from cutpoint.providers import get_provider

STAGES = ("decode", "preprocess", "inference", "postprocess", "total")
# as well, of a variant on a device with memory of its own
COPIES = ("host_to_device", "device_to_host")
PERCENTILES = {"p50": 50, "p90": 90, "p95": 95, "p99": 99}
METADATA = b"cutpoint"
RESAMPLES, SEED = 1000, 0


def summarize_latency(*, samples: str, variant: str, reference: str | None, out: str) -> None:
    """Write one variant's latency JSON from the samples.

    Args:
        samples: Parquet file of ``coordinator.time_variants``.
        variant: its name.
        reference: the variant that it is compared with; null, itself or one that was not timed: with none.
        out: JSON file to write.
    """
    table = pq.read_table(samples)
    facts = json.loads(table.schema.metadata[METADATA])
    described = facts["variants"][variant]
    rows = table.to_pandas()
    own = rows[rows["variant"] == variant]
    stages = timed_stages(described["provider_asked"])
    statistics = {stage: stage_statistics(own[stage].to_numpy()) for stage in stages}
    statistics["total"]["p50_ci95"] = median_interval(_rounds(own))
    difference = None
    if reference in facts["variants"] and reference != variant:
        other = facts["variants"][reference]
        # an NMS in Python says nothing about PyTorch's speed
        if (UNCOMPILED in other["notes"]) == (UNCOMPILED in described["notes"]):
            base = rows[rows["variant"] == reference]
            difference = {"reference": reference, **median_difference(_rounds(base), _rounds(own))}
    shared = {key: facts[key] for key in ("threads", "batch", "images", "block_images", "machine", "watch")}
    write_json(
        out,
        {
            "variant": variant,
            **described,
            "stages": statistics,
            "difference": difference,
            **shared,
            "samples": Path(samples).as_posix(),
        },
    )


def timed_stages(provider: str) -> tuple[str, ...]:
    """The stages that a variant on a provider has."""
    return (*STAGES, *COPIES) if get_provider(provider).device.copies else STAGES


def stage_statistics(milliseconds: np.ndarray) -> dict[str, Any]:
    """Percentiles, mean and count of ``(N,)`` samples in ms."""
    values = {name: float(np.percentile(milliseconds, q)) for name, q in PERCENTILES.items()}
    return {**values, "mean": float(milliseconds.mean()), "n": len(milliseconds)}


def median_interval(rounds: list[np.ndarray]) -> list[float] | None:
    """95 % interval of the median, ms, by a bootstrap over rounds; null for a single round.

    Rounds and not samples are drawn, since neighbours in time are alike.

    Args:
        rounds: the totals of each round, ms.
    """
    return _interval(len(rounds), lambda drawn: _median(rounds, drawn))


def median_difference(base: list[np.ndarray], own: list[np.ndarray]) -> dict[str, Any]:
    """Difference of the medians, ``own - base`` in ms, with its 95 % interval.

    The rounds of both ran one after the other and are drawn together, so that what the machine did to both
    cancels.
    """
    everything = np.arange(len(base))
    return {
        "p50_ms": _median(own, everything) - _median(base, everything),
        "p50_ci95": _interval(len(base), lambda drawn: _median(own, drawn) - _median(base, drawn)),
    }


def _interval(count: int, statistic: Callable[[np.ndarray], float]) -> list[float] | None:
    if count < 2:
        return None
    draws = np.random.default_rng(SEED).integers(0, count, (RESAMPLES, count))
    return np.percentile([statistic(drawn) for drawn in draws], [2.5, 97.5]).tolist()


def _median(rounds: list[np.ndarray], drawn: np.ndarray) -> float:
    return float(np.median(np.concatenate([rounds[i] for i in drawn])))


def _rounds(rows: pd.DataFrame) -> list[np.ndarray]:
    return [group["total"].to_numpy() for _, group in rows.groupby("round")]
