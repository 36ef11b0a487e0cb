import json
from dataclasses import replace

import numpy as np
import pytest
from datasets import save_labels
from tiny import atss_head, candidates, geometry, input_recipe, model_spec, raw_outputs, run_metadata

from cutpoint.decode.candidates import from_raw
from cutpoint.errors import UserError
from cutpoint.files import read_json
from cutpoint.predict.postprocess import coco_results, postprocess
from cutpoint.recipes.apply import apply_recipe
from cutpoint.recipes.recipe import resolve_recipe
from cutpoint.records.detections import Detections, refusal
from cutpoint.records.image import Pad
from cutpoint.records.predictions import PredictionWriter

SPEC = model_spec(atss_head())


@pytest.fixture
def files(tmp_path):
    """Writes a spec, a manifest and shards; returns the arguments of ``postprocess``."""

    def write(shards, cut="raw", labels=(30, 30, 10), digest=SPEC.digest, spec=SPEC, sizes=None, **made):
        made = run_metadata(spec, spec=digest, **made)
        (tmp_path / "spec.json").write_text(json.dumps(spec.to_dict()))
        save_labels(tmp_path / "labels.json", labels)
        paths = []
        for number, images in enumerate(shards):
            pair = str(tmp_path / f"{number}.parquet"), str(tmp_path / f"{number}.images.parquet")
            with PredictionWriter(*pair, candidates=cut != "e2e", metadata=made) as writer:
                for image_id, rows in images:
                    writer.add(image_id, sizes or geometry(), rows)
            paths.append(pair)
        return {
            "predictions": [p for p, _ in paths],
            "images": [i for _, i in paths],
            "spec": str(tmp_path / "spec.json"),
            "labels": str(tmp_path / "labels.json"),
            "cut": cut,
            "recipe": "mmdet3",
            "out": str(tmp_path / "detections.json"),
        }

    return write


def test_candidates_go_through_the_recipe_and_the_label_map(files):
    per_image = {i: from_raw(raw_outputs(SPEC.head, [(3, 4), (2, 2)], seed=i), SPEC.head) for i in (5, 8, 2)}
    arguments = files([[(5, per_image[5]), (8, per_image[8])], [(2, per_image[2])]])
    recipe = {"base": "mmdet3", "nms_pre": 5, "max_per_img": 4}
    postprocess(**arguments | {"recipe": recipe})
    found = read_json(arguments["out"])
    expected = []
    for image_id, rows in per_image.items():
        detections = apply_recipe(resolve_recipe(recipe, SPEC.head), rows, geometry(), SPEC)
        assert 0 < len(detections) <= 4
        for box, score, label in zip(
            detections.boxes.astype(float), detections.scores, detections.labels, strict=True
        ):
            x1, y1, x2, y2 = box
            expected.append(
                {
                    "image_id": image_id,
                    "category_id": [30, 30, 10][label],
                    "bbox": [x1, y1, x2 - x1, y2 - y1],
                    "score": float(score),
                }
            )
    assert found == expected


def test_classes_left_out_are_dropped_after_the_recipe(files):
    box = (4, 4, 20, 20)
    rows = candidates(
        (0, 0, 0, 0.9, 1.0, box), (0, 1, 2, 0.8, 1.0, box), (0, 2, 2, 0.7, 1.0, (20, 4, 38, 30))
    )
    arguments = files([[(5, rows)]], labels=(None, None, 10))
    postprocess(**arguments)
    found = read_json(arguments["out"])
    # the cap of 2 counted the car, which is dropped only now
    assert [(d["category_id"], round(d["score"], 2)) for d in found] == [(10, 0.8)]


def test_detections_of_e2e_are_taken_as_they_are(files):
    rows = Detections(np.float32([[1, 2, 30, 40]] * 3), np.float32([0.9, 0.01, 0.5]), np.int64([0, 2, 2]))
    arguments = files([[(5, rows)]], cut="e2e")
    postprocess(**arguments)
    found = read_json(arguments["out"])
    assert [(d["category_id"], d["bbox"]) for d in found] == [
        (30, [1, 2, 29, 38]),
        (10, [1, 2, 29, 38]),
        (10, [1, 2, 29, 38]),
    ]


