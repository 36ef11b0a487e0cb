"""Our metrics against pycocotools' own way: files, ``COCO.loadRes``, ``COCOeval``."""

import contextlib
import copy
import io
import json

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from scoring import complete_truth, truth_of

from cutpoint.evaluate import coco as evaluation_of
from cutpoint.evaluate.coco import evaluate
from cutpoint.records.detections import make_results
from cutpoint.records.json_file import as_content
from cutpoint.records.metrics import SUMMARY


def make_truth(seed=0, images=12):
    """Random boxes of three classes (a fourth never occurs), some crowds, image 5 empty, sparse ids."""
    random = np.random.default_rng(seed)
    annotations = []
    for image in range(1, images + 1):
        for _ in range(0 if image == 5 else random.integers(1, 9)):
            x, y = random.uniform(0, 400, 2).tolist()
            w, h = random.uniform(8, 160, 2).tolist()
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": image,
                    "category_id": int(random.choice([1, 7, 90])),
                    "bbox": [x, y, w, h],
                    "area": w * h * 0.8,  # of a mask: smaller than the box
                    "iscrowd": int(random.random() < 0.15),
                }
            )
    return {
        "info": {},
        "images": [
            {"id": i, "file_name": f"{i}.jpg", "height": 480, "width": 640} for i in range(1, images + 1)
        ],
        "annotations": annotations,
        "categories": [{"id": i, "name": f"class {i}"} for i in (7, 1, 90, 33)],
    }


def detect(truth, seed=1):
    random = np.random.default_rng(seed)
    results = []
    for annotation in truth["annotations"]:
        for _ in range(random.integers(0, 4)):
            jitter = random.normal(0, 6, 4)
            box = (np.array(annotation["bbox"]) + jitter).clip(1).tolist()
            other = random.random() < 0.2
            results.append(
                {
                    "image_id": annotation["image_id"],
                    "category_id": 33 if other else annotation["category_id"],
                    "bbox": box,
                    "score": float(np.float32(random.random())),
                }
            )
    results.append({"image_id": 5, "category_id": 7, "bbox": [1.0, 1, 30, 30], "score": 0.99})
    return results


def official(tmp_path, truth, results, images=None):
    for name, value in (("truth", truth), ("results", results)):
        (tmp_path / f"{name}.json").write_text(json.dumps(value))
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO(str(tmp_path / "truth.json"))
        evaluation = COCOeval(coco, coco.loadRes(str(tmp_path / "results.json")), "bbox")
        if images is not None:
            evaluation.params.imgIds = sorted(images)
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return evaluation


def index(truth):
    """A ``COCO`` of annotations, which it changes: of a copy."""
    coco = COCO()
    coco.dataset = copy.deepcopy(truth)
    coco.createIndex()
    return coco


def score(truth, results, images=None):
    annotated = truth_of(truth)
    metrics = evaluation_of.score(annotated.of_images(images or annotated.image_ids), make_results(results))
    content = json.loads(json.dumps(as_content(metrics)))
    return {key: value for key, value in content.items() if key not in ("refused", "evaluator")}


@pytest.mark.parametrize("seed", range(3))
def test_the_twelve_numbers_and_each_class(tmp_path, seed):
    truth = make_truth(seed)
    results = detect(truth)
    assert any(a["iscrowd"] for a in truth["annotations"])
    evaluation = official(tmp_path, truth, results)
    found = score(truth, results)
    expected = [None if value == -1 else value for value in evaluation.stats]
    assert [found[name] for name in SUMMARY] == expected
    assert 0.05 < found["AP"] < 0.95
    assert (found["images"], found["detections"]) == (12, len(results))
    rows = {row["category_id"]: row for row in found["per_class"]}
    assert list(rows) == [1, 7, 33, 90]
    assert rows[33] == {"category_id": 33, "name": "class 33", "AP": None, "AP50": None, "ground_truths": 0}
    assert np.mean([rows[i]["AP"] for i in (1, 7, 90)]) == pytest.approx(found["AP"], abs=1e-12)
    assert np.mean([rows[i]["AP50"] for i in (1, 7, 90)]) == pytest.approx(found["AP50"], abs=1e-12)
    for category in (1, 7, 90):
        real = [a for a in truth["annotations"] if a["category_id"] == category and not a["iscrowd"]]
        assert rows[category]["ground_truths"] == len(real)


def test_only_the_images_asked_for_count(tmp_path):
    truth = make_truth(images=12)
    results = detect(truth)
    images = [2, 5, 9, 11]
    evaluation = official(tmp_path, truth, results, images)
    found = score(truth, results, images)
    assert [found[name] for name in SUMMARY] == [None if v == -1 else v for v in evaluation.stats]
    assert found["images"] == 4
    assert found["detections"] == sum(r["image_id"] in images for r in results) < len(results)
    assert sum(row["ground_truths"] for row in found["per_class"]) < 20


def test_no_detections_score_zero_where_there_is_something_to_find():
    truth = make_truth()
    found = score(truth, [])
    assert (found["AP"], found["AR100"], found["detections"]) == (0, 0, 0)
    assert {row["category_id"]: row["AP"] for row in found["per_class"]} == {1: 0, 7: 0, 33: None, 90: 0}


def test_nothing_to_find_is_null_not_minus_one():
    truth = make_truth() | {"annotations": []}
    found = score(truth, detect(make_truth()))
    assert {found[name] for name in SUMMARY} == {None}


def test_perfect_detections_score_one(capsys):
    truth = make_truth()
    real = [a for a in truth["annotations"] if not a["iscrowd"]]
    results = [{k: a[k] for k in ("image_id", "category_id", "bbox")} | {"score": 0.9} for a in real]
    found = score(truth, results)
    assert found["AP"] == pytest.approx(1, abs=1e-9)
    # pycocotools' own table stays out of the log
    assert capsys.readouterr().out == ""


def test_inputs_are_not_changed():
    truth, results = truth_of(make_truth()), make_results(detect(make_truth()))
    before = json.dumps([truth.to_coco(), results.to_coco()])
    evaluation_of.score(truth, results)
    assert json.dumps([truth.to_coco(), results.to_coco()]) == before


def test_evaluate_scores_the_truths_images(tmp_path):
    truth = make_truth()
    results = detect(truth)
    listed = [image for image in truth["images"] if image["id"] != 3]
    boxes = [a for a in truth["annotations"] if a["image_id"] != 3]
    written = complete_truth(truth | {"images": listed, "annotations": boxes})
    for name, value in (("truth", written), ("results", results)):
        (tmp_path / f"{name}.json").write_text(json.dumps(value))
    paths = {"truth": tmp_path / "truth.json", "detections": tmp_path / "results.json"}
    evaluate(**{key: str(path) for key, path in paths.items()}, out=str(tmp_path / "metrics.json"))
    found = json.loads((tmp_path / "metrics.json").read_text())
    assert found == score(truth, results, [image["id"] for image in listed])
    assert found["images"] == 11
