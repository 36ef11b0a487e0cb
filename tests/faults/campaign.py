"""Random faults on a small project: python tests/faults/campaign.py --minutes 20 (or: make faults).

It goes on where the last call ended, and keeps its counts in counts.json beside it. Every round has a seed of
its own, the number of the round. docs/faults.md is written from the counts.
"""

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from fault_kinds import DISK, FILE_LIMIT, KILLS, MACHINE, READ_ONLY, Missed, Run, limit_files
from fault_project import ROOT, STARTS, find_differences, make_reference, processes, restore
from fault_table import COLUMNS, describe

WORK = ROOT / "build/faults"
COUNTS = Path(__file__).parent / "counts.json"
PAGE = ROOT / "docs/faults.md"
KINDS = {
    **dict.fromkeys(KILLS, "kill"),
    **dict.fromkeys(MACHINE, "machine"),
    **dict.fromkeys((DISK, FILE_LIMIT, READ_ONLY), "disk"),
}
# a run from the first two takes minutes
WEIGHTS = dict.fromkeys(STARTS, 3) | {"data": 1, "detector": 1}
# after Snakemake's end
OUTLIVED_S = 3
# faults on one run, one after the other
MOST_FAULTS = 12
# a fault comes within so many seconds
PAUSE_S = 10
ROOM_KIB = 2**20


@dataclass
class Case:
    """A fault and what came of it: names of columns."""

    fault: str
    stage: str
    problems: set[str] = field(default_factory=set)


class Round:
    """Faults on one run, until it has finished."""

    def __init__(self, seed: int, work: Path, kinds: list[str], starts: list[str]) -> None:
        self.dice = random.Random(seed)
        self.cases: list[Case] = []
        self.notes: list[str] = []
        self._kinds, self._starts = kinds, starts
        self._reference, self._folder = work / "reference", work / "run"
        self._output = work / f"output-{seed}.txt"

    def run(self) -> None:
        """Restore the project, let faults happen, finish, compare."""
        first = self.dice.choice(self._kinds)
        (start,) = self.dice.choices(self._starts, [WEIGHTS[name] for name in self._starts])
        start = "latency" if "worker" in first else start
        with mounted(self._folder):
            restore(self._reference, self._folder, start)
            print(f"from {start}:", flush=True)
            self._happen(first)
            while len(self.cases) < MOST_FAULTS and self.dice.random() < 0.9:
                if not self._happen(self.dice.choice([kind for kind in self._kinds if "worker" not in kind])):
                    break
            code = self._start().wait()
            if code:
                self._note("lost", f"the last command ended with {code}")
            for difference in find_differences(self._reference, self._folder):
                self._note("lost" if difference.startswith("missing") else "wrong", difference)

    def _start(self, **settings: Any) -> Run:
        return Run(self._folder, self._output, self.dice, **settings)

    def _happen(self, fault: str) -> bool:
        """Start the command and let a fault happen to it; false if the run ended before."""
        began = time.monotonic()
        with disturbed(fault, self._folder, self.dice) as limit:
            run = self._start(limit=limit)
            try:
                case = Case(fault, self._act(fault, run))
            except Missed:
                case = None
            try:
                code = run.wait()
            except subprocess.TimeoutExpired:
                code = None
                run.process.kill()
        if case is None:
            return self._judge_missed(fault, run, code)
        self.cases.append(case)
        self._judge_end(case, run, code)
        print(
            f"  {fault}, {case.stage}, {time.monotonic() - began:.0f} s: {case.problems or 'ok'}", flush=True
        )
        return True

    def _act(self, fault: str, run: Run) -> str:
        if fault in KILLS or fault in MACHINE:
            if "worker" not in fault:
                run.pause(PAUSE_S)
            return {**KILLS, **MACHINE}[fault](run)
        if fault == READ_ONLY:
            run.pause(PAUSE_S)
            stage = run.stage()
            run.until(lambda: remount(self._folder / "results", "ro,bind"))
            return stage
        # the disk is full at a moment of its own: the stage is that of the last job before the end
        stage = "between jobs"
        while run.process.poll() is None:
            stage = run.stage() if run.jobs() else stage
            time.sleep(0.2)
        return stage

    def _judge_missed(self, fault: str, run: Run, code: int | None) -> bool:
        if code:
            # no fault happened, and it failed: those before have left what the command does not get over
            for case in self.cases:
                case.problems.add("more")
            self.notes.append(f"before {fault}: exit code {code}\n{run.text[-3000:]}")
        return False

    def _judge_end(self, case: Case, run: Run, code: int | None) -> None:
        if code is None:
            case.problems.add("lost")
            self.notes.append(f"{case.fault}: hangs")
        end = time.monotonic() + OUTLIVED_S
        while (left := processes(self._folder)) and time.monotonic() < end:
            time.sleep(0.1)
        if left:
            case.problems.add("outlived")
            self.notes.append(f"{case.fault}: outlived by {[process.cmdline() for process in left]}")
            for process in left:
                process.kill()
        if KINDS[case.fault] != "kill" and "Traceback" in run.text:
            case.problems.add("traceback")
            self.notes.append(f"{case.fault}: traceback\n{run.text[-3000:]}")

    def _note(self, problem: str, text: str) -> None:
        self.notes.append(f"{text}\n{self._output.read_text(errors='replace')[-3000:]}")
        for case in self.cases:
            case.problems.add(problem)


