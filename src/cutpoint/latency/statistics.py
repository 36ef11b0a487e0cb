"""Compute percentiles, intervals and differences from latency samples, in ms, with all samples."""

from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

import numpy as np
import pandas as pd

from cutpoint.latency.notes import disturbances, time_notes
from cutpoint.providers import get_provider
from cutpoint.records.latency import (
    COPIES,
    STAGES,
    Difference,
    Latency,
    Stage,
    Stages,
    Total,
    write_latency,
)
from cutpoint.records.recommendation import Speed
from cutpoint.records.timing import Conditions, Timing, read_samples

PERCENTILES = {"p50": 50, "p90": 90, "p95": 95, "p99": 99}
RESAMPLES, SEED = 1000, 0


def summarize_latency(*, samples: str, variant: str, reference: str | None, out: str) -> None:
    """Write one variant's latency JSON from the samples.

    Args:
        samples: Parquet file of ``coordinator.time_variants``.
        variant: its name.
        reference: the variant that it is compared with; null, itself or an untimed one: no comparison.
        out: JSON file to write.
    """
    rows, timing = read_samples(samples)
    timed = timing.variants[variant]
    own = rows[rows["variant"] == variant]
    stages = {name: stage_statistics(own[name].to_numpy()) for name in timed_stages(timed.provider_asked)}
    total = stages.pop("total")
    latency = Latency(
        **vars(timed),
        **{field.name: getattr(timing, field.name) for field in fields(Conditions)},
        variant=variant,
        disturbed=bool(disturbances(timed.load.foreign_cores, timing.watch.throttled)),
        notes=tuple(time_notes(timed, timing.watch)),
        stages=Stages(**stages, total=Total(**vars(total), p50_ci95=median_interval(rounds_of(own)))),
        difference=_difference(rows, timing, variant, reference),
        samples=Path(samples).as_posix(),
    )
    write_latency(out, latency)


def _difference(rows: pd.DataFrame, timing: Timing, variant: str, reference: str | None) -> Difference | None:
    if reference is None or reference == variant or reference not in timing.variants:
        return None
    # with an NMS in Python, the time does not show PyTorch's speed
    uncompiled = {timing.variants[name].without_compiled_nms for name in (variant, reference)}
    if len(uncompiled) > 1:
        return None
    base, own = (rounds_of(rows[rows["variant"] == name]) for name in (reference, variant))
    return median_difference(reference, base, own)


def timed_stages(provider: str) -> tuple[str, ...]:
    """The stages of a variant on a provider."""
    return (*STAGES, *COPIES) if get_provider(provider).device.copies else STAGES


def stage_statistics(milliseconds: np.ndarray) -> Stage:
    """Percentiles, mean and count of ``(N,)`` samples in ms."""
    values = {name: float(np.percentile(milliseconds, q)) for name, q in PERCENTILES.items()}
    return Stage(**values, mean=float(milliseconds.mean()), n=len(milliseconds))


def median_interval(rounds: list[np.ndarray]) -> tuple[float, float] | None:
    """95 % interval of the median, ms, by a bootstrap over rounds; null for a single round.

    It draws rounds and not samples, because samples close in time are similar.

    Args:
        rounds: the totals of each round, ms.
    """
    return _interval(len(rounds), lambda drawn: _median(rounds, drawn))


def median_difference(reference: str, base: list[np.ndarray], own: list[np.ndarray]) -> Difference:
    """Difference of the medians, ``own - base`` in ms, with its 95 % interval.

    The rounds of both ran one after the other and are drawn together, so that effects of the machine on both
    cancel.

    Args:
        reference: the name of ``base``.
        base, own: the totals of each round, ms.
    """
    everything = np.arange(len(base))
    return Difference(
        reference,
        _median(own, everything) - _median(base, everything),
        _interval(len(base), lambda drawn: _median(own, drawn) - _median(base, drawn)),
    )


def median_ratio(other: str, base: list[np.ndarray], own: list[np.ndarray]) -> Speed:
    """Ratio of the medians, ``base / own``, with its 95 % interval: above 1, ``own`` is faster.

    Rounds are drawn together, as in ``median_difference``.

    Args:
        other: the name of ``base``.
        base, own: the totals of each round, ms.
    """
    everything = np.arange(len(base))
    return Speed(
        other,
        _median(base, everything) / _median(own, everything),
        _interval(len(base), lambda drawn: _median(base, drawn) / _median(own, drawn)),
    )


def _interval(count: int, statistic: Callable[[np.ndarray], float]) -> tuple[float, float] | None:
    if count < 2:
        return None
    draws = np.random.default_rng(SEED).integers(0, count, (RESAMPLES, count))
    low, high = np.percentile([statistic(drawn) for drawn in draws], [2.5, 97.5]).tolist()
    return low, high


def _median(rounds: list[np.ndarray], drawn: np.ndarray) -> float:
    return float(np.median(np.concatenate([rounds[i] for i in drawn])))


def rounds_of(rows: pd.DataFrame) -> list[np.ndarray]:
    """The totals of each round of a variant's samples, ms."""
    return [group["total"].to_numpy() for _, group in rows.groupby("round")]
