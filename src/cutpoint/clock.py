"""Files from the future: a clock that is set back leaves results that are newer than all that follow."""

import os
import time
from collections.abc import Iterable
from pathlib import Path

# Between the new times, if there is room; most file systems keep much less.
STEP_NS = 1_000_000


def bring_back(folders: Iterable[str | Path]) -> int:
    """Give files that were modified in the future a time just before now; their order stays.

    The order tells what is out of date, so each file keeps its place: later than all files of the past, and
    among the others as before. Files of the same time get the same time again.

    Args:
        folders: all of one run; Snakemake counts benchmarks among results. A missing one has no files.

    Returns:
        The number of files.
    """
    now = time.time_ns()
    everything = (path for folder in folders for path in Path(folder).rglob("*"))
    paths = [path for path in everything if path.is_file() and not path.is_symlink()]
    times = {path: path.stat().st_mtime_ns for path in paths}
    future = {path: stamp for path, stamp in times.items() if stamp > now}
    ranks = {stamp: rank for rank, stamp in enumerate(sorted(set(future.values()), reverse=True))}
    past = max((stamp for stamp in times.values() if stamp <= now), default=0)
    step = min(STEP_NS, (now - past) // (len(ranks) + 1))
    for path, stamp in future.items():
        new = now - ranks[stamp] * step
        os.utime(path, ns=(new, new))
    return len(future)
