"""Adapter for rule score_detector: unpack the Snakemake object, call the package, nothing else."""

from typing import TYPE_CHECKING

from cutpoint.logs import log_to

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

if __name__ == "__main__":
    with log_to(snakemake.log[0]):
        # Imported after the redirect, so that a missing library shows up in this job's log.
        from cutpoint.detector.score import score_detector

        score_detector(
            config=snakemake.input.config,
            checkpoint=snakemake.input.checkpoint,
            images=snakemake.input.images,
            annotations=snakemake.input.annotations,
            out=snakemake.output.metrics,
        )
