"""Adapter for rule evaluate_gate: unpack the Snakemake object, call the package, nothing else."""

from typing import TYPE_CHECKING

from cutpoint.logs import log_to

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

if __name__ == "__main__":
    with log_to(snakemake.log[0]):
        # Imported after the redirect, so that a missing library shows up in this job's log.
        from cutpoint.gate.check import evaluate_gate

        evaluate_gate(
            summary=snakemake.input.summary,
            runs=snakemake.input.get("runs"),
            **snakemake.params.settings,
            out_json=snakemake.output.json,
            out_xml=snakemake.output.xml,
        )
