"""Inspect an mmdet model: its config, its checkpoint, and what Cutpoint can reproduce of it."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

from cutpoint.detector.describe import describe_model
from cutpoint.detector.imports import import_modules
from cutpoint.errors import Gathered
from cutpoint.records.classes import read_classes
from cutpoint.records.preflight import ModelFindings, write_findings


def inspect_model(
    *,
    model: str,
    config: str,
    checkpoint: str,
    candidate_floor: float | None,
    class_names: str | None,
    imports: Sequence[str],
    out: str,
) -> None:
    """Do what ``describe_model`` does, and keep its mistakes.

    Args:
        model, config, checkpoint, candidate_floor, class_names: as in ``describe_model``.
        imports: the config's.
        out: JSON file to write, see ``records.preflight.ModelFindings``.
    """
    found, classes = Gathered(), None
    with tempfile.TemporaryDirectory() as folder, found.one():
        import_modules(imports)
        described = Path(folder, "spec.json")
        describe_model(
            model=model,
            config=config,
            checkpoint=checkpoint,
            candidate_floor=candidate_floor,
            class_names=class_names,
            out=str(described),
        )
        classes = read_classes(described)
    write_findings(out, ModelFindings(tuple(found.messages), (), classes))
