"""The data sets of a config's loaders, without their wrappers."""

from collections.abc import Iterator
from typing import Any

from mmdet.registry import DATASETS
from mmengine.config import Config, ConfigDict

from cutpoint.detector.typenames import own_name, type_name
from cutpoint.errors import UserError

# Wrappers that pass on the images of other data sets without changing them.
WRAPPERS = ("ConcatDataset", "RepeatDataset", "ClassBalancedDataset", "MultiImageMixDataset")
# the keys under which a data set holds others
INNER = ("datasets", "dataset")


def walk_datasets(dataset: Any) -> Iterator[tuple[ConfigDict, list[ConfigDict]]]:
    """Every plain data set of a loader, with the wrappers around it, the outermost first.

    Args:
        dataset: a loader's ``dataset``, or a list of them; anything else yields nothing.
    """
    if isinstance(dataset, list | tuple):
        for part in dataset:
            yield from walk_datasets(part)
    elif isinstance(dataset, dict):
        inner = next((dataset[key] for key in INNER if key in dataset), None)
        if inner is None:
            yield dataset, []
        for plain, wrappers in walk_datasets(inner):
            yield plain, [dataset, *wrappers]


def list_test_datasets(config: Config) -> list[ConfigDict]:
    """Every plain data set that ``test_dataloader`` reads, without wrappers.

    Args:
        config: an mmdet config; its ``test_dataloader`` may be a list of them.

    Raises:
        UserError: a loader has no data set, or a wrapper changes images.
    """
    loaders = config.get("test_dataloader")
    datasets: list[ConfigDict] = []
    for loader in loaders if isinstance(loaders, list | tuple) else [loaders]:
        if not loader or not loader.get("dataset"):
            raise UserError("test_dataloader: it has no dataset; give it one with a pipeline")
        for dataset, wrappers in walk_datasets(loader["dataset"]):
            for wrapper in wrappers:
                _check_wrapper(wrapper)
            datasets.append(dataset)
    if not datasets:
        raise UserError("test_dataloader: it has no dataset; give it one with a pipeline")
    return datasets


def find_test_dataset(config: Config) -> ConfigDict:
    """The only data set, or the first of several with the same pipeline and classes.

    Raises:
        UserError: several data sets differ in these.
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
        UserError: there is no pipeline, or several data sets have different ones.
    """
    pipeline: list[dict[str, Any]] | None = find_test_dataset(config).get("pipeline")
    if not pipeline:
        raise UserError("test_dataloader: its dataset has no pipeline; give it one")
    return pipeline


def _check_wrapper(dataset: ConfigDict) -> None:
    kind = dataset.get("type")
    if own_name(kind, DATASETS) not in WRAPPERS:
        inner = next(key for key in INNER if key in dataset)
        raise UserError(
            f"test_dataloader: data set {type_name(kind)} holds others under `{inner}`, and what it does "
            f"with their images is unknown; known: {', '.join(WRAPPERS)}"
        )
    if dataset.get("pipeline"):
        raise UserError(
            f"test_dataloader: {type_name(kind)} has a pipeline of its own; keep that of the data set in it"
        )
