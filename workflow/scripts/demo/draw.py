"""Adapter for rules draw_*: unpack the Snakemake object, call the package, nothing else."""

from typing import TYPE_CHECKING

from cutpoint.logs import log_to

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

if __name__ == "__main__":
    with log_to(snakemake.log[0]):
        # Imported after the redirect, so that a missing library shows up in this job's log.
        from cutpoint.demo.dataset import write_dataset

        write_dataset(
            seed=snakemake.params.seed,
            images=snakemake.output.images,
            annotations=snakemake.output.get("annotations"),
            slices=snakemake.output.slices,
            **snakemake.params.scenes,
        )
