"""Write a golden pack: a few images, and what a variant computes of them, stage by stage."""

import hashlib
import shutil
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from cutpoint.data.inputs import Definition
from cutpoint.errors import UserError, located
from cutpoint.files import write_json, write_text
from cutpoint.golden.bundle import bundle
from cutpoint.golden.choose import choose_images
from cutpoint.golden.mistakes import input_mistakes, reading_mistakes
from cutpoint.golden.readme import readme_of
from cutpoint.golden.stages import Source, input_facts, make_source, run_image
from cutpoint.golden.tolerances import tolerances_of
from cutpoint.predict.runtime import Session
from cutpoint.recipes.schema import write_steps
from cutpoint.records.detections import Refused, read_results
from cutpoint.records.json_file import FORMAT, KEY
from cutpoint.records.labels import read_labels
from cutpoint.records.manifest import Image, read_manifest

IMAGE_SIZES = "clip height, clip width, scale y, scale x (scale = resized / original)"


def write_pack(
    *,
    dataset: str,
    model: str,
    variant: str,
    onnx: str,
    manifest: str,
    labels: str,
    detections: str,
    provider: str,
    recipe: str | dict[str, Any],
    images: int,
    threads: int | None = None,
    input: Definition = "mmdet",
    tf32: bool = False,
    out: str,
) -> None:
    """Write the golden pack of a variant: ``pack.json``, an ``.npz`` per image, ``check.py``, ``README.md``.

    Args:
        dataset, model, variant: names, for people.
        onnx: ONNX file of the variant.
        manifest: of the data set that the images come from.
        labels: JSON of ``truth.map_labels``.
        detections: the variant's detections, by which images are chosen. If the variant is refused, the pack
            has the reason only.
        provider, threads, tf32: see ``runtime.Session``.
        recipe: the recipe's definition; not used where the graph ends in detections.
        images: how many images.
        input: definition of the input recipe; see ``inputs.resolve_input``.
        out: folder to write.

    Raises:
        UserError: the session cannot be opened, or an image cannot be read.
    """
    heading = {KEY: FORMAT, "dataset": dataset, "model": model, "variant": variant}
    Path(out).parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=Path(out).parent, prefix=".golden-") as name:
        folder = Path(name) / "pack"
        folder.mkdir()
        try:
            results = read_results(detections)
        except Refused as refused:
            content = {**heading, "refused": refused.reason}
        else:
            session = Session(onnx, provider, threads, tf32=tf32)
            source = make_source(session, input, recipe)
            chosen = choose_images(read_manifest(manifest).images, results, images, source.is_uneven)
            content = {**heading, **_write_images(folder, source, chosen, onnx)}
            content |= {"classes": list(session.spec.classes), "categories": list(read_labels(labels).labels)}
        write_json(folder / "pack.json", content)
        write_text(folder / "check.py", bundle())
        write_text(folder / "README.md", readme_of(content, folder))
        shutil.rmtree(out, ignore_errors=True)
        folder.rename(out)


def _write_images(folder: Path, source: Source, chosen: list[Image], onnx: str) -> dict[str, Any]:
    session = source.session
    steps = write_steps(source.recipe.steps)
    made = []
    for number, image in enumerate(chosen, start=1):
        with located(f"image id {image.id} ({image.path})"):
            one = run_image(source, image, number)
        made.append(one)
        np.savez_compressed(folder / f"{one.entry['name']}.npz", **one.arrays)  # type: ignore[arg-type]
        file = folder / one.entry["file"]
        file.parent.mkdir(exist_ok=True)
        shutil.copyfile(image.path, file)
    if not made:
        raise UserError("golden: the data set has no images; give one that has some")
    with open(onnx, "rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    spread = {name: max(one.spread[name] for one in made) for name in made[0].spread}
    runs = [one.runs for one in made]
    scale = min(min(one.entry["geometry"][f"scale_{axis}"] for axis in "xy") for one in made)
    first = made[0].arrays
    return {
        "cut": session.cut,
        "precision": session.precision,
        "provider": session.provider,
        "onnx": {"name": Path(onnx).name, "sha256": digest, "made_from": session.external},
        "batch": session.batch or 1,
        "arrays": {key: f"{array.dtype} {array.shape}" for key, array in first.items()},
        "other_inputs": {"image_sizes": IMAGE_SIZES} if "image_sizes" in first else {},
        "outputs": [key.partition(".")[2] for key in first if key.startswith("output.")],
        "input": input_facts(source),
        "kind": session.spec.head.kind,
        "floor": {key: value for key, value in asdict(session.spec.head.floor).items() if value is not None},
        "recipe": steps,
        "recipe_in_graph": session.recipe,
        "mistakes": {name: text for name, text, _ in input_mistakes(source.input, session.tensor)},
        "readings": {mistake.name: mistake.text for mistake in reading_mistakes(source.spec, session.cut)},
        "tolerances": tolerances_of(session.precision, spread, runs, source.by_prior, steps, scale),
        "images": [one.entry for one in made],
    }