def test_no_detections_make_an_empty_list(files):
    arguments = files([[(5, candidates())]])
    postprocess(**arguments)
    assert read_json(arguments["out"]) == []


def test_candidates_of_another_specification_are_refused(files, tmp_path):
    arguments = files([[(5, candidates())]], digest="0123456789ab")
    with pytest.raises(
        UserError, match=r"0\.parquet was made with another model specification than .*spec\.json"
    ):
        postprocess(**arguments)
    assert not (tmp_path / "detections.json").exists()


def test_a_recipe_below_the_floor_is_refused(files):
    with pytest.raises(UserError, match="candidates end at class score"):
        postprocess(**files([[(5, candidates())]]) | {"recipe": {"base": "mmdet3", "score_thr": 0.01}})


def test_boxes_that_the_recipe_makes_nan_are_refused(files):
    # a box without area overlaps nothing, itself included: its vote is 0 / 0, as in mmdet
    recipe = {
        "steps": [
            {"step": "threshold", "quantity": "class", "value": 0.05},
            {"step": "nms", "iou_threshold": 0.6},
            {"step": "score_voting", "iou_threshold": 0.01, "variance": 0.025},
        ]
    }
    flat, plain = (4, 4, 4, 20), (4, 4, 20, 20)
    for boxes, refused in (
        ((plain,), None),
        ((plain, flat), "a box behind the recipe has NaN on image id 5"),
    ):
        rows = candidates(*((0, n, 0, 0.9, 1.0, box) for n, box in enumerate(boxes)))
        arguments = files([[(5, rows)]]) | {"recipe": recipe}
        with np.errstate(invalid="ignore"):
            postprocess(**arguments)
        assert refusal(arguments["out"]) == refused


def test_lines_are_exact():
    boxes = np.float32([[0.1, 0.2, 10.3, 20.7], [1e-7, 0, 3e4, 1]])
    scores = np.float32([1 / 3, 0.05])
    lines = coco_results(9, Detections(boxes, scores, np.int64([1, 0])), [4, 90])
    found = [json.loads(line) for line in lines]
    assert [d["category_id"] for d in found] == [90, 4]
    for row, box, score in zip(found, boxes.astype(np.float64), scores, strict=True):
        # nothing rounded: float32 score, width and height as float64 differences
        assert row["score"] == float(score)
        assert row["bbox"] == [box[0], box[1], box[2] - box[0], box[3] - box[1]]
    assert lines[0].startswith('{"image_id": 9, "category_id": 90, "bbox": [0.10000000149011612, ')
    assert coco_results(9, Detections(boxes, scores, np.int64([1, 0])), [None, 90]) == lines[:1]


def test_a_fused_store_refuses_what_it_cannot_serve(files):
    arguments = files([[(5, candidates())]], cut="decoded", scores="fused")
    with pytest.raises(UserError, match="class score"):
        postprocess(**arguments)


def test_boxes_are_clipped_to_what_the_runs_input_recipe_says(files):
    # the model's own recipe pads 20x48 to a square, 48x48; the run's (stretch) does not pad
    spec = replace(SPEC, input=input_recipe(pad=Pad(to_square=True)))
    rows = candidates((0, 0, 0, 0.9, 1, (0, 0, 60, 60)))
    sizes = geometry(resized_height=20, resized_width=48, scale_x=1.0, scale_y=1.0)
    heights = {}
    for name in ("mmdet", "stretch"):
        arguments = files([[(5, rows)]], digest=spec.digest, input=name, sizes=sizes, spec=spec)
        postprocess(**arguments)
        heights[name] = read_json(arguments["out"])[0]["bbox"][3]
    assert heights == {"mmdet": 48, "stretch": 20}
