"""The import of an ONNX file of a model without mmdet. Only it knows layouts."""

from typing import Any

from cutpoint.export.external import write_described
from cutpoint.layouts.describe import describe
from cutpoint.layouts.facts import read_facts
from cutpoint.layouts.recognise import recognise
from cutpoint.records.classes import read_classes


def import_external(
    *,
    model: str,
    onnx: str,
    layout: str | None,
    written: dict[str, Any],
    classes: str,
    candidate_floor: float | None,
    out: str,
    out_spec: str,
) -> None:
    """Give a file of a model without mmdet the input, outputs and metadata of an export.

    Args:
        model: its name.
        onnx: the file; tensors in files next to it are read too.
        layout: a name of ``layouts.names.LAYOUTS``, or null to recognise it.
        written: see ``layouts.describe.describe``.
        classes: the model's ``classes.json``.
        candidate_floor: the floor of the candidates; null means the layout's own threshold.
        out, out_spec: see ``write_described``.

    Raises:
        UserError: the file cannot be read, or is not as its layout says.
    """
    facts, names = read_facts(onnx), read_classes(classes).classes
    chosen = layout or recognise(facts, onnx, names).layout
    description = describe(onnx, facts, chosen, written, names, candidate_floor)
    write_described(
        model=model, onnx=onnx, description=description, classes=names, out=out, out_spec=out_spec
    )
