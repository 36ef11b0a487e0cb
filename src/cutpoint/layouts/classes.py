"""The class names of a model without mmdet: from the config, a text file, or the ONNX file itself."""

import ast
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cutpoint.data.annotation_model import LONGEST_NAME, is_name
from cutpoint.errors import UserError, show
from cutpoint.files import name_packed
from cutpoint.layouts.coco import COCO80, COCO91
from cutpoint.records.graph_facts import GraphFacts

NAMED = {"coco80": COCO80, "coco91": COCO91}
# the property in which Ultralytics, and YOLOv5 before it, write the names: the text of a Python dict
NAMES_KEY = "names"
# a file's text is parsed up to this length
LONGEST_TEXT = 1_000_000
# labels are stored in 16 bits
LARGEST_ID = 2**15 - 1
LONGEST_ID = len(str(LARGEST_ID))
MEND = (
    "write `classes`: a list, {id: name}, the path of a text file with one name a line, coco80 (COCO's "
    "classes in order) or coco91 (labels are COCO's category ids)"
)


def read_class_names(
    given: Sequence[str] | Mapping[Any, str] | str | None, facts: GraphFacts | None, where: str
) -> tuple[str, ...]:
    """The class names by label.

    Args:
        given: a list; ``{id: name}``, where the label is the id; the path of a text file with one name a
            line; ``coco80`` or ``coco91``; or null for the names in the ONNX file.
        facts: the ONNX file's facts, for null; or null if there is no file.
        where: the config key, begins the message of an error.

    Returns:
        a name for each label; the empty text for a label without a class.

    Raises:
        UserError: there are no names, or they are not names.
    """
    if given is None:
        names = None if facts is None else metadata_names(facts.metadata, where)
        if names is None:
            lacking = "there is no ONNX file" if facts is None else "the file has no class names"
            raise UserError(f"{where}: null, but {lacking}; {MEND}")
        return names
    if isinstance(given, str):
        return NAMED[given] if given in NAMED else _from_file(given, where)
    return _checked(given, where)


def metadata_names(metadata: Mapping[str, str], where: str) -> tuple[str, ...] | None:
    """The class names in an ONNX file's metadata; null if it has none.

    The text is parsed, never evaluated.

    Raises:
        UserError: the text is not a dict or list of names.
    """
    text = metadata.get(NAMES_KEY)
    if text is None:
        return None
    if len(text) > LONGEST_TEXT:
        raise UserError(f"{where}: the file's metadata {NAMES_KEY!r} has {len(text)} characters; {MEND}")
    try:
        content = ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError) as error:
        raise UserError(
            f"{where}: the file's metadata {NAMES_KEY!r} is no dict or list of names ({text[:60]!r}); {MEND}"
        ) from error
    return _checked(content, f"{where}: the file's metadata {NAMES_KEY!r}")


def has_ids(classes: Sequence[str]) -> bool:
    """Whether labels are ids: some label has no class, or label 0 is the background."""
    return "" in classes or classes[0].strip("_").lower() in ("background", "n/a")


def _from_file(path: str, where: str) -> tuple[str, ...]:
    place = f"{where}: {path}"
    try:
        if Path(path).is_file() and Path(path).stat().st_size > LONGEST_TEXT:
            raise UserError(f"{place}: has more than {LONGEST_TEXT} bytes; it is no file of names; {MEND}")
        raw = Path(path).read_bytes()
        packed = name_packed(raw)
        if packed:
            raise UserError(f"{place}: {packed}; {MEND}")
        text = raw.decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise UserError(f"{place}: cannot be read ({why}); {MEND}") from error
    lines = [line.strip() for line in re.split("\r\n|\r|\n", text.rstrip())]
    empty = [number for number, line in enumerate(lines, start=1) if not line]
    if empty and any(lines):
        more = f" (and {len(empty) - 1} more)" if len(empty) > 1 else ""
        raise UserError(f"{place}: line {empty[0]} is empty{more}; give a name a line, without gaps")
    return _checked([line for line in lines if line], place)


def _checked(content: Any, where: str) -> tuple[str, ...]:
    """The names of a list, or of a mapping from id to name."""
    if isinstance(content, Mapping):
        named: dict[int, Any] = {}
        for key, name in content.items():
            number = _id(key, where)
            if number in named:
                raise UserError(f"{where}: id {number} is there twice, as a number and in quotes; keep one")
            named[number] = name
        names = [named.get(number, "") for number in range(max(named, default=-1) + 1)]
        given = list(named.values())
    elif isinstance(content, list | tuple):
        names = given = list(content)
    else:
        raise UserError(f"{where}: {show(content)} is neither a list nor a mapping; {MEND}")
    wrong = [name for name in given if not is_name(name)]
    if wrong:
        more = f" (and {len(wrong) - 1} more)" if len(wrong) > 1 else ""
        form = f"a name is text of at most {LONGEST_NAME} characters in one line"
        raise UserError(f"{where}: {show(wrong[0])} is no name{more}, {form}; {MEND}")
    if not names:
        raise UserError(f"{where}: no names; {MEND}")
    if len(names) > LARGEST_ID + 1:
        raise UserError(f"{where}: {len(names)} names, and at most {LARGEST_ID + 1} are possible")
    return tuple(names)


def _id(key: Any, where: str) -> int:
    digits = isinstance(key, str) and key.isascii() and key.isdigit() and len(key) <= LONGEST_ID
    number = int(key) if digits else key
    if isinstance(number, bool) or not isinstance(number, int) or not 0 <= number <= LARGEST_ID:
        raise UserError(f"{where}: {show(key)}: an id is a whole number from 0 to {LARGEST_ID}")
    return number
