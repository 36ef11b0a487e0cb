"""Adapter for rule autopsy: unpack the Snakemake object, call the package, nothing else."""

from typing import TYPE_CHECKING

from cutpoint.logs import log_to

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

if __name__ == "__main__":
    with log_to(snakemake.log[0]):
        # Imported after the redirect, so that a missing library shows up in this job's log.
        from cutpoint.compare.autopsy import Side, autopsy

        files, settings = snakemake.input, snakemake.params.settings
        sides = {
            side: Side(
                files.get(side),
                *(tuple(files.get(f"{side}_{kind}")) for kind in ("predictions", "images")),
                spec=files.get(f"{side}_spec"),
                **settings[side],
            )
            for side in ("reference", "variant")
        }
        autopsy(
            **sides,
            **{key: files[key] for key in ("manifest", "labels")},
            out=snakemake.output[0],
        )
