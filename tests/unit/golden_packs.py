"""Golden packs of a small model, ports of them, and the checker as a user runs it."""

import io
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import replace
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import cv2
import msgspec
import numpy as np
from datasets import make_image, save_labels, save_manifest
from tracing import CLASSES, small_spec, write_picture, write_small

from cutpoint.data.image import decode, prepare
from cutpoint.export.cut import write_cut
from cutpoint.export.e2e import write_e2e
from cutpoint.golden.checker.rows import Rows
from cutpoint.golden.pack import write_pack
from cutpoint.predict.postprocess import postprocess
from cutpoint.predict.shard import predict_onnx
from cutpoint.recipes.apply import run_steps
from cutpoint.recipes.recipe import Recipe
from cutpoint.recipes.schema import read_steps
from cutpoint.records.candidates import Candidates
from cutpoint.records.image import Geometry, InputRecipe

SIZES = {7: (90, 150), 8: (150, 100), 9: (60, 120), 12: (120, 120)}
CATEGORIES = (3, 1, 8)
# runs a script, and fails if it has loaded a package besides numpy
ALONE = """
import runpy, sys, sysconfig
before = set(sys.modules)  # what the environment loads at its start
sys.argv = sys.argv[1:]
try:
    runpy.run_path(sys.argv[0], run_name="__main__")
finally:
    site = sysconfig.get_path("purelib")
    loaded = {name: getattr(sys.modules[name], "__file__", None) or "" for name in set(sys.modules) - before}
    others = {name.partition(".")[0] for name, file in loaded.items() if file.startswith(site)} - {"numpy"}
    assert not others and not any(name.startswith("cutpoint") for name in loaded), others
"""
COLUMNS = {
    "boxes": "boxes",
    "score": "scores",
    "label": "labels",
    "factor": "factors",
    "prior": "priors",
    "level": "levels",
}
Arrays = dict[str, np.ndarray]


def make_pack(
    folder: Path,
    cut: str,
    *,
    recipe: Any = "mmdet3",
    images: int = 3,
    made: Any = "own",
    write: Callable[[Path], dict[str, str]] = write_small,
    **export: Any,
) -> Path:
    """Write the pack of a variant of the small model with all that lies before it; returns the pack.

    ``write``: writes the model's trace and specification.
    """
    files = write(folder)
    onnx = str(folder / f"{cut}.onnx")
    if cut == "e2e":
        write_e2e(**files, out=onnx, **export)
    else:
        write_cut(**files, cut=cut, out=onnx, **export)
    rows = []
    for identity, (height, width) in SIZES.items():
        path = write_picture(folder / f"{identity}.png", height, width, seed=identity)
        rows.append(make_image(identity, path, height, width))
    manifest = save_manifest(folder / "manifest.json", rows)
    labels = save_labels(folder / "labels.json", CATEGORIES, CLASSES)
    run = {"out": str(folder / "0.parquet"), "out_images": str(folder / "0.images.parquet")}
    predict_onnx(
        model=onnx, manifest=manifest, provider="cpu", threads=1, shard=0, shards=1, input=made, **run
    )
    detections = str(folder / "detections.json")
    postprocess(
        predictions=[run["out"]],
        images=[run["out_images"]],
        spec=files["spec"],
        labels=labels,
        cut=cut,
        recipe=recipe,
        out=detections,
    )
    out = folder / "pack"
    write_pack(
        dataset="street",
        model="small",
        variant=cut,
        onnx=onnx,
        manifest=manifest,
        labels=labels,
        detections=detections,
        provider="cpu",
        recipe=recipe,
        images=images,
        input=made,
        threads=1,
        out=str(out),
    )
    return out


def read_pack(pack: Path) -> tuple[dict[str, Any], dict[str, Arrays]]:
    """``pack.json``, and the arrays by image."""
    content = json.loads((pack / "pack.json").read_text())
    return content, {
        image["name"]: dict(np.load(pack / f"{image['name']}.npz")) for image in content["images"]
    }


