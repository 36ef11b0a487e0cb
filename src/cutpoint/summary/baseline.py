"""Find a bad reference: it is not the published model, or it finds almost nothing."""

from collections.abc import Iterable

from cutpoint.compare.baseline import LEAST_AP, NO_DETECTION
from cutpoint.data.inspection import Inspection
from cutpoint.records.metrics import Metrics

# The reference may differ this much (fraction) from the published AP: half of its rounding to 0.001, and the
# effect of another machine's arithmetic and JPEG decoder.
PUBLISHED_TOLERANCE = 0.0015


def is_baseline_off(reference: Metrics | None, published_ap: float | None) -> bool | None:
    """Whether the reference is not the published model; null if one of the two APs is unknown."""
    if reference is None or reference.AP is None or published_ap is None:
        return None
    # at the limit itself, the rounding of the subtraction must not decide
    return abs(reference.AP - published_ap) > PUBLISHED_TOLERANCE + 1e-9


def weakness_of(
    metrics: Metrics | None, inspection: Inspection | None, compared: Iterable[str | None]
) -> str | None:
    """Why a reference is weak, in words; null if it is not.

    Args:
        metrics, inspection: the reference's own; null without ground truth, and if it is refused.
        compared: the weakness in each comparison with it, or null.
    """
    compared = list(compared)
    if compared:
        return next((text for text in compared if text), None)
    if inspection and not inspection.best:
        return NO_DETECTION
    ap = metrics.AP if metrics else None
    return f"AP {ap:.4f} is under {LEAST_AP}" if ap is not None and ap < LEAST_AP else None