@contextmanager
def mounted(folder: Path) -> Iterator[None]:
    """An empty folder; a disk of its own where this user may mount one."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    if may_mount():
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={ROOM_KIB}k", "tmpfs", folder], check=True)
    try:
        yield
    finally:
        for process in processes(folder):
            process.kill()
            process.wait()
        if may_mount():
            # lazily: what looks at all processes may look into the folder just now
            subprocess.run(["umount", "--recursive", "--lazy", folder], check=True)


@contextmanager
def disturbed(fault: str, folder: Path, dice: random.Random) -> Iterator[Any]:
    """What surrounds a run; yields its limits."""
    if fault == FILE_LIMIT:
        yield limit_files(dice)
    elif fault == DISK:
        used = shutil.disk_usage(folder).used // 1024
        # with less than a MiB nothing starts
        remount(folder, f"size={used + int(2 ** dice.uniform(10.2, 14))}k")
        yield None
        remount(folder, f"size={ROOM_KIB}k")
    elif fault == READ_ONLY:
        results = folder / "results"
        subprocess.run(["mount", "--bind", results, results], check=True)
        try:
            yield None
        finally:
            subprocess.run(["umount", results], check=True)
    else:
        yield None


@cache
def may_mount() -> bool:
    """Whether this user can mount a file system here: the superuser, but not in every container."""
    return os.geteuid() == 0 and subprocess.run(["unshare", "--mount", "true"]).returncode == 0


def remount(folder: Path, options: str) -> bool:
    """Change a mount; false while a file is open for writing."""
    command = ["mount", "-o", f"remount,{options}", folder]
    return subprocess.run(command, stderr=subprocess.DEVNULL).returncode == 0


def add(counts: dict[str, Any], cases: list[Case]) -> None:
    """Count the cases of a round."""
    rows = {(row["fault"], row["stage"]): row for row in counts["rows"]}
    for case in cases:
        empty = {"fault": case.fault, "stage": case.stage, **dict.fromkeys(COLUMNS, 0)}
        row = rows.setdefault((case.fault, case.stage), empty)
        row["cases"] += 1
        for problem in case.problems:
            row[problem] += 1
    counts["rows"] = [rows[key] for key in sorted(rows)]
    counts["kinds"] = KINDS


def main() -> None:
    """Rounds until the time is over; exit code 1 if a case had a problem."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--only", default="", help="only kinds of faults with this text in their names")
    parser.add_argument(
        "--starts",
        nargs="+",
        choices=STARTS,
        default=list(STARTS),
        help="where runs start; late is short",
    )
    parser.add_argument("--work", type=Path, default=WORK, help="folder of the project")
    arguments = parser.parse_args()
    kinds = [kind for kind in KINDS if arguments.only in kind]
    if not may_mount():
        left = [kind for kind in kinds if kind in (DISK, READ_ONLY)]
        print(f"not tried, because this user may not mount a file system: {', '.join(left) or 'none'}")
        kinds = [kind for kind in kinds if kind not in left]
    # an ended campaign leaves its mounts
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    counts = json.loads(COUNTS.read_text()) if COUNTS.is_file() else {"rounds": 0, "rows": [], "kinds": KINDS}
    end, failed = time.monotonic() + 60 * arguments.minutes, False
    make_reference(arguments.work / "reference")
    while time.monotonic() < end:
        counts["rounds"] += 1
        one = Round(counts["rounds"], arguments.work, kinds, arguments.starts)
        one.run()
        for note in one.notes:
            print(note)
        failed |= any(case.problems for case in one.cases)
        add(counts, one.cases)
        COUNTS.write_text(json.dumps(counts, indent=1) + "\n")
        PAGE.write_text(describe(counts))
    sys.exit(failed)


if __name__ == "__main__":
    main()
