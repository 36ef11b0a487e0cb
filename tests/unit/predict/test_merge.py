"""Detections merged from shards have the bytes that one shard gives, refusals too."""

import json
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from datasets import make_image, save_labels
from hypothesis import given
from hypothesis import strategies as st
from tiny import atss_head, candidates, geometry, model_spec, run_metadata

from cutpoint.predict.merge import merge_detections
from cutpoint.predict.postprocess import postprocess
from cutpoint.predict.shard import shard_images
from cutpoint.records.detections import Detections, read_results, refusal
from cutpoint.records.predictions import PredictionWriter

SPEC = model_spec(atss_head())
FLAT = (4, 4, 4, 20)
# score voting makes NaN of a box without area
VOTING = {
    "steps": [
        {"step": "threshold", "quantity": "class", "value": 0.05},
        {"step": "nms", "iou_threshold": 0.6},
        {"step": "score_voting", "iou_threshold": 0.01, "variance": 0.025},
    ]
}


def write_run(folder, events, bad, shards, batch, *, cut):
    """A run over images with ids from 100; it is refused at the first image whose event is ``bad``."""
    folder.mkdir(parents=True)
    images = [make_image(100 + number, "x.jpg", 40, 60) for number in range(len(events))]
    files = []
    for shard in range(shards):
        pair = str(folder / f"{shard}.parquet"), str(folder / f"{shard}.images.parquet")
        writer = PredictionWriter(*pair, candidates=cut == "raw", metadata=run_metadata(SPEC, cut=cut))
        with writer:
            for image in shard_images(images, shard, shards, batch):
                event = events[image.id - 100]
                if event == bad:
                    writer.refuse(f"{bad} has NaN on image id {image.id}")
                    break
                count = 0 if event == "nothing" else image.id % 4 + 1
                boxes = [FLAT if event == "recipe" else (x, 4, x + 16.3, 20) for x in range(count)]
                rows = candidates(*((0, n, n % 3, 0.9 - n / 7, 1.0, box) for n, box in enumerate(boxes)))
                if cut == "e2e":
                    rows = Detections(rows.boxes, rows.score, rows.label.astype(np.int64))
                writer.add(image.id, geometry(), rows)
        files.append(pair)
    return files


def run(folder, events, shards, batch, cut):
    """The bytes of the detections file as the workflow makes it."""
    files = write_run(folder / "run", events, "predictions", shards, batch, cut=cut)
    raw = write_run(folder / "raw", events, "candidates", shards, batch, cut="raw") if cut == "e2e" else None
    (folder / "spec.json").write_text(json.dumps(SPEC.to_dict()))
    common = {
        "spec": str(folder / "spec.json"),
        "labels": save_labels(folder / "labels.json", (30, None, 10)),
        "cut": cut,
        "recipe": VOTING,
        "part": shards > 1,
    }
    parts = [str(folder / f"{shard}.json") for shard in range(shards)]
    for shard, (predictions, images) in enumerate(files):
        with np.errstate(invalid="ignore"):
            postprocess(
                **common,
                predictions=[predictions],
                images=[images],
                candidates=[raw[shard][0]] if raw else [],
                out=parts[shard],
            )
    if shards == 1:
        return Path(parts[0]).read_bytes()
    merge_detections(parts=parts, out=str(folder / "merged.json"))
    return (folder / "merged.json").read_bytes()


EVENTS = {"raw": ["nothing", "predictions", "recipe"], "e2e": ["nothing", "predictions", "candidates"]}


@pytest.mark.parametrize("cut", ["raw", "e2e"])
@given(data=st.data(), batch=st.integers(1, 3))
def test_any_images_in_any_shards_give_the_bytes_of_one(tmp_path_factory, cut, data, batch):
    # mostly sound images, so that often no or one image is refused
    event = st.sampled_from([""] * 6 + EVENTS[cut])
    events = data.draw(st.lists(event, max_size=9))
    folder = tmp_path_factory.mktemp("shards")
    expected = run(folder / "1", events, 1, batch, cut)
    for shards in (3, 16):
        assert run(folder / str(shards), events, shards, batch, cut) == expected


@pytest.mark.parametrize(
    ("cut", "events", "reason"),
    [
        # what one shard looks at first, though a later image has it
        ("raw", ["", "recipe", "", "predictions"], "predictions has NaN on image id 103"),
        ("e2e", ["candidates", "", "", "predictions"], "predictions has NaN on image id 103"),
        ("raw", ["", "recipe", "", "recipe"], "a box behind the recipe has NaN on image id 101"),
        ("e2e", ["", "candidates", "", "candidates"], "candidates has NaN on image id 101"),
    ],
)
def test_a_refusal_is_the_one_of_the_first_image(tmp_path, cut, events, reason):
    for shards in (1, 2, 4, 16):
        content = json.loads(run(tmp_path / str(shards), events, shards, 1, cut))
        assert content == {"refused": reason}, shards


def test_a_part_is_a_detections_file(tmp_path):
    run(tmp_path / "sound", ["", "", "nothing", ""], 2, 1, "raw")
    assert len(read_results(tmp_path / "sound/0.json")) > 0
    run(tmp_path / "refused", ["", "", "recipe"], 2, 1, "raw")
    assert refusal(tmp_path / "refused/1.json") == "a box behind the recipe has NaN on image id 102"


def test_memory_of_a_merge_does_not_grow_with_the_detections(tmp_path):
    line = '{"image_id": 1, "category_id": 1, "bbox": [1.5, 2.5, 3.5, 4.5], "score": 0.5}'
    part = tmp_path / "part.json"
    part.write_text("[" + ",\n".join([line] * 100_000) + "]\n")
    tracemalloc.start()
    merge_detections(parts=[str(part)] * 3, out=str(tmp_path / "merged.json"))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (tmp_path / "merged.json").stat().st_size > 20e6
    assert peak < 2e6
