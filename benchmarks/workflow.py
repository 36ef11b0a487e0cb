"""The workflow itself: a full run of the demo, one where nothing is to be done, one changed threshold.

Run: ``python benchmarks/workflow.py``
"""

import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench import write_results

ROOT = Path(__file__).parents[1]
PARTS = ("Snakefile", "workflow", "src", "config", "profiles", "data")
SESSIONS = {"predict", "predict_pytorch", "verify_export", "trace_model", "export_onnx", "time_variants"}
NOTES = """
`snakemake --cores all` on the demo, in a copy of the project. The floor is a Python process that imports
Snakemake and ends. `jobs` is the number of jobs that ran. After a changed threshold no job opens a session.
"""


def call(*command: str, folder: Path) -> tuple[float, str]:
    """Run a command; seconds and what it printed."""
    began = time.perf_counter()
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    seconds = time.perf_counter() - began
    text = done.stdout + done.stderr
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{text[-3000:]}")
    return seconds, text


def jobs(text: str) -> dict[str, int]:
    """Number of jobs of each rule, from Snakemake's table."""
    table = re.search(r"^job +count\n[- ]+\n(.*?)\ntotal ", text, re.M | re.S)
    return {line.split()[0]: int(line.split()[1]) for line in table[1].splitlines()} if table else {}


def main() -> None:
    """Measure and write the table."""
    snakemake = (sys.executable, "-m", "snakemake", "--cores", "all")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "project"
        folder.mkdir()
        for part in PARTS:
            copy = shutil.copytree if (ROOT / part).is_dir() else shutil.copy2
            copy(ROOT / part, folder / part)
        floor = statistics.median(
            call(sys.executable, "-c", "import snakemake.cli", folder=folder)[0] for _ in range(5)
        )
        rows = []

        def add(run: str, seconds: float, ran: int) -> None:
            rows.append({"run": run, "seconds": seconds, "jobs": ran, "of the floor": seconds / floor})

        full, text = call(*snakemake, folder=folder)
        add("full", full, sum(jobs(text).values()))
        idle = []
        for _ in range(5):
            seconds, text = call(*snakemake, folder=folder)
            assert "Nothing to be done" in text, text
            idle.append(seconds)
        add("nothing to be done", statistics.median(idle), 0)
        config = folder / "config/config.yaml"
        old, new = "score_thr: 0.3}", "score_thr: 0.4}"
        assert config.read_text().count(old) == 1
        config.write_text(config.read_text().replace(old, new))
        seconds, text = call(*snakemake, folder=folder)
        opened = SESSIONS & set(jobs(text))
        assert jobs(text)["postprocess"] >= 1, text
        assert not opened, f"a changed threshold ran {opened}"
        add("one threshold changed", seconds, sum(jobs(text).values()))
        add("floor: import snakemake", floor, 0)
    write_results("workflow", rows, NOTES)


if __name__ == "__main__":
    main()