def write_port(folder: Path, arrays: dict[str, Arrays]) -> Path:
    """A port as a folder of .npz files."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for name, chosen in arrays.items():
        np.savez(folder / f"{name}.npz", **chosen)
    return folder


def port_of(folder: Path, pack: Path, keys: tuple[str, ...], change: Callable[[str, Arrays], Arrays]) -> Path:
    """A port that gives the arrays whose keys begin so, changed image by image."""
    _, arrays = read_pack(pack)
    chosen = {
        name: change(name, {key: array for key, array in given.items() if key.startswith(keys)})
        for name, given in arrays.items()
    }
    return write_port(folder, chosen)


def prepared(pack: Path, recipe: Any, name: str, shape: tuple[int, int] | None = None) -> np.ndarray:
    """The input tensor of an image of a pack by another input recipe."""
    content, _ = read_pack(pack)
    file = next(image["file"] for image in content["images"] if image["name"] == name)
    return prepare(decode(pack / file), recipe, shape)[0]


def check(pack: Path, port: Path, *options: str, script: Path | None = None) -> tuple[int, str]:
    """Run the pack's checker, or another pack's, in this process; the exit code, and what it prints."""
    printed = io.StringIO()
    with redirect_stdout(printed), redirect_stderr(printed):
        code = _load((script or pack / "check.py").read_text()).main([str(pack), str(port), *options])
    return code, printed.getvalue()


def check_alone(pack: Path, port: Path, *options: str) -> tuple[int, str]:
    """Run the pack's checker in a process of its own, without this package."""
    command = [sys.executable, "-I", "-c", ALONE, str(pack / "check.py"), str(pack), str(port), *options]
    done = subprocess.run(command, capture_output=True, text=True, cwd=pack.parent)
    return done.returncode, done.stdout + done.stderr


@cache
def _load(text: str) -> Any:
    module = ModuleType("check")
    exec(compile(text, "check.py", "exec"), module.__dict__)
    return module


def as_lists(arrays: dict[str, Arrays]) -> dict[str, dict[str, Any]]:
    """A port as JSON has it, nested by the dots of its keys."""
    content: dict[str, dict[str, Any]] = {}
    for name, given in arrays.items():
        for key, array in given.items():
            node = content.setdefault(name, {})
            *parents, last = key.split(".")
            for parent in parents:
                node = node.setdefault(parent, {})
            node[last] = array.tolist()
    return content


def picture(pack: Path, name: str) -> np.ndarray:
    """An image of a pack, ``(H, W, 3)`` uint8, red, green, blue."""
    content, _ = read_pack(pack)
    file = next(image["file"] for image in content["images"] if image["name"] == name)
    pixels: np.ndarray = cv2.imread(str(pack / file))[..., ::-1]
    return pixels


def same(name: str, arrays: Arrays) -> Arrays:
    """A port that gives our own arrays."""
    return arrays


def assert_differs(result: tuple[int, str], place: str, *words: str) -> None:
    """The checker names this stage first, and its reason has these words."""
    code, text = result
    assert code == 1, text
    assert f"DIFFERS first at: {place}\n" in text
    reason = text.partition("reason: ")[2].splitlines()[0]
    for word in words:
        assert word in reason, reason


def finish(
    pack: Path,
    steps: list[Any],
    change: Callable[[Candidates], Candidates] = lambda found: found,
    arrays: dict[str, Arrays] | None = None,
) -> dict[str, Rows]:
    """The final rows of each image by other steps of the package, from the pack's or other candidates."""
    content, own = read_pack(pack)
    arrays = arrays or own
    spec = replace(small_spec(), input=msgspec.convert(content["input"]["recipe"], InputRecipe))
    found = {}
    for image in content["images"]:
        given = arrays[image["name"]]
        read = change(Candidates(**{name: given[f"candidates.{key}"] for name, key in COLUMNS.items()}))
        sizes = {key: value for key, value in image["geometry"].items() if not key.startswith("clip_")}
        *_, last = read, *run_steps(Recipe(read_steps(steps)), read, Geometry(**sizes), spec)
        found[image["name"]] = Rows(last.boxes, last.score, last.label)
    return found


def as_port(folder: Path, found: dict[str, Rows]) -> Path:
    """A port that gives final rows alone."""
    return write_port(
        folder,
        {
            name: {f"detections.{column}": getattr(rows, column) for column in ("boxes", "scores", "labels")}
            for name, rows in found.items()
        },
    )


def as_results(
    path: Path, pack: Path, found: dict[str, Rows], label: Callable[[int], int] | None = None
) -> Path:
    """A port that gives final rows as COCO results; ``label``: a class's category, by default the pack's."""
    content, _ = read_pack(pack)
    label = label or content["categories"].__getitem__
    ids = {image["name"]: image["image_id"] for image in content["images"]}
    entries = [
        {
            "image_id": ids[name],
            "category_id": int(label(rows.labels[i])),
            "bbox": [float(v) for v in (*box[:2], *(box[2:] - box[:2]))],
            "score": float(rows.scores[i]),
        }
        for name, rows in found.items()
        for i, box in enumerate(rows.boxes)
    ]
    # another image of the whole data set, which the pack does not have
    entries.append({"image_id": 4711, "category_id": 1, "bbox": [0, 0, 5, 5], "score": 0.5})
    path.write_text(json.dumps(entries))
    return path


def changed(steps: list[Any], name: str, **parameters: Any) -> list[Any]:
    """The steps with other parameters of one kind."""
    return [{**step, **(parameters if step["step"] == name else {})} for step in steps]


def without(steps: list[Any], name: str) -> list[Any]:
    """The steps without one kind."""
    return [step for step in steps if step["step"] != name]
