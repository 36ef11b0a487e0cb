"""Adapter for rule inspect_external: unpack the Snakemake object, call the package, nothing else."""

from typing import TYPE_CHECKING

from cutpoint.logs import log_to

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

if __name__ == "__main__":
    with log_to(snakemake.log[0]):
        # Imported after the redirect, so that a missing library shows up in this job's log.
        from cutpoint.preflight.models import inspect_external

        inspect_external(
            model=snakemake.wildcards.model,
            **snakemake.params.settings,
            datasets=snakemake.input.datasets,
            out=snakemake.output[0],
        )
