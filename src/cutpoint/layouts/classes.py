"""The class names of a model without mmdet: from the config, a text file, or the ONNX file itself."""

import ast
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cutpoint.errors import UserError
from cutpoint.layouts.coco import COCO80, COCO91
from cutpoint.records.graph_facts import GraphFacts

NAMED = {"coco80": COCO80, "coco91": COCO91}
# the property in which Ultralytics, and YOLOv5 before it, write the names: the text of a Python dict
NAMES_KEY = "names"
# a file's text is parsed up to this length
LONGEST_TEXT = 1_000_000
# labels are stored in 16 bits
LARGEST_ID = 2**15 - 1
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
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise UserError(f"{where}: {path}: cannot be read ({why}); {MEND}") from error
    lines = [line.strip() for line in text.rstrip().splitlines()]
    for number, line in enumerate(lines, start=1):
        if not line:
            raise UserError(f"{where}: {path}: line {number} is empty; give a name a line, without gaps")
    return _checked(lines, f"{where}: {path}")


def _checked(content: Any, where: str) -> tuple[str, ...]:
    """The names of a list, or of a mapping from id to name."""
    if isinstance(content, Mapping):
        named = {_id(key, where): name for key, name in content.items()}
        names = [named.get(number, "") for number in range(max(named, default=-1) + 1)]
        given = list(named.values())
    elif isinstance(content, list | tuple):
        names = given = list(content)
    else:
        raise UserError(f"{where}: {content!r:.60} is neither a list nor a mapping; {MEND}")
    wrong = next((name for name in given if not isinstance(name, str) or not name.strip()), None)
    if wrong is not None:
        raise UserError(f"{where}: {wrong!r:.60} is no name; {MEND}")
    if not names:
        raise UserError(f"{where}: no names; {MEND}")
    return tuple(names)


def _id(key: Any, where: str) -> int:
    number = int(key) if isinstance(key, str) and key.isascii() and key.isdigit() else key
    if isinstance(number, bool) or not isinstance(number, int) or not 0 <= number <= LARGEST_ID:
        raise UserError(f"{where}: {key!r:.60}: an id is a whole number from 0 to {LARGEST_ID}")
    return number
