"""Inspect an mmdet model: its config, its checkpoint, and what Cutpoint can reproduce of it."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

from cutpoint.detector.describe import describe_model
from cutpoint.detector.imports import import_modules
from cutpoint.preflight.collect import Collected
from cutpoint.records.json_file import read_content
from cutpoint.records.preflight import ModelFindings, write_findings


def inspect_model(
    *,
    model: str,
    config: str,
    checkpoint: str,
    candidate_floor: float | None,
    class_names: str | None,
    imports: Sequence[str],
    spec: str,
    out: str,
) -> None:
    """Do what ``describe_model`` does, and keep its mistakes.

    Args:
        model, config, checkpoint, candidate_floor, class_names: as in ``describe_model``.
        imports: the config's.
        spec: the path that the specification will have.
        out: JSON file to write, see ``records.preflight.ModelFindings``.
    """
    found, content = Collected(), None
    with tempfile.TemporaryDirectory() as folder, found.one():
        import_modules(imports)
        described = str(Path(folder, "spec.json"))
        describe_model(
            model=model,
            config=config,
            checkpoint=checkpoint,
            candidate_floor=candidate_floor,
            class_names=class_names,
            out=described,
        )
        content = read_content(described)
    specs = {} if content is None else {spec: content}
    write_findings(out, ModelFindings(found.problems, found.remarks, content, specs))
