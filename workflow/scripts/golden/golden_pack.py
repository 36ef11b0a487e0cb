"""Adapter for rule golden_pack: unpack the Snakemake object, call the package, nothing else."""

from typing import TYPE_CHECKING

from cutpoint.gpu_lease import log_on_gpu

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

if __name__ == "__main__":
    with log_on_gpu(snakemake.log[0], snakemake.resources.gpu):
        # Imported after the redirect, so that a missing library shows up in this job's log.
        from cutpoint.golden.pack import write_pack
        from cutpoint.preflight.passed import check_passed

        check_passed(snakemake.input.preflight)
        files = ("onnx", "manifest", "labels", "detections")
        write_pack(
            **{name: snakemake.wildcards[name] for name in ("dataset", "model", "variant")},
            **{name: snakemake.input[name] for name in files},
            threads=snakemake.threads,
            **snakemake.params.settings,
            out=snakemake.output[0],
        )
