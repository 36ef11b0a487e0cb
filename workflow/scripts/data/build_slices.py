"""Adapter for rule build_slices: unpack the Snakemake object, call the package, nothing else."""

from typing import TYPE_CHECKING

from cutpoint.logs import log_to

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

if __name__ == "__main__":
    with log_to(snakemake.log[0]):
        # Imported after the redirect, so that a missing library shows up in this job's log.
        from cutpoint.data.slices import build_slices
        from cutpoint.preflight.passed import check_passed

        check_passed(snakemake.input.preflight)
        build_slices(
            dataset=snakemake.wildcards.dataset,
            **snakemake.params.settings,
            manifest=snakemake.input.manifest,
            out=snakemake.output[0],
        )
