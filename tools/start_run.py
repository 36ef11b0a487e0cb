"""Start Snakemake, also after a fault: python tools/start_run.py --cores 4 [any option of Snakemake].

It clears the locks of a dead run of this machine, and refuses to start beside a living one. Results from the
future get today's time. `make` uses it.
"""

import argparse
import os
import sys
from pathlib import Path

from cutpoint.clock import bring_back
from cutpoint.errors import UserError
from cutpoint.faults import check_room
from cutpoint.runlock import clear

# Snakemake's own records of a run, with its log: it says a full disk as a traceback
RECORDS = 2**20


def main(arguments: list[str]) -> None:
    """Become Snakemake; its process keeps the lock."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--directory", "-d", type=Path, default=Path())
    folder = parser.parse_known_args(arguments)[0].directory
    try:
        check_room(str(folder), RECORDS)
        handle = clear(folder / ".snakemake")
        moved = bring_back([folder / "results", folder / "logs"])
    except UserError as error:
        sys.exit(f"cutpoint: {error}")
    if moved:
        print(
            f"cutpoint: {moved} results are from the future, for the clock was wrong; they get today's time"
        )
        sys.stdout.flush()
    os.set_inheritable(handle, True)
    os.execv(sys.executable, [sys.executable, "-m", "snakemake", *arguments])


if __name__ == "__main__":
    main(sys.argv[1:])
