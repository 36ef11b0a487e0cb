"""The entries of COCO annotations without their boxes: keys, ids, sizes, names and files."""

import posixpath
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from typing import Any, NoReturn

from cutpoint.data.annotation_model import MODEL, Field
from cutpoint.data.file_names import Fault, find_fault, same_file
from cutpoint.errors import Gathered, UserError, show

NOUNS = {"images": "image", "categories": "category", "annotations": "annotation"}
# COCO's detection task has so many classes, and this is the last of their ids
COCO_CLASSES, COCO_LAST = 80, 90
# keys of annotations for other tasks than detection
TASKS = {"caption": "captions", "segments_info": "panoptic segments", "segmentation": "masks"}


def refuse(where: str, content: dict[str, Any], key: str, wrong: list[int], what: str, mend: str) -> NoReturn:
    """Raise one message about the entries of ``content[key]`` at the positions ``wrong``."""
    first = name_entry(content, key, wrong[0])
    raise UserError(f"{where}: {what}: {len(wrong)} of {len(content[key])} {key}, first {first}; {mend}")


def name_entry(content: dict[str, Any], key: str, position: int) -> str:
    """``annotation 7``, or its place in the list if it has no id; of a converted file also the user's own."""
    entry = content[key][position]
    identity = entry.get("id") if isinstance(entry, dict) else None
    if identity is None:
        return f"entry {position} (counted from 0)"
    own = entry.get("place") if "converted" in content else None
    return f"{NOUNS[key]} {show(identity)}" + (f" ({own})" if isinstance(own, str) else "")


def check_structure(where: str, content: dict[str, Any]) -> None:
    """Refuse a file without the three lists of objects. All other checks need them.

    Args:
        where: start of the messages: config key and file.
        content: the file's content.

    Raises:
        UserError: names what is missing; ``UserErrors`` for several faults.
    """
    _check_task(where, content.get("annotations"))
    gathered = Gathered()
    for key in ("images", "annotations", "categories"):
        with gathered.one():
            _check_list(where, content, key)
    gathered.stop()


def _check_task(where: str, annotations: Any) -> None:
    first = annotations[0] if isinstance(annotations, list) and annotations else None
    if isinstance(first, dict) and "bbox" not in first:
        for key, task in TASKS.items():
            if key in first and not any(isinstance(a, dict) and "bbox" in a for a in annotations):
                raise UserError(f"{where}: has {task} and no boxes; give the file of the boxes (bbox)")


def _check_list(where: str, content: dict[str, Any], key: str) -> None:
    entries = content.get(key)
    if not isinstance(entries, list):
        mend = "; for images without ground truth use null" if key == "annotations" else ""
        raise UserError(f"{where}: no list {key!r}; it is not a COCO detection file{mend}")
    if not entries and key != "annotations":
        raise UserError(f"{where}: lists no {key}; give the file that has them")
    wrong = _positions(entries, lambda entry: not isinstance(entry, dict))
    if wrong:
        refuse(where, content, key, wrong, "not an object", "each entry is {...}")


def check_entries(where: str, content: dict[str, Any], gathered: Gathered) -> set[tuple[str, str]]:
    """Check keys, ids, sizes, names and files of all entries.

    Args:
        where: start of the messages: config key and file.
        content: the file's content, after ``check_structure``.
        gathered: takes one message for each kind of fault, with the number of entries that have it and the
            first one. A check is left out where a fault hides what it needs.

    Returns:
        list and key of each field that has a fault.
    """
    faulty: set[tuple[str, str]] = set()
    for key in MODEL:
        for field in MODEL[key]:
            before = len(gathered.messages)
            _check_field(where, content, key, field, gathered)
            if len(gathered.messages) > before:
                faulty.add((key, field.key))
        twice = [] if (key, "id") in faulty else _repeated(entry["id"] for entry in content[key])
        if twice:
            faulty.add((key, "id"))
            with gathered.one():
                refuse(where, content, key, twice, "id that occurs more than once", "give each its own id")
    _check_files(where, content, gathered)
    if not faulty & {("categories", "id"), ("categories", "name")}:
        with gathered.one():
            _check_names(where, content)
    for key, of in (("image_id", "images"), ("category_id", "categories")):
        if not faulty & {("annotations", key), (of, "id")}:
            with gathered.one():
                _check_references(where, content, key, of)
    return faulty


def _check_field(where: str, content: dict[str, Any], key: str, field: Field, gathered: Gathered) -> None:
    name = field.key
    values = [entry.get(name) for entry in content[key]]
    if not values or field.plain(values):
        return
    missing = _positions(values, lambda value: value is None)
    if missing and field.required:
        with gathered.one():
            refuse(where, content, key, missing, f"{name!r} is missing or null", "add it")
    wrong = _positions(values, lambda value: value is not None and not field.is_right(value))
    if wrong:
        with gathered.one():
            refuse(where, content, key, wrong, f"{name} {show(values[wrong[0]])}", field.mend)


