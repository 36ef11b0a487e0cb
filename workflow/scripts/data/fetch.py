"""Adapter for rule fetch: unpack the Snakemake object, call the package, nothing else."""

from typing import TYPE_CHECKING

from cutpoint.logs import log_to

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

if __name__ == "__main__":
    with log_to(snakemake.log[0]):
        # Imported after the redirect, so that a missing library shows up in this job's log.
        from cutpoint.data.fetch import fetch

        fetch(
            **snakemake.params.settings,
            **vars(snakemake.params.places),
            out=snakemake.output[0],
        )
