"""Images of COCO annotations without a size: VIA 3 writes -1 for width and height of every image."""

from pathlib import Path
from typing import Any

from cutpoint.data.file_names import find_fault
from cutpoint.data.headers import BadImage, read_header
from cutpoint.errors import show

UNKNOWN = -1


def with_sizes(content: dict[str, Any], folder: Path | None) -> tuple[dict[str, Any], list[str]]:
    """Fill in the sizes that an exporter did not know, from the images themselves.

    An image whose file cannot be read, or has no sound name, stays as it is; the checks refuse it.

    Args:
        content: annotations whose images are objects; not changed.
        folder: of the images; null leaves everything as it is.

    Returns:
        the content, with copies of the entries that differ, and a note if there are some.
    """
    if folder is None:
        return content, []
    entries = list(content["images"])
    filled = []
    for position, entry in enumerate(entries):
        name = entry.get("file_name")
        sides = entry.get("width"), entry.get("height")
        if sides != (UNKNOWN, UNKNOWN) or not isinstance(name, str) or not name or find_fault(name):
            continue
        try:
            header = read_header(folder / name)
        except BadImage:
            continue
        entries[position] = {**entry, "width": header.width, "height": header.height}
        filled.append(name)
    if not filled:
        return content, []
    said = f"{len(filled)} of {len(entries)} images, first {show(filled[0])}"
    return {**content, "images": entries}, [f"width and height of {UNKNOWN}: {said}: read from the images"]
