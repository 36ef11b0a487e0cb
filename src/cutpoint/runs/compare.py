"""Hold a run against its baseline: inputs, detections, AP and latency."""

from collections.abc import Callable
from functools import cache

from cutpoint.errors import UserError
from cutpoint.records.capsule import CapsuleVariant
from cutpoint.records.run_comparison import (
    ApChange,
    DetectionChange,
    LatencyChange,
    RunComparison,
    VariantChange,
    write_run_comparison,
)
from cutpoint.records.summary import OF_DETECTIONS, OF_TIMES
from cutpoint.runs.boxes import SharedImages, compare_boxes, share_images
from cutpoint.runs.inputs import changed_inputs
from cutpoint.runs.reading import Key, OpenCapsule, open_capsule
from cutpoint.runs.scores import compare_ap
from cutpoint.runs.times import TimedSide, compare_times
from cutpoint.summary.flags import doubts

Pair = tuple[OpenCapsule, OpenCapsule]


def compare_runs(*, baseline: str, capsule: str, out: str) -> None:
    """Write ``results/runs/comparison.json``.

    Args:
        baseline: the capsule of the earlier run, or of another machine's.
        capsule: this run's capsule.
        out: see ``run_comparison.RunComparison``.

    Raises:
        UserError: one of the two cannot be read.
    """
    with open_capsule(baseline) as old, open_capsule(capsule) as new:
        write_run_comparison(out, compare(old, new))


def compare(baseline: OpenCapsule, run: OpenCapsule) -> RunComparison:
    """Compare two runs, variant by variant."""
    both = (baseline, run)
    shared: Callable[[str], SharedImages] = cache(
        lambda dataset: share_images(*(side.images(dataset) for side in both))
    )
    common = [key for key in run.variants if key in baseline.variants]
    return RunComparison(
        baseline=baseline.path,
        baseline_code=baseline.code,
        run_code=run.code,
        inputs=changed_inputs(baseline.content, run.content),
        only_baseline=tuple(", ".join(key) for key in baseline.variants if key not in run.variants),
        only_run=tuple(", ".join(key) for key in run.variants if key not in baseline.variants),
        variants=tuple(_variant(key, both, shared(key[0])) for key in common),
    )


def _variant(key: Key, both: Pair, shared: SharedImages) -> VariantChange:
    entries = [side.variants[key] for side in both]
    reason = _not_compared(entries, shared)
    boxes, ap = (None, None) if reason else _measure(key, both, shared)
    of_detections = [tuple(doubts(side.rows[key], OF_DETECTIONS)) for side in both]
    return VariantChange(
        dataset=key[0],
        model=key[1],
        variant=key[2],
        detections=boxes,
        not_compared=reason,
        ap=ap,
        latency=_latency(key, both) if all(entry.latency for entry in entries) else None,
        doubts_baseline=of_detections[0],
        doubts_run=of_detections[1],
    )


def _not_compared(entries: list[CapsuleVariant], shared: SharedImages) -> str | None:
    for entry, side in zip(entries, ("baseline", "run"), strict=True):
        if entry.refused is not None:
            return f"refused in the {side}: {entry.refused}"
    return None if len(shared) else "the two runs have no image in common"


def _measure(key: Key, both: Pair, shared: SharedImages) -> tuple[DetectionChange, ApChange | None]:
    """The detections of a variant on the images that both runs have, and its AP."""
    old, new = (side.results(key) for side in both)
    old, new = shared.number(shared.baseline, old), shared.number(shared.run, new)
    boxes = compare_boxes(old, new, len(shared))
    if not all(side.variants[key].resamples for side in both):
        return boxes, None
    ap = compare_ap(
        (both[0].rows[key].AP, both[1].rows[key].AP),
        (both[0].resamples(key), both[1].resamples(key)),
        (old, new),
        identical=not boxes.images_changed,
        obstacle=_obstacle(key, both, shared),
        settings=both[1].content.config["comparison"],
    )
    return boxes, ap


def _obstacle(key: Key, both: Pair, shared: SharedImages) -> str | None:
    """Why the resamples of two runs cannot be paired; null if they can."""
    if not shared.in_order:
        return "the images differ"
    truths = [{(truth.dataset, truth.model): truth.sha256 for truth in side.content.truths} for side in both]
    return None if truths[0].get(key[:2]) == truths[1].get(key[:2]) else "the ground truth differs"


def _latency(key: Key, both: Pair) -> LatencyChange:
    sides = []
    for side in both:
        rows, timing = side.samples(key[0], key[1])
        if key[2] not in timing.variants:
            raise UserError(f"{side.path}: samples/{key[0]}/{key[1]}.parquet does not have {key[2]}")
        flags = tuple(doubts(side.rows[key], OF_TIMES))
        sides.append(TimedSide(rows, timing, side.images(key[0]), flags))
    return compare_times(key[2], *sides)
