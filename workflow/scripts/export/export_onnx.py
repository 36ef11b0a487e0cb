"""Adapter for rule export_onnx: unpack the Snakemake object, call the package, nothing else."""

from typing import TYPE_CHECKING

from cutpoint.logs import log_to

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

if __name__ == "__main__":
    with log_to(snakemake.log[0]):
        # Imported after the redirect, so that a missing library shows up in this job's log.
        from cutpoint.preflight.passed import check_passed

        check_passed(snakemake.input.preflight)
        if snakemake.wildcards.export.startswith("e2e-"):
            from cutpoint.export.e2e import write_e2e as write
        else:
            from cutpoint.export.cut import write_cut as write

        write(
            trace=snakemake.input.trace,
            spec=snakemake.input.spec,
            **snakemake.params.settings,
            out=snakemake.output[0],
        )
