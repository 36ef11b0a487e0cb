"""Adapter for rule merge_detections: unpack the Snakemake object, call the package, nothing else."""

from typing import TYPE_CHECKING

from cutpoint.logs import log_to

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

if __name__ == "__main__":
    with log_to(snakemake.log[0]):
        # Imported after the redirect, so that a missing library shows up in this job's log.
        from cutpoint.predict.merge import merge_detections

        merge_detections(parts=list(snakemake.input), out=snakemake.output[0])
