"""Adapter for rule name_classes: unpack the Snakemake object, call the package, nothing else."""

from typing import TYPE_CHECKING

from cutpoint.logs import log_to

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

if __name__ == "__main__":
    with log_to(snakemake.log[0]):
        # Imported after the redirect, so that a missing library shows up in this job's log.
        from cutpoint.layouts.naming import name_classes
        from cutpoint.preflight.passed import check_passed

        check_passed(snakemake.input.preflight)
        name_classes(
            model=snakemake.wildcards.model,
            files=list(snakemake.input.files),
            manifests=list(snakemake.input.manifests),
            **snakemake.params.settings,
            out=snakemake.output[0],
        )
