import json

import numpy as np
import pytest
from scipy import stats
from scoring import truth_of

from cutpoint.compare.baseline import MIN_IMAGES
from cutpoint.compare.bootstrap import (
    Estimate,
    delta,
    draw_multiplicities,
    estimate,
    find_different,
    mean_ap,
    resample,
    sample_ap,
)
from cutpoint.evaluate import average_precision
from cutpoint.evaluate.average_precision import weighted_ap
from cutpoint.evaluate.coco import score
from cutpoint.evaluate.matches import match_images
from cutpoint.files import write_json
from cutpoint.records.detections import make_results
from cutpoint.records.json_file import as_content
from cutpoint.records.resamples import Resamples, read_resamples
from cutpoint.records.truth import write_truth

BOX = [10.0, 10, 40, 40]  # medium
FAR = [300.0, 300, 40, 40]


def make_truth(boxes, images, classes=1):
    """``boxes``: (image, class, bbox)."""
    content = {
        "images": [{"id": i, "width": 640, "height": 480} for i in images],
        "categories": [{"id": i, "name": f"class {i}"} for i in range(1, classes + 1)],
        "annotations": [
            {
                "id": number,
                "image_id": image,
                "category_id": category,
                "bbox": bbox,
                "area": bbox[2] * bbox[3],
                "iscrowd": 0,
            }
            for number, (image, category, bbox) in enumerate(boxes, start=1)
        ],
    }
    return truth_of(content)


def detection(image, score, bbox=BOX, category=1):
    return {"image_id": image, "category_id": category, "bbox": bbox, "score": score}


@pytest.mark.parametrize(
    ("wrong_score", "multiplicities", "expected"),
    [
        pytest.param(0.8, [1, 1], 51 / 101, id="recall-half-of-one-reaches-51-thresholds"),
        pytest.param(0.8, [1, 3], 26 / 101, id="three-copies-to-miss-recall-a-quarter"),
        pytest.param(0.8, [3, 1], 76 / 101, id="three-copies-to-find-recall-three-quarters"),
        pytest.param(0.95, [1, 1], 51 / 101 / 2, id="a-wrong-one-first-halves-precision"),
        pytest.param(0.95, [2, 3], 41 / 101 * 2 / 5, id="all-copies-of-the-wrong-one-count"),
        pytest.param(0.95, [2, 0], 1, id="an-image-not-drawn-takes-its-detections-away"),
        pytest.param(0.95, [0, 2], 0, id="an-image-not-drawn-takes-its-hits-away"),
    ],
)
def test_weighted_ap_by_hand(wrong_score, multiplicities, expected):
    truth = make_truth([(4, 1, BOX), (9, 1, BOX)], images=[9, 4])
    results = make_results([detection(9, wrong_score, FAR), detection(4, 0.9)])
    # positions are those of ascending ids: 4, 9
    found = weighted_ap(match_images(truth, results), np.array([multiplicities]).T)
    np.testing.assert_allclose(found[0, [0, 2], 0], expected, atol=1e-12)
    assert np.isnan(found[0, [1, 3], 0]).all()


@pytest.mark.parametrize(("height", "expected"), [(20, 1 / 10), (19.9, 0), (30, 6 / 10)])
def test_the_lowest_iou_that_matches_is_a_half(height, expected):
    truth = make_truth([(1, 1, BOX)], images=[1])
    found = match_images(truth, make_results([detection(1, 0.5, [10.0, 10, 40, height])]))
    assert weighted_ap(found, np.array([[1]]))[0, 0, 0] == pytest.approx(expected, abs=1e-12)


def test_equal_scores_alternate_between_copies():
    truth = make_truth([(1, 1, BOX)], images=[1])
    results = make_results([detection(1, 0.5), detection(1, 0.5, FAR)])
    found = weighted_ap(match_images(truth, results), np.array([[2]]))
    # right, wrong, right, wrong: recall 0.5 at precision 1, recall 1 at 2 / 3
    assert found[0, 0, 0] == pytest.approx((51 + 50 * 2 / 3) / 101, abs=1e-12)


@pytest.mark.parametrize("count", [7, 29, 35, 100])
def test_recall_thresholds_are_compared_as_floats(count):
    # 0.35 in the thresholds is 0.35000000000000003: a recall of 35 / 100 does not reach it
    truth = make_truth([(i, 1, BOX) for i in range(1, 101)], images=range(1, 101))
    results = make_results([detection(i, 1 - i / 1000) for i in range(1, count + 1)])
    found = weighted_ap(match_images(truth, results), np.ones((100, 1), dtype=int))
    assert found[0, 0, 0] == pytest.approx(score(truth, results).AP, abs=1e-12)


