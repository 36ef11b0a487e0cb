"""What is odd in COCO annotations, as an input: counted and drawn."""

import json
from pathlib import Path

from bad_input import ANNOTATIONS
from demands import demand

from cutpoint.data.file_names import find_fault
from cutpoint.errors import UserError
from cutpoint.records.oddities import INDEX, read_oddities
from cutpoint.report.oddities import show_oddities


def odd_annotations(folder: Path) -> list[bytes]:
    """The project's annotations, with a box outside its image."""
    content = json.loads((folder / ANNOTATIONS).read_bytes())
    content["annotations"][0]["bbox"][0] = 500
    return [json.dumps(content).encode()]


def read_odd(folder: Path, raw: bytes) -> None:
    """What is odd in COCO annotations, counted and drawn."""
    Path("given.json").write_bytes(raw)
    _show("given.json")
    found = read_oddities(Path("odd", INDEX))
    for kind in found.kinds:
        demand(0 < kind.count <= kind.of, f"{kind.count} of {kind.of} {kind.kind}")
        demand(len(kind.worst) <= kind.images, f"{kind.images} images of {kind.kind}")
        demand(bool(kind.worst) == (kind.picture is not None), f"no picture of {kind.kind}")
        demand(not any(find_fault(image.file_name) for image in kind.worst), f"images of {kind.kind}")
    if not found.kinds:
        raise UserError("nothing is odd, or nothing can be read")


def _show(annotations: str) -> None:
    """Count and draw what is odd; it never fails for the data."""
    findings = {"format": 2, "problems": [], "remarks": [], "manifest": None}
    Path("findings.json").write_text(json.dumps(findings))
    show_oddities(
        dataset="street",
        images="images",
        annotations=annotations,
        limit=None,
        public=None,
        findings="findings.json",
        out_dir="odd",
    )
