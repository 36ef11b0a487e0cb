"""Which label is which category: AP as mmdet's own CocoMetric gives it, on random data sets."""

import json
from dataclasses import asdict

import numpy as np
import pytest
import torch
from datasets import make_manifest
from mmdet.evaluation.metrics import coco_metric
from scoring import truth_of

from cutpoint.data.annotations import clean_annotations
from cutpoint.data.labels import label_map, scored_categories
from cutpoint.errors import UserError
from cutpoint.evaluate.average_precision import weighted_ap
from cutpoint.evaluate.coco import score
from cutpoint.evaluate.matches import match_images
from cutpoint.predict.postprocess import coco_results
from cutpoint.records.detections import Detections, make_results

IDS = {
    "from 1": lambda rng, n: 1 + np.arange(n),
    "from 0": lambda rng, n: np.arange(n),
    "sparse": lambda rng, n: rng.choice(1000, n, replace=False),
    "big": lambda rng, n: 2**63 - 1 - rng.choice(1000, n, replace=False),
}


def random_case(seed):
    """Annotations with shuffled categories and ids of some kind, class names, detections by label."""
    rng = np.random.default_rng(seed)
    kind = IDS[list(IDS)[seed % len(IDS)]]
    names = [f"thing {n}" for n in range(rng.integers(2, 6))]
    listed = rng.permutation(names).tolist()
    if seed % 3 == 0:
        # a category that the model does not have, with boxes
        listed.insert(int(rng.integers(len(listed) + 1)), "unknown")
    category_ids = rng.permutation(kind(rng, len(listed))).tolist()
    image_ids = rng.permutation(kind(rng, 4)).tolist()
    boxes = np.hstack([rng.uniform(0, 60, (24, 2)), rng.uniform(8, 40, (24, 2))]).tolist()
    content = {
        "images": [
            {"id": identity, "file_name": f"{number}.jpg", "height": 100, "width": 100}
            for number, identity in enumerate(image_ids)
        ],
        "categories": [{"id": i, "name": n} for i, n in zip(category_ids, listed, strict=True)],
        "annotations": [
            {
                "id": 1 + number,
                "image_id": image_ids[number % len(image_ids)],
                "category_id": category_ids[number % len(listed)],
                "bbox": box,
                "area": box[2] * box[3],
                "iscrowd": int(number == 5),
            }
            for number, box in enumerate(boxes)
        ],
    }
    # as mmdet numbers them, a class that the file does not have leaves the last labels without a category
    extra = ["elsewhere"] if seed % 5 == 0 else []
    classes = rng.permutation(names + extra).tolist()
    found = {}
    for identity in image_ids:
        own = np.array([a["bbox"] for a in content["annotations"] if a["image_id"] == identity])
        near = np.repeat(own, 3, axis=0) + rng.normal(0, 2, (3 * len(own), 4))
        corners = np.hstack([near[:, :2], near[:, :2] + np.maximum(near[:, 2:], 1)]).astype(np.float32)
        labels = rng.integers(len(names), size=len(corners))
        found[identity] = Detections(corners, rng.uniform(size=len(corners)).astype(np.float32), labels)
    return content, classes, found


def mmdet_ap(content, classes, found, tmp_path, monkeypatch):
    """AP by ``CocoMetric`` of mmdet 3.3.0, as its test loop uses it, unrounded."""
    stats = []

    class Recording(coco_metric.COCOeval):
        def summarize(self):
            super().summarize()
            stats.append(float(self.stats[0]))

    path = tmp_path / "instances.json"
    path.write_text(json.dumps(content))
    monkeypatch.setattr(coco_metric, "COCOeval", Recording)
    metric = coco_metric.CocoMetric(ann_file=str(path))
    metric.dataset_meta = {"classes": tuple(classes)}
    for identity, detections in found.items():
        tensors = {
            "bboxes": torch.from_numpy(detections.boxes),
            "scores": torch.from_numpy(detections.scores),
            "labels": torch.from_numpy(detections.labels),
        }
        sample = {"img_id": identity, "ori_shape": (100, 100), "pred_instances": tensors}
        metric.process({}, [sample])
    metric.compute_metrics(metric.results)
    return stats[0]


def our_ap(content, classes, found, order):
    cleaned = clean_annotations("street", "instances.json", content)
    data = make_manifest((), categories=cleaned.categories, annotations="instances.json")
    labels = label_map(classes, None, data, order=order)
    kept, left = scored_categories(cleaned, labels, "leave_out", "datasets.street.categories_without_class")
    ids = [category.id for category in kept]
    truth = truth_of(
        {
            **content,
            "categories": [asdict(category) for category in kept],
            "annotations": [a for a in content["annotations"] if a["category_id"] in ids],
        }
    )
    lines = [line for i, detections in found.items() for line in coco_results(i, detections, labels)]
    results = make_results([json.loads(line) for line in lines])
    ap = score(truth, results).AP
    resampled = weighted_ap(match_images(truth, results), np.ones((len(found), 1), dtype=np.int64))
    assert np.nanmean(resampled[0, 0]) == pytest.approx(ap, abs=1e-12)
    assert left.categories == (1 if any(c["name"] == "unknown" for c in content["categories"]) else 0)
    return ap


def by_name(content, classes):
    """The same annotations with the categories in the order of the model's classes."""
    rank = {name: number for number, name in enumerate(classes)}
    categories = sorted(content["categories"], key=lambda c: rank.get(c["name"], len(rank)))
    return {**content, "categories": categories}


@pytest.mark.parametrize("seed", range(60))
def test_ap_is_mmdets_for_any_order_of_classes_categories_and_ids(seed, tmp_path, monkeypatch):
    content, classes, found = random_case(seed)
    theirs = mmdet_ap(content, classes, found, tmp_path, monkeypatch)
    assert our_ap(content, classes, found, "file") == theirs
    if "elsewhere" in classes:
        return
    ordered = by_name(content, classes)
    sorted_theirs = mmdet_ap(ordered, classes, found, tmp_path, monkeypatch)
    assert our_ap(content, classes, found, "names") == sorted_theirs
    # nothing is asked where the orders agree, and nothing is taken where they do not
    assert our_ap(ordered, classes, found, None) == sorted_theirs
    if [c["name"] for c in content["categories"] if c["name"] in classes] != classes:
        with pytest.raises(UserError, match=r"datasets\.street\.label_order: instances\.json lists"):
            our_ap(content, classes, found, None)
