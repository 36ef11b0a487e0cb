"""The weighted AP against pycocotools on really duplicated images."""

import contextlib
import io

import numpy as np
import pytest
from pycocotools.cocoeval import COCOeval
from test_pycocotools import make_results, make_truth

from cutpoint.average_precision import match_images, weighted_ap
from cutpoint.bootstrap import draw_multiplicities
from cutpoint.coco import _as_annotations, _coco


def duplicated(truth, results, multiplicities):
    """A data set with real copies: fresh image and annotation ids, copies of an image adjacent."""
    images = sorted(image["id"] for image in truth["images"])
    copies = {}
    for image, count in zip(images, multiplicities, strict=True):
        start = sum(map(len, copies.values())) + 1
        copies[image] = range(start, start + count)
    boxes = [a | {"image_id": copy} for a in truth["annotations"] for copy in copies[a["image_id"]]]
    for number, box in enumerate(boxes, start=1):
        box["id"] = number
    entries = [{"id": copy, "height": 480, "width": 640} for ids in copies.values() for copy in ids]
    return truth | {"images": entries, "annotations": boxes}, [
        r | {"image_id": copy} for r in results for copy in copies[r["image_id"]]
    ]


def official(truth, results):
    """``(4, K + 1)``: AP of each class, then of all, in the four area ranges; NaN where COCO says -1."""
    with contextlib.redirect_stdout(io.StringIO()):
        found = _coco(truth, _as_annotations(results))
        evaluation = COCOeval(_coco(truth, [dict(a) for a in truth["annotations"]]), found, "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    classes = evaluation.eval["precision"][..., -1].mean(axis=(0, 1)).T
    table = np.column_stack([classes, evaluation.stats[[0, 3, 4, 5]]])
    table[table == -1] = np.nan
    return table


def with_mean(ap):
    with np.errstate(invalid="ignore"):
        present = ~np.isnan(ap)
        mean = np.where(present, ap, 0).sum(-1) / present.sum(-1)
    return np.concatenate([ap, mean[..., None]], axis=-1)


def many_boxes(seed):
    """A hundred images of up to 8 boxes, detections in more than 100 of some class and image."""
    truth = make_truth(seed, images=100)
    results = make_results(truth, seed + 1)
    random = np.random.default_rng(seed)
    for _ in range(130):
        box = [*random.uniform(0, 400, 2), *random.uniform(5, 150, 2)]
        results.append({"image_id": 3, "category_id": 7, "bbox": box, "score": random.random()})
    return truth, results


@pytest.mark.parametrize("decimals", [None, 1], ids=["distinct scores", "equal scores"])
@pytest.mark.parametrize("seed", [0, 1])
def test_multiplicities_are_real_copies(seed, decimals):
    truth, results = many_boxes(seed)
    if decimals:
        for result in results:
            result["score"] = round(result["score"], decimals)
    images = [image["id"] for image in truth["images"]]
    multiplicities = draw_multiplicities(len(images), 20, seed)
    assert multiplicities.min() == 0
    assert multiplicities.max() > 3
    found = with_mean(weighted_ap(match_images(truth, results, images), multiplicities))
    expected = np.array([official(*duplicated(truth, results, column)) for column in multiplicities.T])
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-9)
    # class 33 has nothing to find, all else has
    assert np.isnan(expected[:, :, 2]).all()
    assert not np.isnan(np.delete(expected, 2, axis=2)).any()
    assert np.ptp(expected[:, 0, -1]) > 0.01
