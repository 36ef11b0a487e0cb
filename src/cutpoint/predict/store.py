"""A run's prediction files, with the specification that they are read with."""

from collections.abc import Sequence
from dataclasses import replace

from cutpoint.data.inputs import named_input
from cutpoint.errors import UserError
from cutpoint.records.json_file import read_content
from cutpoint.records.model import ModelSpec, as_spec, spec_digest
from cutpoint.records.predictions import RunMetadata, read_metadata


def open_run(predictions: Sequence[str], spec: str) -> tuple[ModelSpec, RunMetadata]:
    """The specification that a run's files are read with, and their metadata.

    Args:
        predictions: the run's shards, one or more.
        spec: ``spec.json``.

    Returns:
        the model with the run's own input recipe, by which boxes are clipped; the last shard's metadata.

    Raises:
        UserError: a file made with another specification.
    """
    content = read_content(spec)
    model = as_spec(content, spec)
    # of predictions that are as old as the specification's file: by the names that both have
    digests = model.digest, spec_digest(content)
    shards = {path: read_metadata(path) for path in predictions}
    for path, made in shards.items():
        if made.spec not in digests:
            raise UserError(f"{path} was made with another model specification than {spec}; rerun predict")
    *_, last = shards.values()
    return replace(model, input=named_input(last.input, model.input, None)), last
