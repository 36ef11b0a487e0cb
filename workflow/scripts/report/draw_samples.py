"""Adapter for rule draw_samples: unpack the Snakemake object, call the package, nothing else."""

from typing import TYPE_CHECKING

from cutpoint.logs import log_to

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

if __name__ == "__main__":
    with log_to(snakemake.log[0]):
        # Imported after the redirect, so that a missing library shows up in this job's log.
        from cutpoint.report.samples import draw_samples

        draw_samples(
            manifest=snakemake.input.manifest,
            truth=snakemake.input.get("truth"),
            labels=snakemake.input.labels,
            slices=snakemake.input.get("slices"),
            **snakemake.params.settings,
            out_dir=snakemake.output[0],
        )
