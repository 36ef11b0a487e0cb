"""Shards 1, 3 and 16 of a few images: the same bytes of detections and of all that is made of them."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from imported import columns, detections, maps, write_imported
from scoring import make_scoring

from cutpoint.compare.autopsy import Side, autopsy
from cutpoint.compare.bootstrap import sample_ap
from cutpoint.compare.comparison import compare
from cutpoint.compare.operating_points import measure_operating_points
from cutpoint.data.manifest import build_manifest
from cutpoint.evaluate.coco import evaluate
from cutpoint.predict.merge import merge_detections
from cutpoint.predict.postprocess import postprocess
from cutpoint.predict.shard import predict_onnx

IMAGES = 7
# recipes that keep fewer boxes; that of e2e is part of the file
STRICT: dict[str, str | dict[str, str | float]] = {
    "decoded": {"base": "mmdet3", "max_per_img": 5},
    "raw": {"base": "mmdet3", "score_thr": 0.3},
    "e2e": "mmdet3",
}


@pytest.fixture(scope="module")
def street(tmp_path_factory):
    folder = tmp_path_factory.mktemp("street")
    (folder / "images").mkdir()
    images, boxes = [], []
    for number in range(1, IMAGES + 1):
        height, width = 40 + 7 * number, 57
        pixels = np.random.default_rng(number).integers(0, 256, (5, 7, 3), np.uint8)
        pixels = cv2.resize(pixels, (width, height), interpolation=cv2.INTER_CUBIC)
        cv2.imwrite(str(folder / f"images/{number}.png"), pixels)
        images.append({"id": 10 * number, "file_name": f"{number}.png", "height": height, "width": width})
        for category in (1, 2, 3):
            box = {"image_id": 10 * number, "category_id": category, "bbox": [5 * category, 9, 30, 25]}
            boxes.append(box | {"id": len(boxes) + 1, "area": 750, "iscrowd": 0})
    classes = [{"id": n, "name": name} for n, name in enumerate(("car", "bus", "person"), start=1)]
    content = {"images": images, "annotations": boxes, "categories": classes}
    (folder / "instances.json").write_text(json.dumps(content))
    manifest = str(folder / "manifest.json")
    own = {"images": str(folder / "images"), "annotations": str(folder / "instances.json"), "limit": None}
    build_manifest(dataset="street", **own, out=manifest)
    return manifest


def run(folder, street, source, cut, batch, shards):
    """All files of two variants, one the reference, as the workflow makes them; and the images' order."""
    folder.mkdir()
    model, spec = source
    labels, truth = make_scoring(street, spec)
    predictions = [str(folder / f"{n}.parquet") for n in range(shards)]
    images = [str(folder / f"{n}.images.parquet") for n in range(shards)]
    for shard in range(shards):
        predict_onnx(
            model=model,
            manifest=street,
            provider="cpu",
            threads=2,
            shard=shard,
            shards=shards,
            input="own",
            batch=batch,
            out=predictions[shard],
            out_images=images[shard],
        )
    common = {"spec": spec, "labels": labels, "cut": cut}
    recipes = {"plain": "mmdet3", "strict": STRICT[cut]}
    for name, recipe in recipes.items():
        out = str(folder / f"{name}.json")
        if shards == 1:
            postprocess(**common, predictions=predictions, images=images, recipe=recipe, out=out)
        else:
            parts = [str(folder / f"{name}-{shard}.json") for shard in range(shards)]
            for shard, part in enumerate(parts):
                own = {"predictions": [predictions[shard]], "images": [images[shard]], "out": part}
                postprocess(**common, **own, recipe=recipe, part=True)
            merge_detections(parts=parts, out=out)
        evaluate(truth=truth, detections=out, out=str(folder / f"{name}.metrics"))
        sample_ap(truth=truth, detections=out, out=str(folder / f"{name}.samples"), resamples=20)
    files = {name: str(folder / f"{name}.json") for name in recipes}
    sides = {
        name: Side(files[name], tuple(predictions), tuple(images), spec=spec, recipe=recipe)
        if cut != "e2e"
        else Side(files[name])
        for name, recipe in recipes.items()
    }
    explained = str(folder / "autopsy.parquet")
    autopsy(reference=sides["plain"], variant=sides["strict"], manifest=street, labels=labels, out=explained)
    compare(
        reference_name="plain",
        manifest=street,
        reference=files["plain"],
        variant=files["strict"],
        reference_spec=spec,
        variant_spec=spec,
        reference_samples=str(folder / "plain.samples"),
        variant_samples=str(folder / "strict.samples"),
        autopsy=explained,
        recipes=list(recipes.values()),
        margin=0.001,
        corner_px=0.1,
        score=0.001,
        out=str(folder / "comparison.json"),
    )
    measure_operating_points(
        truth=truth, reference=files["plain"], variant=files["strict"], out=str(folder / "points.json")
    )
    made = [f"{name}.{ending}" for name in recipes for ending in ("json", "metrics", "samples")]
    made += ["autopsy.parquet", "comparison.json", "points.json"]
    return {name: (folder / name).read_bytes() for name in made}


@pytest.mark.parametrize(
    ("ending", "cut", "batch"),
    [(columns, "decoded", 1), (detections, "e2e", 1), (maps, "raw", 1), (maps, "raw", 2)],
    ids=["decoded", "e2e", "raw", "raw-batch"],
)
def test_shards_1_3_and_16_give_the_same_bytes(street, tmp_path, ending, cut, batch):
    source = write_imported(tmp_path / "model", ending, batch=batch)
    whole = run(tmp_path / "1", street, source, cut, batch, 1)
    found = json.loads(whole["plain.json"])
    assert len(found) > 3 * IMAGES
    order = list(dict.fromkeys(entry["image_id"] for entry in found))
    assert order == [image["id"] for image in json.loads(Path(street).read_text())["images"]]
    # another recipe lacks boxes, so the autopsies have rows
    assert (whole["plain.json"] == whole["strict.json"]) == (cut == "e2e")
    for shards in (3, 16):
        parted = run(tmp_path / str(shards), street, source, cut, batch, shards)
        assert [name for name in whole if parted[name] != whole[name]] == [], shards
