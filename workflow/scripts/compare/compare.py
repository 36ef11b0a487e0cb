"""Adapter for rule compare: unpack the Snakemake object, call the package, nothing else."""

from typing import TYPE_CHECKING

from cutpoint.logs import log_to

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

if __name__ == "__main__":
    with log_to(snakemake.log[0]):
        # Imported after the redirect, so that a missing library shows up in this job's log.
        from cutpoint.compare.comparison import compare

        compare(
            **snakemake.params.settings,
            manifest=snakemake.input.manifest,
            reference=snakemake.input.reference,
            variant=snakemake.input.variant,
            reference_spec=snakemake.input.get("reference_spec"),
            variant_spec=snakemake.input.get("variant_spec"),
            reference_samples=snakemake.input.get("reference_samples"),
            autopsy=snakemake.input.autopsy,
            variant_samples=snakemake.input.get("variant_samples"),
            slices=snakemake.input.get("slices"),
            reference_slices=snakemake.input.get("reference_slices"),
            variant_slices=snakemake.input.get("variant_slices"),
            out=snakemake.output[0],
        )
