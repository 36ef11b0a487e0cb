"""The entries of COCO annotations without their boxes: keys, ids, sizes, names and files."""

import posixpath
import unicodedata
from collections import Counter
from collections.abc import Iterable
from typing import Any, NoReturn

from cutpoint.errors import UserError

KEYS = {
    "images": ("id", "file_name", "height", "width"),
    "categories": ("id", "name"),
    "annotations": ("id", "image_id", "category_id"),
}
NOUNS = {"images": "image", "categories": "category", "annotations": "annotation"}
# ids are kept as int64
ID_LIMIT = 2**63
SIZE_LIMIT = 2**31
# keys of annotations for other tasks than detection
TASKS = {"caption": "captions", "segments_info": "panoptic segments", "segmentation": "masks"}


def refuse(where: str, content: dict[str, Any], key: str, wrong: list[int], what: str, mend: str) -> NoReturn:
    """Raise one message about the entries of ``content[key]`` at the positions ``wrong``."""
    first = name_entry(content, key, wrong[0])
    raise UserError(f"{where}: {what}: {len(wrong)} of {len(content[key])} {key}, first {first}; {mend}")


def name_entry(content: dict[str, Any], key: str, position: int) -> str:
    """``annotation 7``, or its place in the list if it has no id."""
    entry = content[key][position]
    identity = entry.get("id") if isinstance(entry, dict) else None
    if identity is None:
        return f"entry {position} (counted from 0)"
    return f"{NOUNS[key]} {identity!r}"


def check_entries(where: str, content: dict[str, Any]) -> None:
    """Refuse entries that cannot be scored, or that would be scored as something else.

    Args:
        where: start of the messages: config key and file.
        content: the file's content.

    Raises:
        UserError: names the first kind of fault, the number of entries that have it, and the first one.
    """
    _check_lists(where, content)
    for key in KEYS:
        _check_keys(where, content, key)
        _check_ids(where, content, key)
    _check_sizes(where, content)
    _check_files(where, content)
    _check_names(where, content)
    for key, of in (("image_id", "images"), ("category_id", "categories")):
        known = {entry["id"] for entry in content[of]}
        wrong = _positions(content, "annotations", lambda a, key=key, known=known: a[key] not in known)
        if wrong:
            value = content["annotations"][wrong[0]][key]
            what = f"{key} that is not listed among {of} ({value})"
            refuse(where, content, "annotations", wrong, what, "add what is missing, or remove them")


def _positions(content: dict[str, Any], key: str, is_wrong: Any) -> list[int]:
    return [position for position, entry in enumerate(content[key]) if is_wrong(entry)]


def _check_lists(where: str, content: dict[str, Any]) -> None:
    annotations = content.get("annotations")
    first = annotations[0] if isinstance(annotations, list) and annotations else None
    if isinstance(first, dict) and "bbox" not in first:
        for key, task in TASKS.items():
            if key in first and not any(isinstance(a, dict) and "bbox" in a for a in annotations or ()):
                raise UserError(f"{where}: has {task} and no boxes; give the file of the boxes (bbox)")
    for key in ("images", "annotations", "categories"):
        if not isinstance(content.get(key), list):
            mend = "; for images without ground truth use null" if key == "annotations" else ""
            raise UserError(f"{where}: no list {key!r}; it is not a COCO detection file{mend}")
    for key in ("images", "categories"):
        if not content[key]:
            raise UserError(f"{where}: lists no {key}; give the file that has them")


def _check_keys(where: str, content: dict[str, Any], key: str) -> None:
    wrong = _positions(content, key, lambda entry: not isinstance(entry, dict))
    if wrong:
        refuse(where, content, key, wrong, "not an object", "each entry is {...}")
    for field in KEYS[key]:
        wrong = _positions(content, key, lambda entry, field=field: entry.get(field) is None)
        if wrong:
            refuse(where, content, key, wrong, f"{field!r} is missing or null", "add it")


def _check_ids(where: str, content: dict[str, Any], key: str) -> None:
    for field in (f for f in KEYS[key] if f.endswith("id")):
        wrong = _positions(content, key, lambda e, f=field: type(e[f]) is not int or not 0 <= e[f] < ID_LIMIT)
        if wrong:
            what = f"{field} {content[key][wrong[0]][field]!r}"
            refuse(
                where, content, key, wrong, what, "ids are whole numbers from 0 to 2^63 - 1, not in quotes"
            )
    counts = Counter(entry["id"] for entry in content[key])
    twice = _positions(content, key, lambda entry: counts[entry["id"]] > 1)
    if twice:
        refuse(where, content, key, twice, "id that occurs more than once", "give each its own id")


def _check_sizes(where: str, content: dict[str, Any]) -> None:
    for field in ("height", "width"):
        wrong = _positions(content, "images", lambda image, field=field: not _is_size(image[field]))
        if wrong:
            what = f"{field} {content['images'][wrong[0]][field]!r}"
            refuse(where, content, "images", wrong, what, "it is a whole number of pixels, 1 or more")


def _is_size(value: Any) -> bool:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and 1 <= value < SIZE_LIMIT and value % 1 == 0


def _check_files(where: str, content: dict[str, Any]) -> None:
    images = content["images"]
    wrong = _positions(content, "images", lambda i: not isinstance(i["file_name"], str) or not i["file_name"])
    if wrong:
        what = f"file_name {images[wrong[0]]['file_name']!r}"
        refuse(where, content, "images", wrong, what, "it is the file's name as text")
    paths = [posixpath.normpath(image["file_name"].replace("\\", "/")) for image in images]
    wrong = _repeated(paths)
    if wrong:
        refuse(
            where, content, "images", wrong,
            f"file_name that another image has too ({paths[wrong[0]]})",
            "list each file once, and give all its annotations that one image_id",
        )  # fmt: skip
    wrong = _repeated(unicodedata.normalize("NFC", path).casefold() for path in paths)
    if wrong:
        refuse(
            where, content, "images", wrong,
            f"file_name that differs from another one only in upper and lower case ({paths[wrong[0]]})",
            "on some systems it is the same file: rename one of the two, or list the file once",
        )  # fmt: skip


def _repeated(values: Iterable[str]) -> list[int]:
    """Positions of values that occur more than once."""
    values = list(values)
    counts = Counter(values)
    return [position for position, value in enumerate(values) if counts[value] > 1]


def _check_names(where: str, content: dict[str, Any]) -> None:
    wrong = _positions(content, "categories", lambda c: not isinstance(c["name"], str) or not c["name"])
    if wrong:
        what = f"name {content['categories'][wrong[0]]['name']!r}"
        refuse(where, content, "categories", wrong, what, "it is text")
    kept = {**content, "categories": without_empty_twins(content)}
    names = [category["name"] for category in kept["categories"]]
    wrong = _repeated(names)
    if wrong:
        what = f"name that another category has too ({names[wrong[0]]!r})"
        refuse(where, kept, "categories", wrong, what, "give each its own name, or make them one category")


def without_empty_twins(content: dict[str, Any]) -> list[dict[str, Any]]:
    """The categories, except those without a box that share their name with a category with boxes.

    Roboflow writes the project's name as a root category, and this may be the name of a class.
    """
    used = {annotation["category_id"] for annotation in content["annotations"]}
    names = {category["name"] for category in content["categories"] if category["id"] in used}
    return [c for c in content["categories"] if c["id"] in used or c["name"] not in names]
