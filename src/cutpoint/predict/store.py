"""The prediction files of a run, with the specification to read them."""

from collections.abc import Sequence
from dataclasses import replace

from cutpoint.data.inputs import resolve_input
from cutpoint.errors import UserError
from cutpoint.records.json_file import read_content
from cutpoint.records.model import ModelSpec, as_spec, spec_digest
from cutpoint.records.predictions import RunMetadata, read_metadata


def open_run(predictions: Sequence[str], spec: str) -> tuple[ModelSpec, RunMetadata]:
    """The specification to read a run's files with, and their metadata.

    Args:
        predictions: the run's shards, one or more.
        spec: ``spec.json``.

    Returns:
        the model with the run's own input recipe, which clips boxes; and the last shard's metadata.

    Raises:
        UserError: a file was made with another specification.
    """
    content = read_content(spec)
    model = as_spec(content, spec)
    # predictions may be as old as the specification's file; both then have the same names
    digests = model.digest, spec_digest(content)
    shards = {path: read_metadata(path) for path in predictions}
    for path, made in shards.items():
        if made.spec not in digests:
            raise UserError(f"{path} was made with another model specification than {spec}; rerun predict")
    *_, last = shards.values()
    return replace(model, input=resolve_input(last.input, model.input, last.shape)), last
