"""Adapter for rule show_oddities: unpack the Snakemake object, call the package, nothing else."""

from typing import TYPE_CHECKING

from cutpoint.logs import log_to

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

if __name__ == "__main__":
    with log_to(snakemake.log[0]):
        # Imported after the redirect, so that a missing library shows up in this job's log.
        from cutpoint.report.oddities import show_oddities

        show_oddities(
            dataset=snakemake.wildcards.dataset,
            **snakemake.params.settings,
            out_dir=snakemake.output[0],
        )
