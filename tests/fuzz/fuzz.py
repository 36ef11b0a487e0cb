"""Fuzz what reads files from users; counts go on over several calls: make fuzz MINUTES=20 TARGET=config."""

import argparse
import hashlib
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
FOLDER = Path(__file__).resolve().parent
ROOT = FOLDER.parents[1]
for place in (FOLDER, ROOT / "tests/unit", ROOT / "tests/bad_input", ROOT / "tools"):
    sys.path.insert(0, str(place))

from fuzz_table import TABLE, make_table  # noqa: E402
from targets import TARGETS, choose, prepare_folder  # noqa: E402
from worker import REFUSED, SOUND, run_inputs  # noqa: E402

EMPTY = {"inputs": 0, "sound": 0, "refused": 0, "failed": 0, "seconds": 0}
COUNTS, FAILURES = FOLDER / "counts.json", FOLDER / "failures"


def read_counts() -> dict[str, dict[str, Any]]:
    """The counts of each target so far."""
    found = json.loads(COUNTS.read_text()) if COUNTS.exists() else {}
    return {name: EMPTY | {"failures": {}} | found.get(name, {}) for name in TARGETS}


def fuzz(name: str, seconds: float, counts: dict[str, Any]) -> None:
    """Fuzz a target for a time, add to its counts, and keep the first input of each kind of failure."""
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place).resolve()
        prepare_folder(folder)
        seeds = TARGETS[name].seeds(folder)
        for outcome in run_inputs(name, folder, seeds, counts["inputs"], started + seconds):
            counts["inputs"] += 1
            if outcome.kind in (SOUND, REFUSED):
                counts[outcome.kind] += 1
                continue
            counts["failed"] += 1
            if outcome.kind not in counts["failures"]:
                raw = choose(TARGETS[name], seeds, outcome.number, name)
                counts["failures"][outcome.kind] = keep(name, raw)
                print(f"{name}: {outcome.kind} (input {outcome.number})\n{outcome.text}", flush=True)
    counts["seconds"] = round(counts["seconds"] + time.monotonic() - started)


def keep(name: str, raw: bytes) -> str:
    """Write an input that failed; a test runs it again. Its file."""
    path = FAILURES / name / hashlib.sha256(raw).hexdigest()[:12]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(raw)
    return path.name


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=1, help="for each target")
    parser.add_argument("--target", choices=["all", *TARGETS], default="all")
    parser.add_argument("--anew", action="store_true", help="count from the first input again")
    options = parser.parse_args()
    counts = read_counts()
    failed = False
    for name in TARGETS if options.target == "all" else [options.target]:
        if options.anew:
            counts[name] |= EMPTY | {"failures": {}}
        before = counts[name]["failed"]
        fuzz(name, 60 * options.minutes, counts[name])
        COUNTS.write_text(json.dumps(counts, indent=1) + "\n")
        TABLE.write_text(make_table())
        now = counts[name]
        print(f"{name}: " + ", ".join(f"{now[key]} {key}" for key in ("inputs", SOUND, REFUSED, "failed")))
        failed |= now["failed"] > before
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
