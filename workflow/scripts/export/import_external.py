"""Adapter for rule import_external: unpack the Snakemake object, call the package, nothing else."""

from typing import TYPE_CHECKING

from cutpoint.logs import log_to

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

if __name__ == "__main__":
    with log_to(snakemake.log[0]):
        # Imported after the redirect, so that a missing library shows up in this job's log.
        from cutpoint.export.import_external import import_external
        from cutpoint.preflight.passed import check_passed

        check_passed(snakemake.input.preflight)
        import_external(
            model=snakemake.wildcards.model,
            onnx=snakemake.input.onnx,
            classes=snakemake.input.classes,
            **snakemake.params.settings,
            out=snakemake.output.onnx,
            out_spec=snakemake.output.spec,
        )
