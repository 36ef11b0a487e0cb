"""Write drawn scenes as JPEG files and COCO JSON, and give training its own scenes."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from tqdm import trange

from cutpoint.demo.catalogue import SHOWN, TRAINING
from cutpoint.demo.categories import TABLES, category_id
from cutpoint.demo.scenes import Scene, make_scene
from cutpoint.files import write_json, write_text

JPEG_QUALITY = 85
SPLITS = {"train": 1, "validation": 2, "unlabelled": 3}
STYLE_NUMBERS = {"traffic": 1, "coco": 2}


def scene_seed(seed: int, style: str, split: str, index: int) -> list[int]:
    """Entropy of one scene; splits and styles never share a seed."""
    return [seed, STYLE_NUMBERS[style], SPLITS[split], index]


def draw_scenes(seed: int, style: str, split: str, count: int) -> Iterator[Scene]:
    """Draw ``count`` scenes in order, with a progress bar."""
    for index in trange(count, desc=f"{style} {split} scenes", unit="scene", mininterval=5):
        yield draw_scene(seed, style, split, index)


def draw_scene(seed: int, style: str, split: str, index: int) -> Scene:
    """Draw scene number ``index`` of a set; the first of ``validation`` has no object."""
    empty = True if split == "validation" and index == 0 else None
    styles = TRAINING if split == "train" else SHOWN
    return make_scene(scene_seed(seed, style, split, index), styles[style], empty)


def write_dataset(
    *,
    seed: int,
    style: str,
    split: str,
    count: int,
    images: str,
    annotations: str | None,
    slices: str,
) -> None:
    """Draw a data set: ``images/000001.jpg`` and on, COCO JSON, and the slices.

    Args:
        seed: the demo's seed.
        style: ``traffic`` or ``coco``: the mix of scenes and the category table.
        split: a key of ``SPLITS``.
        count: images to draw.
        images: folder, replaced as a whole.
        annotations: JSON file; None for a set without annotations.
        slices: CSV file with the light and the place of each image.
    """
    content: dict[str, Any] = {
        "info": {
            "description": f"Cutpoint demo, {style} scenes, generated with seed {seed}",
            "license": "Apache-2.0",
        },
        "images": [],
        "annotations": [],
        "categories": [{"id": key, "name": value} for key, value in TABLES[style].items()],
    }
    lines = ["image,name,value"]
    with _replaced_folder(Path(images)) as folder:
        scenes = draw_scenes(seed, style, split, count)
        for number, scene in enumerate(scenes, start=1):
            name = f"{number:06d}.jpg"
            write_jpeg(folder / name, scene.image)
            lines += [f"{name},light,{scene.light}", f"{name},place,{scene.place}"]
            height, width = scene.image.shape[:2]
            content["images"].append({"id": number, "file_name": name, "height": height, "width": width})
            for annotation in annotate(scene, style):
                key = len(content["annotations"]) + 1
                content["annotations"].append({"id": key, "image_id": number, **annotation})
    write_text(slices, "\n".join(lines) + "\n")
    if annotations is not None:
        write_json(annotations, content)


def annotate(scene: Scene, dataset: str) -> list[dict]:
    """COCO annotations without ids: box in pixels with one decimal, area its product."""
    annotations = []
    for thing in scene.objects:
        category = category_id(dataset, thing.name)
        if category is None:
            continue
        box = [round(float(value), 1) for value in thing.box]
        annotations.append(
            {
                "category_id": category,
                "bbox": box,
                "area": round(box[2] * box[3], 2),
                "iscrowd": int(thing.crowd),
            }
        )
    return annotations


def write_jpeg(path: Path, image: np.ndarray) -> None:
    """Encode ``(H, W, 3)`` uint8 BGR."""
    if not cv2.imwrite(str(path), image, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]):
        raise OSError(f"{path}: cannot be written")


@contextlib.contextmanager
def _replaced_folder(out: Path) -> Iterator[Path]:
    """A new folder that takes the place of ``out`` when all went well."""
    out.parent.mkdir(parents=True, exist_ok=True)
    new = Path(tempfile.mkdtemp(prefix=out.name + ".", dir=out.parent))
    try:
        yield new
        new.chmod(0o755)
        shutil.rmtree(out, ignore_errors=True)
        new.rename(out)
    finally:
        shutil.rmtree(new, ignore_errors=True)
