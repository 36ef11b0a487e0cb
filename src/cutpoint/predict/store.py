"""A run's prediction files, with the specification that they are read with."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from cutpoint.data.image import named_input
from cutpoint.errors import UserError
from cutpoint.records.model import ModelSpec, read_spec
from cutpoint.records.predictions import read_metadata


def open_run(predictions: Sequence[str], spec: str) -> tuple[ModelSpec, dict[str, Any]]:
    """The specification that a run's files are read with, and their metadata.

    Args:
        predictions: the run's shards.
        spec: ``spec.json``.

    Returns:
        the model with the run's own input recipe, by which boxes are clipped; the last shard's metadata.

    Raises:
        UserError: a file made with another specification.
    """
    model, made = read_spec(spec), {}
    for path in predictions:
        made = read_metadata(path)
        if made["spec"] != model.digest:
            raise UserError(f"{path} was made with another model specification than {spec}; rerun predict")
    return replace(model, input=named_input(made["input"], model.input, None)), made
