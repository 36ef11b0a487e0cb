"""Map the labels of a model to the category ids of a data set, and decide what is scored."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from cutpoint.data.annotations import CleanAnnotations
from cutpoint.errors import UserError, did_you_mean
from cutpoint.records.manifest import Category, Manifest
from cutpoint.records.truth import LeftOut

# the number of names that a message shows
SHOWN = 12


def label_map(
    classes: Sequence[str],
    mapping: dict[str, str] | None,
    manifest: Manifest,
    *,
    order: str | None = None,
    trained_order: Sequence[str] | None = None,
    fixed: bool = False,
) -> list[int | None]:
    """Category id of each model class.

    Args:
        classes: the model's class names in channel order; the empty text for a label without a class. With
            one of those a label is the class's id.
        mapping: model class name to category name; several classes may map to one category; classes that are
            not listed are dropped; null means equal names.
        manifest: the data set's manifest, with categories in the order of the annotation file.
        order: what to do if the orders of classes and categories differ. ``names``: label i is
            ``classes[i]``; ``file``: label i is category number i of the file, counting only categories that
            the model has a class for (``CocoDataset.load_data_list`` and ``CocoMetric.compute_metrics``,
            mmdet 3.3.0, which take ``COCO.getCatIds(classes)``). Null: refused.
        trained_order: the categories of the training annotations in their order, if known.
        fixed: whether the names say which label is which, whatever the order of the categories.

    Returns:
        a category id per class, null for a class whose detections are dropped. Without annotations label + 1,
        or the label itself where it is an id.

    Raises:
        UserError: a name does not exist or appears twice, no class is a category, or the orders differ and
            ``order`` does not decide.
    """
    key, path = f"datasets.{manifest.dataset}", manifest.annotations
    if path is None:
        if mapping is not None:
            raise UserError(f"{key}.classes: only for a data set with annotations; use null")
        start = 0 if "" in classes else 1
        return [label if name else None for label, name in enumerate(classes, start=start)]
    twice = [name for name, count in Counter(classes).items() if count > 1 and name]
    if twice:
        raise UserError(
            f"{key}.classes: the model has several classes {twice[0]!r}, so that the name does not say which "
            "label; give each its own name in the model's metainfo.classes"
        )
    if order == "file" and "" in classes:
        raise UserError(
            f"{key}.label_order: file numbers labels by the file, and this model's are ids; use names"
        )
    ids = {category.name: category.id for category in manifest.categories}
    if mapping is not None:
        check_order_key(key, order, mapping)
        _check_mapping(key, path, classes, mapping, ids)
        return [ids[mapping[name]] if name in mapping else None for name in classes]
    in_file = [name for name in ids if name in set(classes)]
    if not in_file:
        first = next(iter(ids))
        raise UserError(
            f"{key}.classes is null, but the model has no class for any category of {path} (the first: "
            f"{first!r}); map the model's class names to category names{did_you_mean(first, classes)}"
        )
    if order is None and not fixed:
        _check_order(key, path, classes, in_file, trained_order)
    if order == "file":
        return [ids[name] for name in in_file] + [None] * (len(classes) - len(in_file))
    return [ids.get(name) for name in classes]


def check_order_key(key: str, order: str | None, mapping: Any) -> None:
    """Refuse ``label_order: file`` together with class names that are mapped by hand.

    Args:
        key: the data set's key in the config.
        order: its ``label_order``.
        mapping: its ``classes``.

    Raises:
        UserError: both would decide which label is which.
    """
    if order == "file" and mapping:
        raise UserError(
            f"{key}.label_order: file numbers labels by the file, and classes maps them by name; remove one"
        )


def scored_categories(
    annotations: CleanAnnotations,
    labels: Sequence[int | None],
    choice: str | None,
    where: str,
    classes: Sequence[str] = (),
) -> tuple[tuple[Category, ...], LeftOut]:
    """Decide which categories are scored.

    Args:
        annotations: of the images that are scored.
        labels: from ``label_map``.
        choice: what to do with categories that have boxes but no class. ``leave_out``: not scored, as in
            mmdet 3.3.0's ``CocoMetric``; ``count``: scored, AP 0; null: refused.
        where: the config key of the choice, for messages.
        classes: the model's class names, for messages.

    Returns:
        the scored categories in the file's order: those with a model class, and with ``count`` those with
        boxes; and what was left out. A category without boxes has no AP, and is not counted as left out.

    Raises:
        UserError: there are such categories, and no choice.
    """
    mapped = {label for label in labels if label is not None}
    boxes = Counter(annotations.category_id[~annotations.iscrowd].tolist())
    without = [c for c in annotations.categories if c.id not in mapped and boxes[c.id]]
    count = sum(boxes[category.id] for category in without)
    if without and choice is None:
        names = [category.name for category in without]
        total = len(annotations.categories)
        raise UserError(
            f"{where}: {len(without)} of {total} categories have boxes ({count}) and no model class: "
            f"{_show(names, names)}; set it to leave_out (not scored, as in mmdet) or count (scored, AP 0), "
            f"or map classes to them{did_you_mean(names[0], classes)}"
        )
    counted = {category.id for category in without} if choice == "count" else set()
    left = [category for category in without if category.id not in counted]
    kept = tuple(c for c in annotations.categories if c.id in mapped | counted)
    number = sum(boxes[category.id] for category in left)
    return kept, LeftOut(len(left), number, tuple(category.name for category in left))


def _check_mapping(
    key: str, path: str, classes: Sequence[str], mapping: dict[str, str], ids: dict[str, int]
) -> None:
    for name, category in mapping.items():
        if name not in classes:
            raise UserError(f"{key}.classes: the model has no class {name!r}{did_you_mean(name, classes)}")
        if category not in ids:
            raise UserError(
                f"{key}.classes: {path} has no category {category!r}{did_you_mean(category, ids)}"
            )


def _check_order(
    key: str, path: str, classes: Sequence[str], in_file: list[str], trained_order: Sequence[str] | None
) -> None:
    by_name = [name for name in classes if name in set(in_file)]
    trained = [name for name in trained_order or classes if name in set(classes)]
    if in_file != by_name:
        first = _first_difference(classes, in_file) or 0
        known = f"; the training annotations have {_show(trained, classes)}" if trained_order else ""
        raise UserError(
            f"{key}.label_order: {path} lists the categories in the order {_show(in_file, by_name)}, and the "
            f"model its classes in the order {_show(by_name, in_file)}{known}. mmdet numbers labels by the "
            f"file. Set it to names (label {first} is {classes[first]!r}, as the model's classes say) or to "
            f"file (label {first} is {in_file[first]!r}, as in mmdet's own test)"
        )
    place = _first_difference(classes, trained)
    if place is not None:
        raise UserError(
            f"{key}.label_order: the training annotations list the categories in the order "
            f"{_show(trained, classes)}, and the model its classes in the order {_show(classes, trained)}. "
            f"mmdet numbers labels by the file. Set it to names if label {place} is {classes[place]!r}, as "
            f"the model's classes say; if it is {trained[place]!r}, write which class is which category in "
            f"{key}.classes"
        )


def _first_difference(names: Sequence[str], other: Sequence[str]) -> int | None:
    pairs = enumerate(zip(names, other, strict=False))
    return next((place for place, (one, another) in pairs if one != another), None)


def _show(names: Sequence[str], other: Sequence[str]) -> str:
    """The names; for a long list, those from the first one that differs from the other list."""
    start = (_first_difference(names, other) or 0) if len(names) > SHOWN else 0
    shown = names[start : start + SHOWN]
    parts = [f"({start} more)"] if start else []
    parts += map(repr, shown)
    rest = len(names) - start - len(shown)
    return ", ".join(parts + ([f"({rest} more)"] if rest else []))
