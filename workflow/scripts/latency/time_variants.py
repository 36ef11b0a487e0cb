"""Adapter for rule time_variants: unpack the Snakemake object, call the package, nothing else."""

from typing import TYPE_CHECKING

from cutpoint.gpu_lease import log_on_gpu

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

if __name__ == "__main__":
    with log_on_gpu(snakemake.log[0], snakemake.resources.gpu, alone=True):
        # Imported after the redirect, so that a missing library shows up in this job's log.
        from cutpoint.latency.coordinator import time_variants
        from cutpoint.preflight.passed import check_passed

        check_passed(snakemake.input.preflight)
        time_variants(
            jobs=snakemake.params.jobs,
            recipes=vars(snakemake.params.recipes),
            manifest=snakemake.input.manifest,
            **snakemake.params.settings,
            out=snakemake.output[0],
        )
