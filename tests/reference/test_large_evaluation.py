"""What very large data sets are scored with gives pycocotools' arrays, and notices if it does not."""

import numpy as np
import pytest
from scoring import truth_of
from test_average_precision import many_boxes
from test_pycocotools import make_truth

from cutpoint.evaluate import accumulate as accumulation
from cutpoint.evaluate import coco, error_types
from cutpoint.evaluate.accumulate import accumulate
from cutpoint.evaluate.matches import match_images
from cutpoint.evaluate.parts import split_images
from cutpoint.records.detections import make_results
from cutpoint.records.metrics import OWN, PYCOCOTOOLS


def make_sides(seed, decimals=None):
    """Ground truth, and detections in no order of their images; one image has over 100 of a class."""
    truth, entries = many_boxes(seed)
    np.random.default_rng(seed).shuffle(entries)
    for entry in entries:
        entry["score"] = round(entry["score"], decimals) if decimals else entry["score"]
    return truth_of(truth), make_results(entries)


@pytest.mark.parametrize("size", [2, 7, 1000])
@pytest.mark.parametrize("decimals", [None, 1], ids=["distinct scores", "equal scores"])
@pytest.mark.parametrize("seed", [0, 1])
def test_all_arrays_are_pycocotools_to_the_last_bit(seed, decimals, size):
    truth, results = make_sides(seed, decimals)
    theirs = coco.evaluate_as_pycocotools(truth, results)
    ours = accumulate(match_images(truth, results, size))
    for name in ("precision", "recall", "scores"):
        np.testing.assert_array_equal(getattr(ours, name), getattr(theirs, name), strict=True)
    # recalls that are not reached, sizes without objects, images with more than 1 and than 10 that count
    assert (theirs.precision == 0).any()
    assert (theirs.precision == -1).any()
    assert (theirs.recall[..., 0] < theirs.recall[..., 1]).any()
    assert (theirs.recall[..., 1] < theirs.recall[..., 2]).any()


def test_without_detections_and_without_images():
    truth = truth_of(make_truth())
    nothing = make_results([])
    for given in (truth, truth.of_images([5]), truth.of_images([])):
        theirs = coco.evaluate_as_pycocotools(given, nothing)
        for name, values in vars(accumulate(match_images(given, nothing))).items():
            np.testing.assert_array_equal(values, getattr(theirs, name))


def test_a_large_data_set_has_the_same_metrics_and_names_who_made_them(monkeypatch):
    truth, results = make_sides(0)
    small = coco.score(truth, results)
    assert small.evaluator == PYCOCOTOOLS
    monkeypatch.setattr(coco, "PYCOCOTOOLS_IMAGES", 39)
    large = coco.score(truth, results)
    assert large.evaluator == OWN
    assert vars(large) | {"evaluator": PYCOCOTOOLS} == vars(small)


def test_a_difference_on_the_part_is_an_error(monkeypatch):
    monkeypatch.setattr(coco, "PYCOCOTOOLS_IMAGES", 39)
    monkeypatch.setattr(accumulation, "rank_in_group", lambda images: np.zeros(len(images)))
    with pytest.raises(RuntimeError, match=r"precision of pycocotools and of .* differ on 40 of 40 images"):
        coco.score(*make_sides(0))


@pytest.mark.parametrize("size", [1, 9])
def test_errors_are_judged_alike_in_parts(size, monkeypatch):
    truth, results = make_sides(1)
    whole = error_types.judge(truth, results)
    monkeypatch.setattr(error_types._match, "__defaults__", (size,))
    for name, values in vars(error_types.judge(truth, results)).items():
        np.testing.assert_array_equal(values, getattr(whole, name))


def test_parts_have_every_image_and_row_once():
    truth, results = make_sides(0)
    strange = make_results([{"image_id": 0, "category_id": 1, "bbox": [0, 0, 1, 1], "score": 0.5}])
    both = make_results([*strange.to_coco(), *results.to_coco()])
    parts = list(split_images(truth, both, 7))
    assert [len(part.images) for part, _ in parts] == [7, 7, 7, 7, 7, 5]
    assert sorted(np.concatenate([part.id for part, _ in parts])) == sorted(truth.id)
    rows = np.concatenate([rows for _, rows in parts])
    assert sorted(rows) == list(range(1, len(both)))
    for part, own in parts:
        assert set(both.image_id[own]) <= set(part.image_ids)
        assert (np.diff(own) > 0).all()
