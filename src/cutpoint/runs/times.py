"""How the latency of a variant differs between two runs, and whether the difference may be claimed."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from cutpoint.latency.statistics import RESAMPLES, SEED, rounds_of
from cutpoint.machine import CUDA
from cutpoint.records.comparison import Interval
from cutpoint.records.packed import ImageHashes
from cutpoint.records.run_comparison import Change, LatencyChange
from cutpoint.records.timing import Timing

FASTER, SLOWER, NONE_SHOWN = "faster", "slower", "no difference shown"
# Facts about a machine that times depend on.
MACHINE = (
    *("processor", "architecture", "physical_cores", "logical_cores", "usable_cores", "system", "python"),
    *("gpus", "gpu_limits"),
)
# How both are timed, and what of a variant must be the same.
CONDITIONS = ("threads", "batch")
VARIANT = (
    *("runtime", "provider_asked", "provider_got", "tf32", "without_compiled_nms"),
    *("graph_optimisation", "provider_options", "cuda_graph", "pinned"),
)
# Versions of libraries that run while a variant is timed, by runtime.
EVERYWHERE = ("numpy", "opencv-python", "opencv-python-headless")
LIBRARIES = {
    "pytorch": ("torch", "mmdet", "mmcv", "mmcv-lite", *CUDA, *EVERYWHERE),
    "onnxruntime": ("onnxruntime", "onnxruntime-gpu", *CUDA, *EVERYWHERE),
}


@dataclass(frozen=True)
class TimedSide:
    """How a run timed a variant.

    Attributes:
        rows: its samples, see ``timing.read_samples``.
        timing: the conditions.
        images: of the data set.
        doubts: flags of its times, in words.
    """

    rows: pd.DataFrame
    timing: Timing
    images: ImageHashes
    doubts: tuple[str, ...]


def compare_times(variant: str, baseline: TimedSide, run: TimedSide) -> LatencyChange:
    """The difference and the ratio of the median totals, with 95 % intervals.

    Args:
        variant: its name, the same in both runs.
        baseline, run: the two sides.
    """
    sides = [rounds_of(side.rows[side.rows["variant"] == variant]) for side in (baseline, run)]
    base, own = (float(np.median(np.concatenate(rounds))) for rounds in sides)
    difference, ratio = resample_medians(*sides)
    facts = tuple(differing_facts(variant, baseline, run))
    claim = None
    if difference is not None and not (facts or baseline.doubts or run.doubts):
        claim = SLOWER if difference[0] > 0 else FASTER if difference[1] < 0 else NONE_SHOWN
    return LatencyChange(
        baseline_ms=base,
        run_ms=own,
        difference_ms=own - base,
        difference_ci95=difference,
        ratio=own / base,
        ratio_ci95=ratio,
        facts=facts,
        doubts_baseline=baseline.doubts,
        doubts_run=run.doubts,
        claim=claim,
    )


def resample_medians(
    baseline: list[np.ndarray], run: list[np.ndarray]
) -> tuple[Interval, Interval] | tuple[None, None]:
    """95 % intervals of run - baseline (ms) and of run / baseline; null if a side has a single round.

    The rounds of the two runs did not run in turn, so each run's rounds are drawn by themselves.

    Args:
        baseline, run: the totals of each round, ms.
    """
    if min(len(baseline), len(run)) < 2:
        return None, None
    generator = np.random.default_rng(SEED)
    base, own = (_medians(rounds, generator) for rounds in (baseline, run))
    return _interval(own - base), _interval(own / base)


def differing_facts(variant: str, baseline: TimedSide, run: TimedSide) -> Iterator[Change]:
    """The facts that must be the same before two times may be compared, and are not."""
    old, new = (_facts(variant, side) for side in (baseline, run))
    for key in new:
        if old[key] != new[key]:
            yield Change(key, _text(old[key]), _text(new[key]))
    timed = [_timed_images(variant, side) for side in (baseline, run)]
    if timed[0] != timed[1]:
        old_text, new_text = (f"{len(images)} images" for images in timed)
        yield Change("images that are timed", old_text, new_text)


def _medians(rounds: list[np.ndarray], generator: np.random.Generator) -> np.ndarray:
    draws = generator.integers(0, len(rounds), (RESAMPLES, len(rounds)))
    return np.array([np.median(np.concatenate([rounds[i] for i in drawn])) for drawn in draws])


def _interval(values: np.ndarray) -> Interval:
    low, high = np.percentile(values, [2.5, 97.5]).tolist()
    return low, high


def _facts(variant: str, side: TimedSide) -> dict[str, Any]:
    timing, timed = side.timing, side.timing.variants[variant]
    versions = timing.machine.get("libraries") or {}
    return {
        **{key: timing.machine.get(key) for key in MACHINE},
        **{key: versions.get(key) for key in LIBRARIES[timed.runtime]},
        **{key: getattr(timing, key) for key in CONDITIONS},
        **{key: getattr(timed, key) for key in VARIANT},
        "cores that it may use": len(timed.affinity),
    }


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _timed_images(variant: str, side: TimedSide) -> list[str]:
    """The content of the images that a variant is timed with, in the order of their first time."""
    contents = dict(zip(side.images.ids.tolist(), side.images.sha256, strict=True))
    own = side.rows[side.rows["variant"] == variant]
    return [contents.get(image, "") for image in dict.fromkeys(own["image_id"].tolist())]
