"""Run the workflow so that each job says what it took."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parents[1]
POLL_S = 1.0


def run_workflow(
    work: Path,
    measured: Path,
    *arguments: str,
    cores: int = 1,
    log: Path | None = None,
    watch: Callable[[float], None] = lambda seconds: None,
) -> dict[str, float] | None:
    """Call Snakemake.

    Args:
        work: working directory, with ``config.json``.
        measured: folder of what each job took, see ``rule_clock``.
        arguments: more of the command.
        cores: as ``--cores``.
        log: where the output goes; null: to the console.
        watch: called about every second with the seconds since the start.

    Returns:
        ``wall_s``, ``cpu_s`` and ``peak_mib`` of Snakemake's own process; null if it failed.
    """
    measured.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile")]
    # what follows --configfile would be another one
    command += ["--configfile", str(work / "config.json"), "--cores", str(cores), "--directory", str(work)]
    path = [str(ROOT / "benchmarks/rule_clock"), str(ROOT / "src"), os.environ.get("PYTHONPATH", "")]
    joined = os.pathsep.join(filter(None, path))
    variables = {**os.environ, "CUTPOINT_MEASURED": str(measured), "PYTHONPATH": joined}
    began = time.perf_counter()
    with open(log or os.devnull, "ab") as file:
        output = file if log else None
        process = subprocess.Popen([*command, *arguments], env=variables, stdout=output, stderr=output)
        while True:
            done, status, used = os.wait4(process.pid, os.WNOHANG)
            watch(time.perf_counter() - began)
            if done:
                break
            time.sleep(POLL_S)
    if status:
        return None
    seconds = time.perf_counter() - began
    return {"wall_s": seconds, "cpu_s": used.ru_utime + used.ru_stime, "peak_mib": used.ru_maxrss / 1024}


def read_jobs(measured: Path) -> dict[str, list[dict[str, float]]]:
    """What the jobs of each rule took: ``wall_s``, ``cpu_s``, ``peak_mib``."""
    rules: dict[str, list[dict[str, float]]] = {}
    for path in sorted(measured.glob("*.json")):
        found = json.loads(path.read_text())
        rules.setdefault(found.pop("rule"), []).append(found)
    return rules
