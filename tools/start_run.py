"""Start Snakemake, also after a fault: python tools/start_run.py --cores 4 [any option of Snakemake].

It clears the locks of a dead run of this machine and refuses to start beside a living one. `make` uses it.
"""

import argparse
import os
import sys
from pathlib import Path

from cutpoint.errors import UserError
from cutpoint.runlock import clear


def main(arguments: list[str]) -> None:
    """Become Snakemake; its process keeps the lock."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--directory", "-d", type=Path, default=Path())
    folder = parser.parse_known_args(arguments)[0].directory / ".snakemake"
    try:
        handle = clear(folder)
    except UserError as error:
        sys.exit(f"cutpoint: {error}")
    os.set_inheritable(handle, True)
    os.execv(sys.executable, [sys.executable, "-m", "snakemake", *arguments])


if __name__ == "__main__":
    main(sys.argv[1:])
