"""Check the plan's files before any job runs; files that are still to be fetched are left to the jobs."""

import hashlib
import importlib.util
import json
import os
import shlex
import time
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any, Protocol

from cutpoint.errors import Gathered, UserError, did_you_mean, suggest
from cutpoint.onnx_file import check_onnx_file
from cutpoint.plan.closure import config_files
from cutpoint.plan.dataset import Dataset
from cutpoint.plan.digests import Digests
from cutpoint.plan.evaluations import Evaluation, Model
from cutpoint.plan.variants import ResultsVariant, Variant
from cutpoint.records.annotations import read_category_names

# names of lists of classes, which are not paths
CLASS_LISTS = ("coco80", "coco91")
# A network file system has a clock of its own.
CLOCK_TOLERANCE_S = 5
# annotations/instances_val2017.json of COCO
VAL2017_BYTES = 19_987_840
VAL2017_SHA256 = "e8c7f7908f1d7278341fae127d0da654f102f11bd7b21d8aeefa635b8c810b6f"


class Checked(Protocol):
    """What has files: a plan, or the parts of one that could be resolved."""

    @property
    def models(self) -> Sequence[Model]:
        """The models that are evaluated."""

    @property
    def datasets(self) -> Sequence[Dataset]:
        """The data sets that are used."""

    @property
    def variants(self) -> Sequence[Variant]:
        """The variants that are evaluated."""

    @property
    def numbered(self) -> Sequence[tuple[int, Evaluation]]:
        """The evaluations, each with its position in the config."""


def check_files(plan: Checked, sources: Collection[str], digests: Digests) -> None:
    """Check every path of a plan, and the parts of the files that are quick to read.

    Args:
        plan: the resolved config.
        sources: paths that are fetched when they are missing.
        digests: remember what is read of large files.

    Raises:
        UserError: all problems.
    """
    found = Gathered()
    for model in plan.models:
        with found.one():
            _check_model(model, sources)
    for dataset in plan.datasets:
        with found.one():
            _check_dataset(dataset, sources, digests)
    for variant in plan.variants:
        with found.one():
            _check_variant(variant, sources)
    for index, evaluation in plan.numbered:
        with found.one():
            if evaluation.published_ap is not None:
                _check_published(f"evaluations[{index}].published_ap", evaluation, sources)
    found.stop()


def _check_model(model: Model, sources: Collection[str]) -> None:
    where = f"models.{model.name}"
    if model.config is None or model.checkpoint is None:
        _check_classes(f"{where}.classes", json.loads(model.classes), sources)
        return
    found = Gathered()
    with found.one():
        if "::" in model.config:
            _check_shipped(f"{where}.config", model.config)
        else:
            check_path(f"{where}.config", model.config, "file", ())
            config_files(model.config)
    with found.one():
        check_path(f"{where}.checkpoint", model.checkpoint, "file", sources)
    found.stop()


def _check_classes(where: str, classes: Any, sources: Collection[str]) -> None:
    """Check the path of a file with class names; other forms are checked when they are read."""
    if isinstance(classes, str) and classes not in CLASS_LISTS:
        check_path(where, classes, "file", sources)


def _check_shipped(where: str, config: str) -> None:
    package, _, relative = config.partition("::")
    # find_spec does not import mmdet, which takes seconds
    spec = importlib.util.find_spec("mmdet")
    if spec is None or spec.origin is None:
        raise UserError(f"{where}: {config!r}: mmdet is not installed; run `make setup`")
    folder = Path(spec.origin).parent / ".mim" / "configs"
    if package != "mmdet":
        raise UserError(
            f"{where}: {config!r}: only configs of mmdet are known by name; write mmdet::folder/file.py"
        )
    if not (folder / relative).is_file():
        known = [path.relative_to(folder).as_posix() for path in folder.glob("*/*.py")]
        raise UserError(
            f"{where}: the installed mmdet has no config {relative!r}{did_you_mean(relative, known)}"
        )


