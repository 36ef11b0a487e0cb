"""What makes a reference a bad one: it is not the published model, or finds next to nothing."""

from collections.abc import Iterable

from cutpoint.compare.baseline import LEAST_AP, NO_DETECTION
from cutpoint.data.inspection import Inspection
from cutpoint.records.metrics import Metrics

# How far (fraction) the reference may lie from the published AP, which is rounded to 0.001: half of that,
# and what another machine's arithmetic and JPEG decoder move.
PUBLISHED_TOLERANCE = 0.0015


def is_baseline_off(reference: Metrics | None, published_ap: float | None) -> bool | None:
    """Whether the reference is not the published model; null where one of the two APs is not known."""
    if reference is None or reference.AP is None or published_ap is None:
        return None
    # the rounding of the subtraction shall not decide at the limit itself
    return abs(reference.AP - published_ap) > PUBLISHED_TOLERANCE + 1e-9


def weakness_of(
    metrics: Metrics | None, inspection: Inspection | None, compared: Iterable[str | None]
) -> str | None:
    """Why nothing can be lost to a reference, in words; null where something can.

    Args:
        metrics, inspection: the reference's own; null without ground truth, and where it is refused.
        compared: what each comparison with it says.
    """
    compared = list(compared)
    if compared:
        return next((text for text in compared if text), None)
    if inspection and not inspection.best:
        return NO_DETECTION
    ap = metrics.AP if metrics else None
    return f"AP {ap:.4f} is under {LEAST_AP}" if ap is not None and ap < LEAST_AP else None
