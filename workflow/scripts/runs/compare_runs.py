"""Adapter for rule compare_runs: unpack the Snakemake object, call the package, nothing else."""

from typing import TYPE_CHECKING

from cutpoint.logs import log_to

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

if __name__ == "__main__":
    with log_to(snakemake.log[0]):
        # Imported after the redirect, so that a missing library shows up in this job's log.
        from cutpoint.runs.words import show_run_comparison

    # Past the log: the text is for the terminal.
    show_run_comparison(snakemake.input.json, snakemake.input.page)
