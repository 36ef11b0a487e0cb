"""What a plan gives to the stages: resolved cells and paths. It has no imports, so that plans are quick."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class PlannedRow:
    """What a plan knows about a variant: resolved cells, and paths of files (null: unknown, or it has none).

    ``shape``: ``dynamic``, or height and width in pixels. ``layout``: how an external
    ONNX file without an mmdet model is read. ``published_ap``: a fraction. ``remarks``: notes
    that are known before. ``latency_samples``: of all variants that are timed with it. The reference is the
    row without a comparison.
    """

    dataset: str
    model: str
    variant: str
    runtime: str | None = None
    cut: str | None = None
    precision: str | None = None
    provider: str | None = None
    input: str | None = None
    recipe: str | None = None
    shape: str | tuple[int, int] | None = None
    batch: int | None = None
    tf32: str | None = None
    layout: str | None = None
    manifest: str
    detections: str
    truth: str | None = None
    metrics: str | None = None
    slices: str | None = None
    odd: str | None = None
    slice_samples: str | None = None
    latency: str | None = None
    latency_samples: str | None = None
    comparison: str | None = None
    verify: str | None = None
    onnx: str | None = None
    precision_report: str | None = None
    published_ap: float | None = None
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True)
class PlannedAlone:
    """A variant that differs from the reference in only one thing, and its comparison with it."""

    variant: str
    comparison: str


@dataclass(frozen=True)
class PlannedRung:
    """A rung of the config, and its files.

    ``changes``: what differs from the rung before, in words. ``spec``: the specification that ``recipe`` is
    for. ``recipe``: as ``bases.steps_of`` takes it, null if unknown. ``metrics`` and ``samples`` (npz of
    ``bootstrap.sample_ap``) are null without annotations, ``comparison`` is null for the reference,
    ``verify`` for PyTorch. ``alone``: the variant that differs from the reference only in this step's change,
    or null.
    """

    variant: str
    changes: tuple[str, ...]
    spec: str | None
    recipe: str | dict[str, Any] | None
    detections: str
    metrics: str | None
    samples: str | None
    comparison: str | None
    latency: str
    verify: str | None
    alone: PlannedAlone | None
