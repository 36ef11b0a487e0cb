"""A variant's detections: COCO results, or why there are none that could be scored."""

import json
from pathlib import Path
from typing import Any

from cutpoint.errors import UserError
from cutpoint.files import read_json, write_json


class Refused(UserError):
    """A variant's outputs on a data set are invalid: it has no detections, and no number may be made of them.

    Whoever reads detections goes on without the variant; ``reason`` says which tensor of which image.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def read_detections(path: str | Path) -> list[dict[str, Any]]:
    """A detections file as a list: ``image_id, category_id, bbox, score``, COCO results format.

    ``bbox`` is ``[x, y, w, h]``, original-image pixels.

    Raises:
        Refused: the variant was refused.
    """
    reason = refusal(path)
    if reason is not None:
        raise Refused(reason)
    return read_json(path)


def refusal(path: str | Path) -> str | None:
    """Why the variant of a detections file was refused; null where it was not. Detections are not parsed."""
    with open(path, encoding="utf-8") as file:
        start = file.read(1)
        return json.loads(start + file.read())["refused"] if start == "{" else None


def refusal_of_pair(reference: str | Path, variant: str | Path) -> str | None:
    """Why two variants cannot be compared, by their detections files; null where they can."""
    reason = refusal(variant)
    if reason is not None:
        return reason
    reason = refusal(reference)
    return None if reason is None else f"the reference is refused: {reason}"


def write_refusal(path: str | Path, reason: str) -> None:
    """Write the file of a refused variant in place of its detections."""
    write_json(path, {"refused": reason})
