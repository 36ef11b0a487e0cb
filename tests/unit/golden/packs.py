"""Golden packs of a small model, ports of them, and the checker as a user runs it."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from datasets import make_image, save_labels, save_manifest
from tracing import CLASSES, small_spec, write_picture, write_small

from cutpoint.export.cut import write_cut
from cutpoint.export.e2e import write_e2e
from cutpoint.golden.pack import write_pack
from cutpoint.predict.postprocess import postprocess
from cutpoint.predict.shard import predict_onnx

SIZES = {7: (90, 150), 8: (150, 100), 9: (60, 120), 12: (120, 120)}
CATEGORIES = (3, 1, 8)
Arrays = dict[str, np.ndarray]


def make_pack(
    folder: Path, cut: str, *, recipe: Any = "mmdet3", images: int = 3, made: Any = "own", **export: Any
) -> Path:
    """Write the pack of a variant of the small model with all that lies before it; returns the pack."""
    files = write_small(folder, small_spec())
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
    from cutpoint.data.image import decode, prepare

    content, _ = read_pack(pack)
    file = next(image["file"] for image in content["images"] if image["name"] == name)
    return prepare(decode(pack / file), recipe, shape)[0]


def check(pack: Path, port: Path, *options: str, script: Path | None = None) -> tuple[int, str]:
    """Run the pack's checker alone, or another pack's; the exit code, and what it prints."""
    command = [sys.executable, "-I", str(script or pack / "check.py"), str(pack), str(port), *options]
    done = subprocess.run(command, capture_output=True, text=True, cwd=pack.parent)
    return done.returncode, done.stdout + done.stderr


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
