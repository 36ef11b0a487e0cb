"""Files that users give: COCO annotations, and JSON of any kind. Their content is not checked here."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cutpoint.errors import UserError
from cutpoint.files import name_packed


def read_given(path: str | Path, where: str, hook: Callable[[dict[str, Any]], Any] | None = None) -> Any:
    """Read a JSON file from a user. A byte order mark is accepted, NaN and infinities are read.

    Args:
        path: the file.
        where: begins the messages: config key and path.
        hook: turns each object, as soon as it is read, into what takes its place.

    Raises:
        UserError: no file, or one that does not hold JSON.
    """
    path = Path(path)
    if path.is_dir():
        raise UserError(f"{where}: is a folder; name the JSON file in it")
    if path.exists() and not path.is_file():
        raise UserError(f"{where}: is no regular file, but a pipe, a socket or a device; save it as a file")
    try:
        raw = path.read_bytes()
    except FileNotFoundError as error:
        raise UserError(f"{where}: no such file") from error
    except OSError as error:
        raise UserError(f"{where}: cannot be read ({error.strerror})") from error
    substitute = name_packed(raw)
    if substitute:
        raise UserError(f"{where}: {substitute}")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(f"{where}: not UTF-8 text; save the JSON as UTF-8, not compressed") from error
    del raw  # it may be gigabytes, and the text is as large
    try:
        return json.loads(text, object_hook=hook)
    except RecursionError as error:
        raise UserError(f"{where}: nested too deeply; it is not a file of annotations or results") from error
    except json.JSONDecodeError as error:
        # a string that does not end is told by its start
        cut = error.pos >= len(text.rstrip()) or error.msg.startswith("Unterminated string")
        if cut:
            why = f"ends in the middle ({error.msg}); it is not complete: write, copy or download it again"
        elif error.msg == "Extra data":
            why = f"more than one JSON value, as in JSON lines ({error}); write one list or object"
        else:
            why = f"not JSON ({error})"
        raise UserError(f"{where}: {why}") from error
    except ValueError as error:
        digits = sys.get_int_max_str_digits()
        raise UserError(f"{where}: has a number of more than {digits} digits; correct it") from error


def read_annotations(path: str | Path, where: str) -> dict[str, Any]:
    """Read a COCO annotation file; arguments as in ``read_given``.

    Returns:
        its content, an object, unchecked. Of a mask only its type is kept (``[]`` or ``{}``): masks are not
        used, and take ten times the memory of the boxes.

    Raises:
        UserError: the file is missing, or it is not a JSON object.
    """
    content = read_given(path, where, _without_mask)
    if isinstance(content, list):
        raise UserError(
            f"{where}: a list, as in a results file; it is not a COCO detection file, which is "
            "an object of images, annotations and categories. Detections go under variants.<name>.results"
        )
    if not isinstance(content, dict):
        raise UserError(f"{where}: not a COCO detection file, which is a JSON object")
    return content


def _without_mask(entry: dict[str, Any]) -> dict[str, Any]:
    mask = entry.get("segmentation")
    if isinstance(mask, list | dict):
        entry["segmentation"] = type(mask)()
    return entry


def read_category_names(path: str | Path, where: str) -> list[str]:
    """Names of the categories of a COCO annotation file in its order; arguments as in ``read_given``.

    Raises:
        UserError: see ``read_annotations``; or the categories are not a list of objects with a name.
    """
    content = read_annotations(path, where)
    try:
        names = [category["name"] for category in content["categories"]]
    except (KeyError, TypeError) as error:
        raise UserError(f"{where}: not a COCO detection file: it has no categories with names") from error
    if not all(isinstance(name, str) for name in names):
        raise UserError(f"{where}: not a COCO detection file: its categories have names that are not text")
    return names
