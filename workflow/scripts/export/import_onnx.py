"""Adapter for rule import_onnx: unpack the Snakemake object, call the package, nothing else."""

from typing import TYPE_CHECKING

from cutpoint.logs import log_to

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

if __name__ == "__main__":
    with log_to(snakemake.log[0]):
        # Imported after the redirect, so that a missing library shows up in this job's log.
        from cutpoint.export.external import import_onnx
        from cutpoint.preflight.passed import check_passed

        check_passed(snakemake.input.preflight)
        import_onnx(
            onnx=snakemake.input.onnx,
            spec=snakemake.input.spec,
            **snakemake.params.settings,
            out=snakemake.output[0],
        )
