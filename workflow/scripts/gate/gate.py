"""Adapter for rule gate: unpack the Snakemake object, call the package, nothing else."""

import sys
from typing import TYPE_CHECKING

from cutpoint.logs import log_to

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

if __name__ == "__main__":
    with log_to(snakemake.log[0]):
        # Imported after the redirect, so that a missing library shows up in this job's log.
        from cutpoint.gate.check import show_gate

    # Past the log, which Snakemake prints again where a job fails: the table stands once.
    sys.exit(show_gate(snakemake.input[0]))
