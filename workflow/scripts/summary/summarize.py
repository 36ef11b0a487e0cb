"""Adapter for rule summarize: unpack the Snakemake object, call the package, nothing else."""

from typing import TYPE_CHECKING

from cutpoint.logs import log_to

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

if __name__ == "__main__":
    with log_to(snakemake.log[0]):
        # Imported after the redirect, so that a missing library shows up in this job's log.
        from cutpoint.summary.build import summarize

        summarize(
            **snakemake.params.settings,
            out_csv=snakemake.output.csv,
            out_md=snakemake.output.md,
            out_per_class=snakemake.output.per_class,
            out_recommendations=snakemake.output.recommendations,
            out_per_slice=snakemake.output.per_slice,
        )
