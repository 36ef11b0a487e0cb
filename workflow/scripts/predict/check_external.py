"""Adapter for rule check_external: unpack the Snakemake object, call the package, nothing else."""

from typing import TYPE_CHECKING

from cutpoint.logs import log_to

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

if __name__ == "__main__":
    with log_to(snakemake.log[0]):
        # Imported after the redirect, so that a missing library shows up in this job's log.
        from cutpoint.predict.check_external import check_external
        from cutpoint.preflight.passed import check_passed

        check_passed(snakemake.input.preflight)
        check_external(
            export=snakemake.input.export,
            spec=snakemake.input.spec,
            manifest=snakemake.input.manifest,
            **snakemake.params.settings,
            out=snakemake.output[0],
        )
