"""The class names of a detector, and the order of the categories in its training data."""

import os
from pathlib import Path
from typing import Any

import numpy as np
from mmdet.datasets import CocoDataset
from mmdet.registry import DATASETS
from mmengine.config import Config, ConfigDict

from cutpoint.detector.checkpoint_file import read_checkpoint
from cutpoint.detector.testset import find_test_dataset, walk_datasets
from cutpoint.detector.typenames import find_type, type_name
from cutpoint.errors import UserError
from cutpoint.records.annotations import read_category_names

# the number of names that a message shows
SHOWN = 4


def find_class_names(
    model: str, config: Config, checkpoint: str | None, num_classes: int, choice: str | None = None
) -> list[str]:
    """Class names in channel order.

    Args:
        model: its name in Cutpoint's config, for messages.
        config: mmdet config; its names are ``metainfo.classes`` of the test data set, or else the default of
            the data set's class.
        checkpoint: its names are ``meta.dataset_meta.classes`` (mmdet 3) or ``meta.CLASSES`` (mmdet 2).
        num_classes: how many the head has.
        choice: whose names are used, ``checkpoint`` or ``config``. Null: the checkpoint's, which must equal
            ``metainfo.classes`` if both exist; or else the config's.

    Raises:
        UserError: the names differ and there is no choice, the choice has no names, or their number is not
            ``num_classes``.
    """
    own = _read_names(checkpoint) if checkpoint and choice != "config" else None
    dataset = find_test_dataset(config)
    written = _configured(dataset)
    key = f"models.{model}.class_names"
    where = f"metainfo.classes of the test data set in {config.filename}"
    if choice is None and own and written and own != written:
        fitting = [
            name for name, names in (("checkpoint", own), ("config", written)) if len(names) == num_classes
        ]
        advice = f" (the head has {num_classes}, as the {fitting[0]} has)" if len(fitting) == 1 else ""
        raise UserError(
            f"{key}: the names in the checkpoint {checkpoint} ({_show(own, written)}) differ from those in "
            f"{where} ({_show(written, own)}); set it to checkpoint or to config, whichever names the "
            f"classes that the weights were trained with{advice}"
        )
    if choice == "checkpoint" and not own:
        raise UserError(f"{key} is checkpoint, but {checkpoint} names no classes in its meta; use null")
    if own:
        names, source, mend = own, f"the checkpoint {checkpoint}", f"and {key} to config"
    else:
        names, source, mend = written or _default(dataset, where), where, ""
        if not written:
            source = f"the default of {type_name(dataset.type)} in {config.filename}"
    if len(names) != num_classes:
        raise UserError(
            f"models.{model}: the head has {num_classes} classes, but {source} names "
            f"{_show(names, ())}; set {where} to the {num_classes} names in the order of the head's "
            f"channels {mend}".rstrip()
        )
    return names


def trained_order(config: Config, classes: list[str]) -> list[str] | None:
    """The categories of the training annotations in the file's order. mmdet numbered the labels by it.

    ``CocoDataset.load_data_list`` (mmdet 3.3.0) numbers the categories that ``metainfo.classes`` names.

    Args:
        config: mmdet config.
        classes: the model's class names in channel order.

    Returns:
        null if label i is ``classes[i]`` in every training file, or if no such file is on this machine.
        If several files differ: the order of the first one.
    """
    # A plan does not hash these files: only mmengine, which runs the config, knows their paths, and a plan
    # runs no code of the user. After an edit of them: --forcerun describe_model.
    loader = config.get("train_dataloader") or {}
    for dataset, _ in walk_datasets(loader.get("dataset") if isinstance(loader, dict) else None):
        kind: Any = find_type(dataset.get("type"), DATASETS)
        if not kind or getattr(kind, "load_data_list", None) is not CocoDataset.load_data_list:
            continue
        path = os.path.join(dataset.get("data_root") or "", dataset.get("ann_file") or "")
        named = set(_configured(dataset) or getattr(kind, "METAINFO", {}).get("classes") or ())
        order = [name for name in _trained_categories(path) if name in named]
        if order != classes[: len(order)]:
            return order
    return None


def _read_names(checkpoint: str) -> list[str] | None:
    meta = read_checkpoint(checkpoint)["meta"]
    inner = meta.get("dataset_meta")
    inner = inner if isinstance(inner, dict) else {}
    found = [inner.get("classes"), inner.get("CLASSES"), meta.get("CLASSES")]
    value = next((entry for entry in found if entry is not None), None)
    return _as_names(value, f"checkpoint {checkpoint}: the class names in its meta")


def _configured(dataset: ConfigDict) -> list[str] | None:
    """``metainfo.classes``; a text is a file of names if there is one (``BaseDataset._load_metainfo``)."""
    value = (dataset.get("metainfo") or {}).get("classes")
    if isinstance(value, str) and os.path.isfile(value):
        value = Path(value).read_text(encoding="utf-8").splitlines()
    return _as_names(value, "metainfo.classes of the data set in the model's config")


def _as_names(value: Any, what: str) -> list[str] | None:
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict) and set(value) == set(range(len(value))):
        value = [value[index] for index in range(len(value))]
    value = value.tolist() if isinstance(value, np.ndarray) else value
    if value is not None and (
        not isinstance(value, list | tuple) or not all(isinstance(name, str) for name in value)
    ):
        raise UserError(f"{what} must be a list of texts, found {str(value)[:80]}")
    return [str(name) for name in value] if value else None


def _default(dataset: ConfigDict, where: str) -> list[str]:
    names = getattr(find_type(dataset.get("type"), DATASETS), "METAINFO", {}).get("classes")
    if not names:
        raise UserError(
            f"{where} is not set, and neither {type_name(dataset.type)} nor the checkpoint names the classes"
        )
    return [names] if isinstance(names, str) else list(names)


def _trained_categories(path: str) -> list[str]:
    """Category names of a COCO file in its order; empty if the file is missing or of another kind."""
    if not os.path.isfile(path):
        return []
    try:
        return read_category_names(path, f"training annotations {path}")
    except UserError as error:
        print(f"{error}; the order that the labels were trained in is unknown")
        return []


def _show(names: list[str], other: list[str] | tuple[str, ...]) -> str:
    """The number of names, and the first names from where the two lists differ."""
    pairs = enumerate(zip(names, other, strict=False))
    start = next((place for place, (one, another) in pairs if one != another), 0)
    shown = [repr(name) for name in names[start : start + SHOWN]]
    more = len(names) - start - len(shown)
    words = [f"{len(names)}: "] + ([f"{start} alike, then "] if start else [])
    return "".join(words) + ", ".join(shown) + (f" and {more} more" if more else "")