def test_nothing_found_is_zero_and_nothing_to_find_is_nan():
    truth = make_truth([(1, 1, BOX)], images=[1, 2], classes=2)
    ones = np.ones((2, 1), dtype=int)
    for results, expected in (([], 0), ([detection(2, 0.5)], 0), ([detection(1, 0.5, category=2)], 0)):
        found = weighted_ap(match_images(truth, make_results(results)), ones)[0, 0]
        np.testing.assert_array_equal(found, [expected, np.nan])


def test_only_the_images_asked_for_count():
    truth = make_truth([(1, 1, BOX), (2, 1, BOX)], images=[1, 2])
    results = make_results([detection(1, 0.5), detection(2, 0.9, FAR)])
    found = weighted_ap(match_images(truth.of_images([1]), results), np.ones((1, 1), dtype=int))
    assert found[0, 0, 0] == 1


def test_inputs_are_not_changed(capsys):
    truth = make_truth([(1, 1, BOX)], images=[1])
    results = make_results([detection(1, 0.5)])
    before = json.dumps([truth.to_coco(), results.to_coco()])
    match_images(truth, results)
    assert json.dumps([truth.to_coco(), results.to_coco()]) == before
    assert capsys.readouterr().out == ""


def test_resamples_are_drawn_with_replacement():
    drawn = draw_multiplicities(400, 50, seed=3)
    assert drawn.shape == (400, 50)
    assert (drawn.sum(axis=0) == 400).all()
    # 1 - 1/e of the images are in a resample
    assert (drawn > 0).mean() == pytest.approx(0.632, abs=0.01)
    assert drawn.var() == pytest.approx(1, abs=0.05)
    np.testing.assert_array_equal(drawn, draw_multiplicities(400, 50, seed=3))
    assert (drawn != draw_multiplicities(400, 50, seed=4)).any()
    # one resample after the other are those of one call, which files of earlier versions have
    at_once = np.random.default_rng(3).multinomial(400, np.full(400, 1 / 400), size=50).T
    np.testing.assert_array_equal(drawn, at_once)


@pytest.mark.parametrize("cells", [1, 40, 10**9])
def test_ap_does_not_depend_on_how_many_resamples_are_computed_at_once(cells, monkeypatch):
    truth = make_truth([(image, 1, BOX) for image in range(1, 31)], images=range(1, 31))
    found = make_results([detection(image, 0.03 * image) for image in range(1, 31, 2)])
    matches, drawn = match_images(truth, found), draw_multiplicities(30, 60, seed=0)
    usual = weighted_ap(matches, drawn)
    monkeypatch.setattr(average_precision, "CELLS", cells)
    np.testing.assert_allclose(weighted_ap(matches, drawn), usual, rtol=0, atol=1e-12)


def test_mean_ap_leaves_absent_classes_out():
    ap = np.array([[0.5, np.nan, 0.25], [np.nan] * 3])
    np.testing.assert_array_equal(mean_ap(ap), [0.375, np.nan])


def random_data(seed=0, images=60, classes=4):
    random = np.random.default_rng(seed)
    boxes = [
        (image, category, [*random.uniform(0, 300, 2).tolist(), *random.uniform(10, 150, 2).tolist()])
        for image in range(1, images + 1)
        for category in range(1, classes + 1)
        if random.random() < 0.6
    ]
    truth = make_truth(boxes, range(1, images + 1), classes)
    results = [detection(i, random.random(), bbox, category) for i, category, bbox in boxes]
    results += [
        detection(
            int(random.integers(1, images + 1)), random.random(), FAR, int(random.integers(1, classes + 1))
        )
        for _ in range(images)
    ]
    return truth, make_results(results)


def samples(truth, results, resamples=200):
    return resample(truth, results, resamples=resamples)


def test_the_first_row_is_the_data_set_itself():
    truth, results = random_data()
    found = samples(truth, results, 3)
    official = score(truth, results)
    for area, name in enumerate(("AP", "APs", "APm", "APl")):
        assert mean_ap(found.ap[0, area]) == pytest.approx(getattr(official, name), abs=1e-12)
    np.testing.assert_allclose(found.ap[0, 0], [line.AP for line in official.per_class], atol=1e-12)
    expected = [len(set(truth.image_id[truth.category_id == c].tolist())) for c in range(1, 5)]
    assert found.images_with[0].tolist() == [*expected, len(set(truth.image_id.tolist()))]


def test_a_variant_against_itself_is_exactly_zero():
    found = samples(*random_data())
    result = delta(found, found)
    assert (result.total.value, result.total.ci95, result.total.error) == (0, (0, 0), 0)
    assert [row.p for row in result.per_class] == [1] * 4
    assert not any(row.different for row in result.per_class + result.per_size)


