"""Read a pack, and what a port gives: arrays of stages, or final detections in COCO results format."""

from __future__ import annotations

import json
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from cutpoint.golden.checker.rows import COLUMNS, Rows

UNREADABLE = (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile, zlib.error)
Arrays = dict[str, np.ndarray]


class BadInput(Exception):
    """The pack or the port cannot be read: one message that says where and how to mend it."""


def read_pack(folder: str) -> tuple[dict[str, Any], dict[str, Arrays]]:
    """A pack's ``pack.json``, and the arrays of each image by the image's name."""
    path = Path(folder) / "pack.json"
    if not path.is_file():
        raise BadInput(
            f"{folder}: not a golden pack, it has no pack.json; give the folder that check.py is in"
        )
    pack = _read_json(path)
    if not isinstance(pack, dict) or ("images" not in pack and "refused" not in pack):
        raise BadInput(f"{path}: not the pack.json of a golden pack; make the pack again")
    if "refused" in pack:
        raise BadInput(
            f"{path}: the variant has no detections ({pack['refused']}), so there is nothing to check"
        )
    arrays = {}
    for image in pack["images"]:
        file = Path(folder) / f"{image['name']}.npz"
        arrays[image["name"]] = _read_npz(file)
        lacking = [key for key in pack["arrays"] if key not in arrays[image["name"]]]
        if lacking:
            raise BadInput(f"{file}: no array {lacking[0]}; make the pack again")
    return pack, arrays


