"""The data set of a config's ``test_dataloader``, below its wrappers."""

from typing import Any

from mmdet.registry import DATASETS
from mmengine.config import Config, ConfigDict

from cutpoint.detector.typenames import own_name, type_name
from cutpoint.errors import UserError

# Data sets that pass the images of others on as they are; the key that holds those.
WRAPPERS = {
    "ConcatDataset": "datasets",
    "RepeatDataset": "dataset",
    "ClassBalancedDataset": "dataset",
    "MultiImageMixDataset": "dataset",
}


def list_test_datasets(config: Config) -> list[ConfigDict]:
    """Every plain data set that ``test_dataloader`` reads, wrappers taken off.

    Args:
        config: an mmdet config; its ``test_dataloader`` may be a list of them.

    Raises:
        UserError: a loader without a data set, or a wrapper that changes images.
    """
    loaders = config.get("test_dataloader")
    found: list[ConfigDict] = []
    for loader in loaders if isinstance(loaders, list | tuple) else [loaders]:
        if not loader or not loader.get("dataset"):
            raise UserError("test_dataloader: it has no dataset; give it one with a pipeline")
        found += _unwrapped(loader["dataset"])
    if not found:
        raise UserError("test_dataloader: it has no dataset; give it one with a pipeline")
    return found


def find_test_dataset(config: Config) -> ConfigDict:
    """The one data set, or the first of several that have the same pipeline and classes.

    Raises:
        UserError: several that differ in these.
    """
    first, *others = list_test_datasets(config)
    for key in ("pipeline", "metainfo"):
        if any(other.get(key) != first.get(key) for other in others):
            raise UserError(
                f"test_dataloader: its {1 + len(others)} data sets differ in `{key}`; keep one of them"
            )
    return first


def find_test_pipeline(config: Config) -> list[dict[str, Any]]:
    """The steps of the test pipeline.

    Raises:
        UserError: none, or several data sets with different ones.
    """
    pipeline = find_test_dataset(config).get("pipeline")
    if not pipeline:
        raise UserError("test_dataloader: its dataset has no pipeline; give it one")
    return pipeline


def _unwrapped(dataset: ConfigDict) -> list[ConfigDict]:
    kind = dataset.get("type")
    key = WRAPPERS.get(own_name(kind, DATASETS) or "")
    if key is None:
        inner = next((name for name in ("dataset", "datasets") if name in dataset), None)
        if inner:
            raise UserError(
                f"test_dataloader: data set {type_name(kind)} holds others under `{inner}`, and what it does "
                f"with their images is unknown; known: {', '.join(WRAPPERS)}"
            )
        return [dataset]
    if dataset.get("pipeline"):
        raise UserError(
            f"test_dataloader: {type_name(kind)} has a pipeline of its own; keep that of the data set in it"
        )
    inner = dataset.get(key) or []
    parts = inner if isinstance(inner, list | tuple) else [inner]
    return [leaf for part in parts for leaf in _unwrapped(part)]
