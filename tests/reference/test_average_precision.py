"""The weighted AP against pycocotools on really duplicated images."""

import contextlib
import importlib
import io
from pathlib import Path

import numpy as np
import pytest
from pycocotools.cocoeval import COCOeval
from scoring import truth_of
from test_pycocotools import detect, index, make_truth

from cutpoint.compare.bootstrap import draw_multiplicities
from cutpoint.evaluate.average_precision import weighted_ap
from cutpoint.evaluate.matches import match_images
from cutpoint.records.detections import make_results


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
        coco = index(truth)
        evaluation = COCOeval(coco, coco.loadRes(results), "bbox")
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
    """Images of up to 8 boxes; one has more than 100 detections of a class."""
    truth = make_truth(seed, images=40)
    results = detect(truth, seed + 1)
    random = np.random.default_rng(seed)
    for _ in range(130):
        box = [*random.uniform(0, 400, 2).tolist(), *random.uniform(5, 150, 2).tolist()]
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
    found = with_mean(weighted_ap(match_images(truth_of(truth), make_results(results)), multiplicities))
    expected = np.array([official(*duplicated(truth, results, column)) for column in multiplicities.T])
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-9)
    # class 33 has nothing to find, the others have in every resample, but not of every size
    assert np.isnan(expected[:, :, 2]).all()
    assert not np.isnan(np.delete(expected[:, 0], 2, axis=1)).any()
    assert np.isnan(np.delete(expected[:, 1:], 2, axis=2)).any()
    assert np.ptp(expected[:, 0, -1]) > 0.01


@pytest.mark.slow
def test_intervals_cover_the_population(monkeypatch):
    """A small ``benchmarks/bootstrap_coverage.py``, and what counting an image drawn twice once would do."""
    monkeypatch.syspath_prepend(Path(__file__).parents[2] / "benchmarks")
    simulation = importlib.import_module("bootstrap_coverage")
    population = simulation.make_population(simulation.SEED, 3000)
    truth = simulation.deltas(population, np.ones((3000, 1), dtype=int))[0]
    found, collapsed = (
        simulation.simulate(population, 0, pairs, 200, 100, collapse)
        for pairs, collapse in ((60, False), (10, True))
    )
    assert truth[0] < -0.01
    # of 60 intervals at 95 %, fewer than 52 hold the truth once in a hundred times
    assert simulation.coverage(found, truth, 200, "ci95")[0] >= 52 / 60
    errors = found[:, 1:, 0].std(axis=1)
    assert errors.mean() == pytest.approx(found[:, 0, 0].std(), rel=0.25)
    # sqrt((1 - 0.632) / 0.632) = 0.763 of the right width
    assert collapsed[:, 1:, 0].std(axis=1).mean() / errors[:10].mean() == pytest.approx(0.763, abs=0.08)
