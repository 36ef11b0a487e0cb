"""Labels of a model, category ids of a data set: which is which, and what is scored."""

import difflib
from collections.abc import Iterable
from typing import Any

from cutpoint.errors import UserError


def label_map(
    classes: Iterable[str], mapping: dict[str, str] | None, manifest: dict[str, Any]
) -> list[int | None]:
    """Category id of each model class.

    Args:
        classes: the model's class names in channel order.
        mapping: model class name to category name, many to one allowed, classes left out are dropped; null
            means by name.
        manifest: the data set's manifest.

    Returns:
        per class a category id, null for a class whose detections are dropped; label + 1 without annotations.

    Raises:
        UserError: a name on either side that does not exist.
    """
    classes = list(classes)
    dataset, path = manifest["dataset"], manifest["annotations"]
    if path is None:
        if mapping is not None:
            raise UserError(f"datasets.{dataset}.classes: only for a data set with annotations; use null")
        return [label + 1 for label in range(len(classes))]
    ids = {category["name"]: category["id"] for category in manifest["categories"]}
    if mapping is None:
        unknown = sorted(set(ids) - set(classes))
        if unknown:
            raise UserError(
                f"datasets.{dataset}.classes is null, but the model has no class {unknown[0]!r} "
                f"({len(unknown)} categories of {path} without a class){_near(unknown[0], classes)}; map the "
                "model's class names to category names"
            )
        mapping = {name: name for name in classes if name in ids}
    for name, category in mapping.items():
        if name not in classes:
            raise UserError(
                f"datasets.{dataset}.classes: the model has no class {name!r}{_near(name, classes)}"
            )
        if category not in ids:
            raise UserError(
                f"datasets.{dataset}.classes: {path} has no category {category!r}{_near(category, ids)}"
            )
    return [ids[mapping[name]] if name in mapping else None for name in classes]


def _near(name: str, names: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, list(names), 1)
    return f"; did you mean {near[0]!r}" if near else ""