@pytest.mark.parametrize("worse", [True, False])
def test_a_change_in_one_class_is_found_there_and_its_sign_told(worse):
    truth, results = random_data()
    lost = results.take((results.category_id != 3) | (np.arange(len(results)) % 2 == 1))
    sides = [samples(truth, results), samples(truth, lost)]
    result = delta(*(sides if worse else sides[::-1]))
    sign = -1 if worse else 1
    total = result.total
    assert sign * total.value > 0.05
    low, high = total.ci95
    assert low < total.ci90[0] < total.value < total.ci90[1] < high
    rows = {row.category_id: row for row in result.per_class}
    assert {c: row.different for c, row in rows.items()} == {1: False, 2: False, 3: True, 4: False}
    assert {c: row.suspicious for c, row in rows.items()} == dict.fromkeys([1, 2, 4], False) | {3: not worse}
    assert rows[3].delta_AP == pytest.approx(4 * total.value)
    assert [row.size for row in result.per_size] == ["small", "medium", "large"]
    # plain numbers, which a record can be written of
    as_content(result)


def test_pairing_makes_the_interval_narrow():
    truth, results = random_data(images=100)
    # one hit in twenty lost: nearly all of the variation between data sets is common to both
    sides = [samples(truth, results), samples(truth, results.take(np.arange(len(results)) % 20 > 0))]
    apart = [mean_ap(side.ap[1:, 0]).std() for side in sides]
    assert delta(*sides).total.error < 0.7 * np.hypot(*apart)


def test_too_few_images_have_a_difference_but_no_interval():
    deltas = np.array([0.25, 0.2, 0.3])
    assert estimate(deltas, MIN_IMAGES - 1) == Estimate(0.25, MIN_IMAGES - 1)
    assert estimate(deltas, MIN_IMAGES).ci95 == pytest.approx((0.2025, 0.2975))
    assert estimate(np.array([np.nan, np.nan]), 0) == Estimate(None, 0)


def test_resamples_without_anything_to_find_are_left_out():
    with_gaps = estimate(np.array([0.25, 0.2, np.nan, 0.3]), 20)
    assert with_gaps == estimate(np.array([0.25, 0.2, 0.3]), 20)


def test_p_is_of_students_t():
    resampled = np.random.default_rng(0).normal(0.03, 0.01, 1000)
    found = estimate(np.append(0.03, resampled), 12)
    assert found.p == pytest.approx(2 * stats.t.sf(0.03 / resampled.std(ddof=1), 11))
    assert estimate(np.append(-0.03, resampled), 12).p == found.p
    # a difference that no resample changes is certain
    assert estimate(np.full(5, -0.5), 12).p == 0


@pytest.mark.parametrize(
    ("p", "different"),
    [
        pytest.param([0.04, 0.5, 0.6], [False, False, False], id="one-of-three-below-5-percent-is-chance"),
        pytest.param([0.016, 0.5, 0.6], [True, False, False], id="below-a-third-of-5-percent-is-not"),
        pytest.param([0.04, 0.045, 0.049], [True, True, True], id="all-below-5-percent"),
        pytest.param([0.016, None, 0.6, 0.5], [True, None, False, False], id="untested-ones-do-not-count"),
        pytest.param([None], [None], id="nothing-tested"),
    ],
)
def test_false_discoveries_are_controlled(p, different):
    assert find_different(p) == different


def test_chance_alone_is_seldom_called_different():
    # 40 families of 80 true nulls: some class is called different in about 5 % of them
    random = np.random.default_rng(0)
    families = 0
    for _ in range(40):
        families += any(find_different(random.random(80).tolist()))
    assert families <= 6


def test_samples_of_different_data_are_refused():
    truth, results = random_data()
    found = samples(truth, results, 5)
    with pytest.raises(ValueError, match="images"):
        delta(found, samples(*random_data(images=59), 5))
    with pytest.raises(ValueError, match="shapes"):
        delta(found, samples(truth, results, 6))


def test_files(tmp_path):
    truth, results = random_data()
    listed = truth.of_images(set(truth.image_ids) - {7})
    write_truth(tmp_path / "truth.json", listed)
    write_json(tmp_path / "results.json", results.to_coco())
    out = str(tmp_path / "deep" / "samples.npz")
    paths = {"truth": str(tmp_path / "truth.json"), "detections": str(tmp_path / "results.json")}
    sample_ap(**paths, out=out, resamples=4, seed=0)
    expected = resample(listed, results, resamples=4, seed=0)
    found = read_resamples(out)
    assert isinstance(found, Resamples)
    for name, value in vars(expected).items():
        np.testing.assert_array_equal(getattr(found, name), value)
    assert len(found.images) == 59
