"""Measures the jobs of a run: Python imports this module by itself where its folder is on PYTHONPATH.

The process of a job writes, when it ends, what it took into the folder that ``CUTPOINT_MEASURED`` names.
Snakemake's own ``benchmark:`` looks at a process every few seconds, and so misses short jobs and short peaks.
"""

import atexit
import json
import os
import re
import resource
import sys
import time
from pathlib import Path

BEGAN = time.perf_counter()


def peak_mib() -> float:
    """The largest memory of this process and of its largest child."""
    # not ru_maxrss: it also counts what the process that started this one had
    own = re.search(r"VmHWM:\s*(\d+) kB", Path("/proc/self/status").read_text())
    children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    return max(int(own[1]) if own else 0, children) / 1024


def write(folder: str) -> None:
    """Write what the job took; nothing in a process that is no job."""
    job = getattr(sys.modules.get("__main__"), "snakemake", None)
    if job is None or not hasattr(job, "rule"):
        return
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    name = ".".join([job.rule, *map(str, job.wildcards)]).replace("/", "_")
    found = {
        "rule": job.rule,
        "wall_s": time.perf_counter() - BEGAN,
        "cpu_s": sum(part.ru_utime + part.ru_stime for part in used),
        "peak_mib": peak_mib(),
    }
    Path(folder, f"{name}.json").write_text(json.dumps(found))


if folder := os.environ.get("CUTPOINT_MEASURED"):
    atexit.register(write, folder)