def _check_dataset(dataset: Dataset, sources: Collection[str], digests: Digests) -> None:
    where, found = f"datasets.{dataset.name}", Gathered()
    files = (("images", "folder"), ("annotations", "file"), ("slices", "file"))
    for key, kind in files:
        path = getattr(dataset, key)
        if key == "annotations" and dataset.converted_from:
            # a file or a folder: the reader of the format says which
            path = dataset.converted_from
            kind = "folder" if Path(path).is_dir() else kind
        with found.one():
            if path:
                check_path(f"{where}.{key}", path, kind, sources)
    with found.one():
        # the categories of a file that is converted are known later
        if dataset.classes and not dataset.converted_from:
            _check_mapped(where, dataset.annotations, dataset.classes, digests)
    found.stop()


def _check_mapped(
    where: str, annotations: str | None, classes: Sequence[tuple[str, str]], digests: Digests
) -> None:
    """Refuse a class map to categories that the annotations do not have."""
    if not annotations:
        raise UserError(f"{where}.classes: only a data set with annotations has categories; set it to null")
    if not Path(annotations).is_file():
        return
    place = f"{where}.annotations {annotations}"
    categories = digests.remember("categories", annotations, lambda path: read_category_names(path, place))
    found = Gathered()
    for name, category in classes:
        with found.one():
            if category not in categories:
                raise UserError(
                    f"{where}.classes.{name}: {annotations} has no category {category!r}"
                    f"{suggest(category, categories)}"
                )
    found.stop()


def _check_variant(variant: Variant, sources: Collection[str]) -> None:
    if isinstance(variant, ResultsVariant):
        check_path(f"variants.{variant.name}.results", variant.results, "file", sources)
    elif variant.export.external:
        path = variant.export.external.path
        check_path(f"variants.{variant.name}.onnx", path, "file", sources)
        if Path(path).exists():
            check_onnx_file(path)


def _check_published(where: str, evaluation: Evaluation, sources: Collection[str]) -> None:
    dataset = evaluation.dataset
    if dataset.limit is not None:
        raise UserError(
            f"{where}: it holds for all images, but datasets.{dataset.name}.limit is set; remove one of them"
        )
    path = dataset.converted_from or dataset.annotations
    if path and not Path(path).is_file() and path in sources:
        return
    if not path or dataset.converted_from or not _is_val2017(Path(path)):
        raise UserError(
            f"{where}: it is allowed only with COCO val2017's own annotations, and {path or 'null'} is not "
            "instances_val2017.json (sha256 differs); set it to null"
        )


def _is_val2017(path: Path) -> bool:
    if path.stat().st_size != VAL2017_BYTES:
        return False
    return hashlib.sha256(path.read_bytes()).hexdigest() == VAL2017_SHA256


def check_path(where: str, path: str, kind: str, sources: Collection[str]) -> None:
    """Refuse a path that is not there and is not fetched, or that is from the future.

    Args:
        where: the key in the config.
        path: as it stands there.
        kind: ``file`` or ``folder``.
        sources: paths that are fetched when they are missing.

    Raises:
        UserError: begins with ``where``, and names a similar path that exists.
    """
    place = Path(path)
    if path in sources and not place.exists():
        return
    if place.is_dir() if kind == "folder" else place.is_file():
        _check_time(where, place)
        return
    if place.exists():
        raise UserError(f"{where}: {path} is not a {kind}")
    upper = place.parent
    beside = [str(upper / name) for name in os.listdir(upper)] if upper.is_dir() else []
    raise UserError(
        f"{where}: no {kind} {path} (looked from {Path.cwd()}, beside the Snakefile, and among the paths "
        f"of data/sources.tsv){did_you_mean(path, [*beside, *sources])}"
    )


def _check_time(where: str, place: Path) -> None:
    """Snakemake refuses results that are older than what they are made from."""
    stamp = place.stat().st_mtime
    if stamp > time.time() + CLOCK_TOLERANCE_S:
        when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(stamp))
        raise UserError(
            f"{where}: {place} is from the future ({when} by this machine's clock), so every result would be "
            f"older than it; if the clock is right, give it today's time: touch {shlex.quote(str(place))}"
        )
