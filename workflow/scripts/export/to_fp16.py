"""Adapter for rule to_fp16: unpack the Snakemake object, call the package, nothing else."""

from typing import TYPE_CHECKING

from cutpoint.logs import log_to

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

if __name__ == "__main__":
    with log_to(snakemake.log[0]):
        # Imported after the redirect, so that a missing library shows up in this job's log.
        from cutpoint.export.precision import to_fp16
        from cutpoint.preflight.passed import check_passed

        check_passed(snakemake.input.preflight)
        to_fp16(
            trace=snakemake.input.trace,
            spec=snakemake.input.spec,
            manifest=snakemake.input.manifest,
            out=snakemake.output.trace,
            report=snakemake.output.report,
        )
