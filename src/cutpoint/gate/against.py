"""The gate's bounds on the difference to an earlier run's same variant."""

from cutpoint.records.gate import FAILED, INCONCLUSIVE, PASSED, SKIPPED, Check
from cutpoint.records.run_comparison import Change, LatencyChange, VariantChange

Result = tuple[float | None, str, str | None]


def judge_against(check: Check, change: VariantChange | None, has_latency: bool) -> Result:
    """Value, status and reason of a check whose column is in ``AGAINST_BASELINE``.

    Args:
        check: the check.
        change: how its variant differs from the baseline's; null if the baseline does not have it.
        has_latency: whether the variant is timed in this run.
    """
    if change is None:
        return None, INCONCLUSIVE, "the baseline does not have this variant"
    if check.column.startswith("baseline_latency"):
        return _judge_latency(check, change, has_latency)
    if check.column.startswith("baseline_delta_AP"):
        return _judge_ap(check, change)
    boxes = change.detections
    if boxes is None:
        return None, INCONCLUSIVE, change.not_compared
    if check.column == "baseline_agreement":
        if not boxes.baseline + boxes.run:
            return boxes.agreement, INCONCLUSIVE, "no detection on any image"
        return _decide(check, boxes.agreement, None)
    return _decide(check, boxes.images_changed, None)


def _judge_ap(check: Check, change: VariantChange) -> Result:
    ap = change.ap
    if ap is None:
        reason = change.not_compared
        return None, INCONCLUSIVE if reason else SKIPPED, reason or "no ground truth"
    if ap.delta_AP is None:
        return None, INCONCLUSIVE, f"not paired: {ap.not_paired}"
    if check.column == "baseline_delta_AP":
        return _decide(check, ap.delta_AP, _doubts(change))
    if ap.delta_AP_ci95 is None:
        return None, INCONCLUSIVE, "too few images for an interval"
    return _decide(check, ap.delta_AP_ci95[0], _doubts(change))


def _judge_latency(check: Check, change: VariantChange, has_latency: bool) -> Result:
    latency = change.latency
    if latency is None:
        if has_latency:
            return None, INCONCLUSIVE, "the baseline has no latency of this variant"
        return None, SKIPPED, "an external results file has no latency"
    value = latency.ratio
    if check.column.endswith("_hi"):
        if latency.ratio_ci95 is None:
            return None, INCONCLUSIVE, "a single round has no interval"
        value = latency.ratio_ci95[1]
    obstacle = _obstacle(latency)
    return (value, INCONCLUSIVE, obstacle) if obstacle else _decide(check, value, None)


def _obstacle(latency: LatencyChange) -> str | None:
    """Why the two times may not be compared; null if they may."""
    facts = [_text(fact) for fact in latency.facts]
    doubts = [f"baseline: {word}" for word in latency.doubts_baseline]
    return "; ".join([*facts, *doubts, *(f"this run: {word}" for word in latency.doubts_run)]) or None


def _text(fact: Change) -> str:
    return f"{fact.key} differs: {fact.baseline} -> {fact.run}"


def _doubts(change: VariantChange) -> str | None:
    """Flags of this run's detections that do not undo a value."""
    return "; ".join(change.doubts_run) or None


def _decide(check: Check, value: float, reason: str | None) -> Result:
    return value, PASSED if check.allows(value) else FAILED, reason
