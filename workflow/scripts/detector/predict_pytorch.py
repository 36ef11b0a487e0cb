"""Adapter for rule predict_pytorch: unpack the Snakemake object, call the package, nothing else."""

from typing import TYPE_CHECKING

from cutpoint.gpu_lease import log_on_gpu

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

if __name__ == "__main__":
    with log_on_gpu(snakemake.log[0], snakemake.resources.gpu):
        # Imported after the redirect, so that a missing library shows up in this job's log.
        from cutpoint.detector.imports import import_modules
        from cutpoint.detector.reference import predict_pytorch
        from cutpoint.preflight.passed import check_passed

        check_passed(snakemake.input.preflight)
        data = {key: snakemake.input[key] for key in ("spec", "manifest")}
        import_modules(snakemake.params.imports)
        predict_pytorch(
            **data,
            threads=snakemake.threads,
            shard=int(snakemake.wildcards.shard),
            **snakemake.params.settings,
            out=snakemake.output.predictions,
            out_images=snakemake.output.images,
        )
