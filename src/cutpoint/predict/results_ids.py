"""What the ids in an external results file stand for: images and categories.

COCO's own results have the ids of the annotations. Other tools number differently. Ultralytics 8.4
(``DetectionValidator.pred_to_json`` and ``init_metrics``, models/yolo/detect/val.py) writes the stem of the
image's file name as ``image_id``, as a number if it is one, and category = class + 1 unless the data set is
COCO's; YOLOv5 (val.py) the same with category = class.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from cutpoint.data.annotation_ids import whole_number
from cutpoint.errors import UserError, show
from cutpoint.records.labels import Labels
from cutpoint.records.manifest import Manifest

ImageId = int | str


@dataclass(frozen=True)
class Images:
    """The image of each ``image_id`` of a file. ``plain``: the file numbers images as the data set does."""

    ids: dict[ImageId, int]
    plain: bool


def find_images(entries: Sequence[Any], manifest: Manifest, choice: str | None, where: str) -> Images:
    """Find out which image each ``image_id`` is.

    Args:
        entries: of the file, each with an ``image_id``, int or text, and maybe a ``file_name``.
        manifest: of the data set; images that are left out or skipped are known too.
        choice: the config's ``image_ids``. ``dataset``: the data set's ids; ``stem``: the file name without
            folder and ending, of which a number may have lost leading zeros; null: what fits.
        where: begins the messages.

    Raises:
        UserError: an id is unknown, or the stem of two images, or both readings fit and differ.
    """
    files = manifest.file_names
    stems = _by_stem(files)
    first: dict[ImageId, int] = {}
    for number, entry in enumerate(entries):
        first.setdefault(entry["image_id"], number)
    # text may be an id too: some tools write every id in quotes
    numbers = {value: value if isinstance(value, int) else whole_number(value) for value in first}
    as_ids: dict[ImageId, set[int]] = {
        value: {number} for value, number in numbers.items() if number is not None and number in files
    }
    as_stems = {value: stems[value] for value in first if value in stems}
    readings: dict[str, Mapping[ImageId, set[int]]] = {"dataset": as_ids, "stem": as_stems}
    if choice or None in numbers.values():
        name = choice or "stem"
        readings = {name: readings[name]}
    named = any("file_name" in entry for entry in entries)
    fitting = {}
    for name, found in readings.items():
        if len(found) == len(first) and all(len(ids) == 1 for ids in found.values()):
            ids = {value: next(iter(images)) for value, images in found.items()}
            if not named or _misnamed(entries, ids, files) is None:
                fitting[name] = ids
    if not fitting:
        raise UserError(f"{where}: {_why_no_image(entries, first, readings, files, manifest.dataset)}")
    chosen = fitting.get("dataset", fitting.get("stem", {}))
    other = fitting.get("stem", chosen)
    differing = next((value for value in first if chosen[value] != other[value]), None)
    if differing is not None:
        raise UserError(
            f"{where}: image_id {differing} is the id of {files[chosen[differing]]} in data set "
            f"{manifest.dataset} and also the file name of {files[other[differing]]}; say which with "
            "image_ids: dataset or stem"
        )
    quoted = any(isinstance(value, str) for value in first)
    return Images(chosen, "dataset" in fitting and not named and not quoted)


def _by_stem(files: Mapping[int, str]) -> dict[ImageId, set[int]]:
    """The images of each stem, and of each number that is a stem."""
    stems: dict[ImageId, set[int]] = defaultdict(set)
    for identity, file in files.items():
        stem = PurePosixPath(file).stem
        stems[stem].add(identity)
        if stem.isdecimal():
            stems[int(stem)].add(identity)
    return stems


def _misnamed(entries: Sequence[Any], ids: Mapping[ImageId, int], files: Mapping[int, str]) -> int | None:
    """The first entry whose ``file_name`` is not that of its image, by stem."""
    for number, entry in enumerate(entries):
        name = entry.get("file_name")
        if name is None:
            continue
        own = files[ids[entry["image_id"]]]
        if not isinstance(name, str) or PurePosixPath(name).stem != PurePosixPath(own).stem:
            return number
    return None


def _why_no_image(
    entries: Sequence[Any],
    first: Mapping[ImageId, int],
    readings: Mapping[str, Mapping[ImageId, set[int]]],
    files: Mapping[int, str],
    dataset: str,
) -> str:
    """Why no reading fits, by the reading that knows most of the ids."""
    found = max(readings.values(), key=len)
    for value, number in first.items():
        entry = f"entry {number} (counted from 0) has image_id {show(value)}"
        if value not in found:
            texts = {"dataset": "an id", "stem": "the stem of a file name"}
            kinds = " or ".join(texts[name] for name in readings)
            return f"{entry}, which data set {dataset} does not have as {kinds}{_shift_hint(first, files)}"
        if len(found[value]) > 1:
            names = " and ".join(sorted(files[identity] for identity in found[value])[:2])
            return (
                f"{entry}, and that is the stem of {names} in data set {dataset}; write the data set's own "
                "ids into the file, or rename the images"
            )
    number = _misnamed(entries, {value: next(iter(found[value])) for value in first}, files) or 0
    entry = entries[number]
    own = files[next(iter(found[entry["image_id"]]))]
    return (
        f"entry {number} (counted from 0) has image_id {show(entry['image_id'])} and file_name "
        f"{show(entry['file_name'])}, but that image of data set {dataset} is {own}; use the file that was "
        "made on these images"
    )


def find_categories(
    entries: Sequence[Any],
    manifest: Manifest,
    labels: Labels,
    choice: str | None,
    plain: bool,
    where: str,
) -> dict[int, int | None]:
    """Find the category id of each ``category_id``; null if the model's class is dropped on this data set.

    Args:
        entries: of the file, each with a ``category_id``, int.
        manifest: of the data set.
        labels: the category of each class of the model.
        choice: the config's ``category_ids``. ``dataset``: the data set's category ids; ``label``: the
            model's classes, counted from 0; ``label_plus_one``: counted from 1; null: ``dataset`` if the file
            is plainly numbered so.
        plain: whether the file numbers images as the data set does.
        where: begins the messages.

    Raises:
        UserError: an id is unknown, or the numbering is not plain and nothing was chosen.
    """
    numberings = _numberings(manifest, labels)
    count = Counter(entry["category_id"] for entry in entries)
    chosen = choice or "dataset"
    known = numberings[chosen]
    unknown = next((n for n, entry in enumerate(entries) if entry["category_id"] not in known.ids), None)
    if unknown is None and (plain or choice):
        return {value: known.ids[value] for value in count}
    if choice is None and not plain:
        why = (
            "its image_id or file_name is not as in a COCO results file, so its category_id may not be either"
        )
    else:
        value = entries[unknown or 0]["category_id"]
        entry = f"entry {unknown} (counted from 0) has category_id {show(value)}"
        why = f"{entry}, which {known.owner} does not have"
        if choice is None or choice == "dataset":
            why += _shift_hint(count, known.ids)
    raise UserError(
        f"{where}: {why}; say what category_id is with category_ids: {_offers(numberings, count)}"
    )


@dataclass(frozen=True)
class _Numbering:
    """``owner``: for messages; ``ids``: the category id of each number; ``name``: what a number is called."""

    owner: str
    text: str
    ids: Mapping[int, int | None]
    name: Callable[[int], str]


def _numberings(manifest: Manifest, labels: Labels) -> dict[str, _Numbering]:
    classes = labels.classes
    model = f"the model with its {sum(map(bool, classes))} classes"
    names = {category.id: category.name for category in manifest.categories}
    names = names or {label + 1: name for label, name in enumerate(classes)}
    return {
        "dataset": _Numbering(
            f"data set {manifest.dataset}", "the data set's own ids", {i: i for i in names}, names.__getitem__
        ),
        "label": _Numbering(model, "classes from 0", _by_class(labels, 0), lambda value: classes[value]),
        "label_plus_one": _Numbering(
            model, "classes from 1", _by_class(labels, 1), lambda value: classes[value - 1]
        ),
    }


def _by_class(labels: Labels, start: int) -> dict[int, int | None]:
    """The category of each class, numbered from ``start``; without labels that have no class."""
    pairs = enumerate(zip(labels.classes, labels.labels, strict=True), start)
    return {number: category for number, (name, category) in pairs if name}


def _offers(numberings: Mapping[str, _Numbering], count: Counter[int]) -> str:
    """Each numbering with the number of entries that fit it, and what one number would be in it."""
    named = {
        value: [
            numbering.name(value) if value in numbering.ids else None for numbering in numberings.values()
        ]
        for value, _ in count.most_common()
    }
    # a number that is told apart, the most frequent one
    example = max(named, key=lambda value: len(set(named[value]) - {None}))
    offers = []
    for (name, numbering), text in zip(numberings.items(), named[example], strict=True):
        fitting = sum(times for value, times in count.items() if value in numbering.ids)
        said = "nothing" if text is None else repr(text)
        offers.append(
            f"{name} ({numbering.text}; {fitting} of {count.total()} entries fit, {show(example)} would be "
            f"{said})"
        )
    return ", ".join(offers)


def _shift_hint(used: Mapping[Any, Any], known: Mapping[int, Any]) -> str:
    """A hint if all ids would be known with each one more or one less; empty otherwise."""
    if not all(isinstance(value, int) for value in used):
        return ""
    for step in (1, -1):
        if all(value + step in known for value in used):
            return f" (every one would be known with {step:+d})"
    return ""
