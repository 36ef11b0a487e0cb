"""Adapter for rule draw_samples: unpack the Snakemake object, call the package, nothing else."""

from typing import TYPE_CHECKING

from cutpoint.logs import log_to

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

if __name__ == "__main__":
    with log_to(snakemake.log[0]):
        # Imported after the redirect, so that a missing library shows up in this job's log.
        from cutpoint.records.labels import read_labels
        from cutpoint.report.samples import draw_samples

        draw_samples(
            manifest=snakemake.input.manifest,
            truth=snakemake.input.get("truth"),
            reference_detections=snakemake.input.reference,
            variant_detections=snakemake.input.variant,
            autopsy=snakemake.input.autopsy,
            reference_name=snakemake.params.settings["reference"],
            variant_name=snakemake.wildcards.variant,
            classes=list(read_labels(snakemake.input.labels).classes),
            count=snakemake.params.settings["images"],
            score_thr=snakemake.params.settings["score_thr"],
            out_dir=snakemake.output[0],
        )
