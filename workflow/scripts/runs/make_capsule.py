"""Adapter for rule capsule: unpack the Snakemake object, call the package, nothing else."""

from typing import TYPE_CHECKING

from cutpoint.logs import log_to

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

if __name__ == "__main__":
    with log_to(snakemake.log[0]):
        # Imported after the redirect, so that a missing library shows up in this job's log.
        from cutpoint.runs.capsule import make_capsule

        make_capsule(
            **snakemake.params.settings,
            tables=[
                snakemake.input.summary,
                snakemake.input.per_class,
                snakemake.input.per_slice,
            ],
            out=snakemake.output[0],
        )
