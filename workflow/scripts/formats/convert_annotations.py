"""Adapter for rule convert_annotations: unpack the Snakemake object, call the package, nothing else."""

from typing import TYPE_CHECKING

from cutpoint.logs import log_to

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

if __name__ == "__main__":
    with log_to(snakemake.log[0]):
        # Imported after the redirect, so that a missing library shows up in this job's log.
        from cutpoint.formats.convert import convert_annotations

        convert_annotations(
            dataset=snakemake.wildcards.dataset,
            **snakemake.params.settings,
            out=snakemake.output.annotations,
            record=snakemake.output.record,
        )