def _positions(values: Iterable[Any], is_wrong: Callable[[Any], bool]) -> list[int]:
    return [position for position, value in enumerate(values) if is_wrong(value)]


def _check_files(where: str, content: dict[str, Any], gathered: Gathered) -> None:
    names = [image.get("file_name") for image in content["images"]]
    faults: dict[Fault, list[int]] = defaultdict(list)
    for position, name in enumerate(names):
        fault = find_fault(name) if isinstance(name, str) else None
        if fault:
            faults[fault].append(position)
    for fault, wrong in faults.items():
        with gathered.one():
            what = f"file_name {fault.what} ({show(names[wrong[0]])})"
            refuse(where, content, "images", wrong, what, fault.mend)
    hidden = {position for wrong in faults.values() for position in wrong}
    sound = [p for p, name in enumerate(names) if isinstance(name, str) and name and p not in hidden]
    paths = [posixpath.normpath(names[position]) for position in sound]
    wrong = _repeated(paths)
    if wrong:
        with gathered.one():
            refuse(
                where, content, "images", [sound[place] for place in wrong],
                f"file_name that another image has too ({paths[wrong[0]]})",
                "list each file once, and give all its annotations that one image_id",
            )  # fmt: skip
        return
    wrong = _repeated(same_file(path) for path in paths)
    if wrong:
        with gathered.one():
            refuse(
                where, content, "images", [sound[place] for place in wrong],
                f"file_name that differs from another one only in upper and lower case ({paths[wrong[0]]})",
                "on some systems it is the same file: rename one of the two, or list the file once",
            )  # fmt: skip


def _repeated(values: Iterable[Any]) -> list[int]:
    """Positions of values that occur more than once."""
    values = list(values)
    if len(set(values)) == len(values):
        return []
    counts = Counter(values)
    return [position for position, value in enumerate(values) if counts[value] > 1]


def _check_names(where: str, content: dict[str, Any]) -> None:
    kept = {**content, "categories": without_empty_twins(content)}
    names = [category["name"] for category in kept["categories"]]
    wrong = _repeated(names)
    if wrong:
        what = f"name that another category has too ({names[wrong[0]]!r})"
        refuse(where, kept, "categories", wrong, what, "give each its own name, or make them one category")


def _check_references(where: str, content: dict[str, Any], key: str, of: str) -> None:
    known = {entry["id"] for entry in content[of]}
    values = [annotation[key] for annotation in content["annotations"]]
    wrong = _positions(values, lambda value: value not in known) if set(values) - known else []
    if wrong:
        what = f"{key} that is not listed among {of} ({values[wrong[0]]})"
        hint = _numbering_hint(set(values), content["categories"]) if of == "categories" else ""
        mend = f"{hint}add what is missing, or remove them"
        refuse(where, content, "annotations", wrong, what, mend)


def _numbering_hint(used: set[int], categories: list[dict[str, Any]]) -> str:
    """Whether two numberings of COCO's 80 classes are mixed: 1 to 90 with gaps, and 0 to 79 or 1 to 80."""
    listed = {category["id"] for category in categories}
    if len(listed) != COCO_CLASSES:
        return ""
    with_gaps, mend = "COCO's own ids (1 to 90 with gaps)", "give all of them one numbering; "
    for start in (1, 0):
        row = set(range(start, start + COCO_CLASSES))
        counted = f"80 classes counted from {start}"
        if max(listed) == COCO_LAST and used <= row:
            return f"they look like {counted}, and the file lists {with_gaps}: {mend}"
        if listed == row and max(used) <= COCO_LAST:
            return f"they look like {with_gaps}, and the file lists {counted}: {mend}"
    return ""


def without_repeats(content: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Leave out categories that are there once more with the same id and name, and say so.

    Supervisely's older exports list the category of each label anew.
    """
    seen: set[tuple[int, str]] = set()
    kept, left_out = [], []
    for category in content["categories"]:
        identity, name = category.get("id"), category.get("name")
        if type(identity) is int and isinstance(name, str):
            if (identity, name) in seen:
                left_out.append(identity)
                continue
            seen.add((identity, name))
        kept.append(category)
    if not left_out:
        return content, []
    what = "category that is there twice, with one id and name"
    return {**content, "categories": kept}, [
        f"{what}: {len(left_out)}, first category {left_out[0]}: one is used"
    ]


def without_empty_twins(content: dict[str, Any]) -> list[dict[str, Any]]:
    """The categories, except those without a box that share their name with a category with boxes.

    Roboflow writes the project's name as a root category, and this may be the name of a class.
    """
    values = (annotation.get("category_id") for annotation in content["annotations"])
    used = {value for value in values if type(value) is int}
    names = {category["name"] for category in content["categories"] if category["id"] in used}
    return [c for c in content["categories"] if c["id"] in used or c["name"] not in names]
