"""Adapter for rules postprocess and postprocess_shard: unpack the Snakemake object, call the package."""

from typing import TYPE_CHECKING

from cutpoint.logs import log_to

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

if __name__ == "__main__":
    with log_to(snakemake.log[0]):
        # Imported after the redirect, so that a missing library shows up in this job's log.
        from cutpoint.predict.postprocess import postprocess
        from cutpoint.preflight.passed import check_passed

        check_passed(snakemake.input.preflight)
        postprocess(
            predictions=list(snakemake.input.predictions),
            images=list(snakemake.input.images),
            spec=snakemake.input.spec,
            labels=snakemake.input.labels,
            **snakemake.params.settings,
            candidates=list(snakemake.input.candidates),
            out=snakemake.output[0],
        )
