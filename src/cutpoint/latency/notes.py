"""Reasons why times are doubtful, in words for people."""

from collections.abc import Iterable

from cutpoint.records.timing import Timed, Watched

# the NMS of mmdet ran in Python
UNCOMPILED = "without compiled NMS"
# Above this, the work of other processes is a disturbance (cores, on average over the measured time).
FOREIGN_CORES = 0.5


def time_notes(timed: Timed, watch: Watched) -> list[str]:
    """All notes on the times of a variant."""
    notes = [UNCOMPILED] if timed.without_compiled_nms else []
    notes += [unsteady(timed.unsteady)] if timed.unsteady else []
    return notes + disturbances(timed.load.foreign_cores, watch.throttled)


def unsteady(shapes: Iterable[str]) -> str:
    """Name the input shapes (``HxW``) whose times did not become stable."""
    return f"warm-up not steady at {', '.join(shapes)}"


def disturbances(foreign_cores: float, throttled: Iterable[str]) -> list[str]:
    """Name what disturbed the times; empty if they were not disturbed.

    Args:
        foreign_cores: cores that other processes kept busy, on average.
        throttled: why GPUs lowered their clocks.
    """
    notes = [busy(f"{foreign_cores:.1f}")] if foreign_cores > FOREIGN_CORES else []
    reasons = ", ".join(throttled)
    return notes + ([f"disturbed (GPU: {reasons})"] if reasons else [])


def busy(cores: str) -> str:
    """Say how many cores other processes kept busy."""
    return f"disturbed (other processes kept {cores} cores busy)"