class Port:
    """What a port gives. ``arrays``: by image and key; ``results``: only detections, with categories."""

    def __init__(self, path: str, pack: dict[str, Any]) -> None:
        self.results = False
        self._pack = pack
        self._known = {*pack["arrays"], "pixels"}
        place = Path(path)
        if place.is_dir():
            found = list(self._of_folder(place))
        elif place.is_file():
            found = list(self._of_file(place))
        else:
            raise BadInput(
                f"{path}: no such file or folder; give the port's arrays (.npz, .npy) or one .json"
            )
        if not found:
            names = ", ".join(image["name"] for image in pack["images"])
            raise BadInput(
                f"{path}: nothing of the images {names} is in it; name the files as README.md says"
            )
        self.arrays: dict[str, Arrays] = {}
        for image, key, array, where in found:
            self.arrays.setdefault(image, {})[key] = self._checked(key, array, where)

    def rows(self, image: str, stage: str) -> Rows | None:
        """The rows of a stage, null if it is not given."""
        given = self.arrays.get(image, {})
        columns = {name: given[f"{stage}.{name}"] for name in COLUMNS if f"{stage}.{name}" in given}
        if not columns:
            return None
        for name in ("boxes", "scores", "labels"):
            if name not in columns:
                raise BadInput(
                    f"{image}: {stage}.{name} is missing beside {stage}.{next(iter(columns))}; add it"
                )
        count = len(columns["scores"])
        for name, array in columns.items():
            shape = (count, 4) if name == "boxes" else (count,)
            if array.shape != shape and not (count == 0 and array.size == 0):
                raise BadInput(f"{image}: {stage}.{name} has shape {array.shape}, expected {shape}")
        return Rows(**columns)

    def output_rows(self, image: str) -> Rows | None:
        """The rows that the outputs of a graph count, null if it is not given."""
        given = self.arrays.get(image, {})
        outputs = {name: given.get(f"output.{name}") for name in ("boxes", "scores", "labels", "count")}
        if all(array is None for array in outputs.values()):
            return None
        lacking = [name for name, array in outputs.items() if array is None]
        if lacking:
            raise BadInput(f"{image}: output.{lacking[0]} is missing beside the other outputs; add it")
        boxes, scores, labels, count = (np.asarray(array) for array in outputs.values())
        boxes = boxes.reshape(-1, boxes.shape[-1]) if boxes.ndim else boxes
        scores, labels, most = scores.ravel(), labels.ravel(), int(count.ravel()[0]) if count.size else 0
        if boxes.ndim != 2 or boxes.shape[1] != 4 or not len(boxes) == len(scores) == len(labels) >= most:
            raise BadInput(f"{image}: the outputs boxes, scores, labels and count do not fit each other")
        return Rows(boxes[:most], scores[:most], labels[:most])

    def _of_folder(self, folder: Path) -> Iterator[tuple[str, str, np.ndarray, str]]:
        for path in sorted(folder.rglob("*")):
            relative = path.relative_to(folder).as_posix()
            if path.suffix == ".npz":
                image = self._image(relative[: -len(".npz")])
                for key, array in (_read_npz(path) if image else {}).items():
                    yield str(image), key, array, f"{path}: {key}"
            elif path.suffix == ".npy":
                name, key = self._split(relative[: -len(".npy")])
                if name:
                    yield name, key, _load(path), str(path)

    def _split(self, name: str) -> tuple[str | None, str]:
        """``image1/input`` or ``image1.input``: the image and the key."""
        for mark in ("/", "."):
            start, _, rest = name.partition(mark)
            if rest and self._image(start):
                return self._image(start), rest.replace("/", ".")
        return None, ""

    def _of_file(self, path: Path) -> Iterator[tuple[str, str, np.ndarray, str]]:
        if path.suffix != ".json":
            raise BadInput(f"{path}: give a folder of .npz or .npy files, or one .json")
        content = _read_json(path)
        if isinstance(content, list):
            self.results = True
            yield from self._of_results(path, content)
            return
        if not isinstance(content, dict):
            raise BadInput(f"{path}: neither a mapping of images nor a list of results")
        images = content.get("images", content)
        if not isinstance(images, dict):
            raise BadInput(f"{path}: `images` must map an image's name to its arrays")
        for name, stages in images.items():
            image = self._image(name)
            if image:
                for key, value in _flatten(stages, str(path)):
                    yield image, key, _as_array(value, f"{path}: {name}: {key}"), f"{path}: {name}: {key}"

    def _of_results(self, path: Path, content: list[Any]) -> Iterator[tuple[str, str, np.ndarray, str]]:
        """COCO results; an image with no entry has no detections, if another image of the pack has some."""
        found: dict[str, list[tuple[Any, Any, Any]]] = {image["name"]: [] for image in self._pack["images"]}
        seen = False
        for number, entry in enumerate(content):
            try:
                image = self._image(entry["image_id"])
                row = entry["bbox"], entry["score"], entry["category_id"]
            except (KeyError, TypeError):
                raise BadInput(
                    f"{path}: entry {number}: image_id, category_id, bbox and score are needed"
                ) from None
            if image:
                seen = True
                found[image].append(row)
        if not seen:
            ids = ", ".join(str(image["image_id"]) for image in self._pack["images"])
            raise BadInput(f"{path}: no entry has an image_id of the pack ({ids})")
        for image, rows in found.items():
            where = f"{path}: {image}"
            boxes = _as_array([row[0] for row in rows], f"{where}: bbox")
            if rows and boxes.shape != (len(rows), 4):
                raise BadInput(f"{where}: bbox has shape {boxes.shape[1:]}, expected 4 numbers")
            boxes = boxes.reshape(-1, 4).astype(np.float64)
            boxes[:, 2:] += boxes[:, :2]
            yield image, "detections.boxes", boxes, f"{where}: bbox"
            yield image, "detections.scores", _as_array([row[1] for row in rows], where), f"{where}: score"
            yield (
                image,
                "detections.labels",
                _as_array([row[2] for row in rows], where),
                f"{where}: category_id",
            )

    def _image(self, name: Any) -> str | None:
        """The pack's name of an image, from its name, its file with or without ending, or its id."""
        for image in self._pack["images"]:
            file = Path(image["file"])
            if str(name) in (image["name"], file.name, file.stem) or str(name) == str(image["image_id"]):
                return str(image["name"])
        return None

    def _checked(self, key: str, array: np.ndarray, where: str) -> np.ndarray:
        if key not in self._known and key.rpartition(".")[2] not in ("factors", "priors", "levels", "ids"):
            raise BadInput(f"{where}: {key!r} is no key of this pack; README.md has the table of keys")
        if array.dtype.kind not in "fiub":
            raise BadInput(f"{where}: {array.dtype} values; numbers are needed")
        if not np.isfinite(array).all():
            raise BadInput(f"{where}: NaN or infinity; compare the stage before it, or mend the export")
        return array


def _flatten(node: Any, where: str, prefix: str = "") -> Iterator[tuple[str, Any]]:
    if not isinstance(node, dict):
        raise BadInput(f"{where}: an image must map the keys of stages to arrays")
    for key, value in node.items():
        if isinstance(value, dict):
            yield from _flatten(value, where, f"{prefix}{key}.")
        else:
            yield prefix + key, value


def _as_array(values: Iterable[Any], where: str) -> np.ndarray:
    try:
        array = np.array(values)
    except ValueError as error:
        raise BadInput(f"{where}: not an array of numbers ({error})") from None
    return array if array.size else array.astype(np.float64)


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BadInput(f"{path}: cannot be read as JSON ({error})") from None


def _read_npz(path: Path) -> Arrays:
    loaded = _load(path)
    return loaded if isinstance(loaded, dict) else {"array": loaded}


def _load(path: Path) -> Any:
    """The array of a .npy file, all arrays of a .npz file."""
    try:
        loaded = np.load(path, allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            return loaded
        with loaded:
            return {key: loaded[key] for key in loaded.files}
    except UNREADABLE as error:
        raise BadInput(f"{path}: cannot be read ({error}); write or copy it again") from None
