"""A dressed file through the package's own functions, from recognising it to its AP."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx

from cutpoint.data.manifest import build_manifest
from cutpoint.data.truth import build_truth, map_labels
from cutpoint.evaluate.coco import evaluate
from cutpoint.export.import_external import import_external
from cutpoint.files import read_json
from cutpoint.layouts.classes import read_class_names
from cutpoint.layouts.facts import read_facts
from cutpoint.layouts.recognise import recognise
from cutpoint.predict.postprocess import postprocess
from cutpoint.predict.shard import predict_onnx
from cutpoint.records.classes import Classes, write_classes
from cutpoint.records.model import METADATA_KEY

Given = Sequence[str] | Mapping[int, str] | str | None


@dataclass(frozen=True)
class Reading:
    """What a config says of a variant. ``layout`` null: recognised; ``classes`` null: the file's."""

    layout: str | None = None
    input: str | dict[str, Any] = "own"
    recipe: str | dict[str, Any] = "mmdet3"
    classes: Given = None
    written: dict[str, Any] = field(default_factory=dict)
    batch: int = 1


@dataclass(frozen=True)
class Result:
    """``source``: the file as it was; ``onnx``: as imported."""

    layout: str
    detections: list[dict[str, Any]]
    metrics: dict[str, Any]
    spec: str
    onnx: str
    source: str


def draw_data(
    folder: Path, images: Mapping[int, np.ndarray], names: Sequence[str], boxes: Sequence[Any]
) -> str:
    """A data set of drawn images, category ids from 1; the path of its manifest.

    ``boxes``: COCO results, the ground truth.
    """
    (folder / "images").mkdir()
    for image_id, image in images.items():
        cv2.imwrite(str(folder / "images" / f"{image_id}.png"), image)
    annotations = [
        {key: box[key] for key in ("image_id", "category_id", "bbox")}
        | {"id": number, "area": box["bbox"][2] * box["bbox"][3], "iscrowd": 0}
        for number, box in enumerate(boxes, start=1)
    ]
    content = {
        "images": [
            {"id": number, "file_name": f"{number}.png", "height": image.shape[0], "width": image.shape[1]}
            for number, image in images.items()
        ],
        "categories": [{"id": number, "name": name} for number, name in enumerate(names, start=1)],
        "annotations": annotations,
    }
    (folder / "instances.json").write_text(json.dumps(content), encoding="utf-8")
    return make_manifest(folder / "images", folder / "instances.json", folder / "manifest.json")


def make_manifest(images: Path, annotations: Path, out: Path, limit: int | None = None) -> str:
    build_manifest(dataset="d", images=str(images), annotations=str(annotations), limit=limit, out=str(out))
    return str(out)


def read_metadata(path: str) -> dict[str, Any]:
    """The package's own entry in the metadata of an imported file."""
    entries = {entry.key: entry.value for entry in onnx.load(path, load_external_data=False).metadata_props}
    return json.loads(entries[METADATA_KEY])


def run(model: onnx.ModelProto, reading: Reading, manifest: str, folder: Path) -> Result:
    """Detections and metrics of a file as the package reads it; everything is written below ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    theirs, ours, spec = (str(folder / name) for name in ("theirs.onnx", "ours.onnx", "spec.json"))
    onnx.save(model, theirs)
    facts = read_facts(theirs)
    given = reading.classes
    names = None if given is None else read_class_names(given, facts, "models.m.classes")
    layout = reading.layout or recognise(facts, theirs, names).layout
    names = names or read_class_names(None, facts, "models.m.classes")
    named, written = str(folder / "classes.json"), reading.written
    write_classes(named, Classes("m", tuple(names), fixed=True))
    if isinstance(reading.input, dict):
        written = {"input": reading.input, **written}
    import_external(
        model="m",
        onnx=theirs,
        layout=reading.layout,
        written=written,
        classes=named,
        candidate_floor=None,
        out=ours,
        out_spec=spec,
    )
    shard = {"out": str(folder / "0.parquet"), "out_images": str(folder / "0.images.parquet")}
    predict_onnx(
        model=ours,
        manifest=manifest,
        provider="cpu",
        threads=1,
        shard=0,
        shards=1,
        input=reading.input,
        batch=reading.batch,
        **shard,
    )
    labels, truth, detections, metrics = (
        str(folder / f"{name}.json") for name in ("labels", "truth", "detections", "metrics")
    )
    map_labels(manifest=manifest, spec=named, classes=None, order=None, out=labels)
    choices = {"invalid_boxes": None, "categories_without_class": None}
    build_truth(manifest=manifest, labels=labels, **choices, out=truth)
    postprocess(
        predictions=[shard["out"]],
        images=[shard["out_images"]],
        spec=spec,
        labels=labels,
        cut=read_metadata(ours)["cut"],
        recipe=reading.recipe,
        out=detections,
    )
    evaluate(truth=truth, detections=detections, out=metrics)
    return Result(layout, read_json(detections), read_json(metrics), spec, ours, theirs)
