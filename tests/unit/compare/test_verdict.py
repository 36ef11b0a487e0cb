import math

import numpy as np
import pytest

from cutpoint.compare import verdict
from cutpoint.compare.bootstrap import Estimate
from cutpoint.compare.verdict import CORNER_PX, SCORE, decide, images_to_decide
from cutpoint.records.comparison import Lossless, Tolerances
from cutpoint.records.detections import make_results


def detection(x=0.0, score=0.5, image=1, category=1, y=0.0, w=30.0, h=20.0):
    return {"image_id": image, "category_id": category, "bbox": [x, y, w, h], "score": score}


def lossless(reference, variant, **settings):
    return verdict.lossless(make_results(reference), make_results(variant), **settings)


def random_detections(count=400):
    random = np.random.default_rng(0)
    return [
        detection(
            *random.uniform(0, 400, 1).tolist(),
            score=float(random.random()),
            image=int(random.integers(1, 6)),
            category=int(random.integers(1, 4)),
            w=float(random.uniform(5, 90)),
        )
        for _ in range(count)
    ]


def test_the_order_of_detections_does_not_matter():
    reference = random_detections()
    variant = [reference[i] for i in np.random.default_rng(1).permutation(len(reference))]
    found = lossless(reference, variant)
    assert found == Lossless(400, 0, 0, 0, Tolerances(CORNER_PX, SCORE))
    assert found.holds


@pytest.mark.parametrize(
    ("change", "same"),
    [
        pytest.param({"x": 0.04}, True, id="moved-within"),
        pytest.param({"x": 0.06}, False, id="moved-beyond"),
        pytest.param({"y": -0.06}, False, id="moved-up-beyond"),
        pytest.param({"w": 30.06}, False, id="wider-beyond"),
        pytest.param({"x": 0.04, "w": 30.04}, False, id="the-other-corner-moves-by-both"),
        pytest.param({"x": 0.04, "w": 29.96}, True, id="the-other-corner-stays"),
        pytest.param({"h": 20.06}, False, id="higher-beyond"),
        pytest.param({"score": 0.50009}, True, id="score-within"),
        pytest.param({"score": 0.49989}, False, id="score-beyond"),
        pytest.param({"category": 2}, False, id="another-class"),
        pytest.param({"image": 2}, False, id="another-image"),
    ],
)
def test_tolerances(change, same):
    found = lossless([detection(), detection(100)], [detection(100), detection(**change)])
    assert found.holds is same
    assert (found.pairs, found.unmatched_reference, found.unmatched_variant) == (
        (2, 0, 0) if same else (1, 1, 1)
    )


def test_tolerances_are_parameters_and_printed():
    sides = [detection()], [detection(0.4, score=0.51)]
    assert not lossless(*sides).holds
    found = lossless(*sides, corner_px=0.5, score=0.02)
    assert found.holds
    assert found.tolerances == Tolerances(0.5, 0.02)
    assert not lossless(*sides, corner_px=0.5).holds
    assert not lossless(*sides, score=0.02).holds


def test_partners_are_one_to_one():
    assert lossless([detection()] * 3, [detection()] * 2).unmatched_reference == 1
    assert lossless([detection()] * 2, [detection()] * 3).unmatched_variant == 1


def test_the_most_pairs_are_found():
    # the first fits both, the second only the first's nearer partner
    found = lossless([detection(0.0), detection(0.04)], [detection(0.03), detection(-0.04)])
    assert found.pairs == 2


def test_empty_sides():
    assert lossless([], []).holds
    assert lossless([detection()], []).unmatched_reference == 1
    assert lossless([], [detection()]).unmatched_variant == 1


def test_scores_of_any_range_keep_groups_apart():
    reference = [detection(score=s, category=c) for s, c in ((-8.0, 1), (30.0, 1), (-8.0, 2), (30.0, 2))]
    assert lossless(reference, reference[::-1]).pairs == 4
    moved = [detection(score=s, category=c) for s, c in ((-8.0, 1), (30.0, 1), (30.0, 2), (30.0, 2))]
    assert lossless(reference, moved).pairs == 3


def test_last_places_of_full_images_are_ties():
    # both keep three; the last place went to either of two with the same score
    common = [detection(0, 0.9), detection(100, 0.8)]
    sides = [*common, detection(200, 0.3)], [*common, detection(300, 0.30005, category=2)]
    found = lossless(*sides, max_per_img=3)
    assert (found.holds, found.ties, found.unmatched_reference) == (True, 2, 0)
    assert not lossless(*sides).holds
    # not full: nothing was cut
    assert not lossless(*sides, max_per_img=4).holds
    # another image being full is no excuse
    assert lossless([detection(0, 0.1, image=7)], common, max_per_img=2).ties == 0
    # full, but better than the last place
    better = [*common, detection(300, 0.31)]
    assert lossless(sides[0], better, max_per_img=3).unmatched_variant == 1


def test_a_class_off_by_one_is_no_tie():
    reference = random_detections()
    variant = [r | {"category_id": r["category_id"] + 10} for r in reference]
    found = lossless(reference, variant, max_per_img=80, score_thr=0.001)
    assert not found.holds
    assert found.unmatched_reference > 350


def test_scores_at_the_threshold_are_ties():
    sides = [detection(0, 0.9), detection(200, 0.05008)], [detection(0, 0.9)]
    assert lossless(*sides, score_thr=0.05).ties == 1
    assert lossless(*sides, score_thr=0.05).holds
    assert not lossless(*sides, score_thr=0.04).holds
    assert not lossless(*sides).holds


def interval(value, error, images=1000):
    """What ``bootstrap.delta`` gives for a normal distribution."""
    wide, narrow = 1.96 * error, 1.645 * error
    return Estimate(value, images, (value - wide, value + wide), (value - narrow, value + narrow), error)


@pytest.mark.parametrize(
    ("value", "error", "word", "suspicious"),
    [
        pytest.param(0.0, 0.0, "equivalent", False, id="no-difference-at-all"),
        pytest.param(0.0002, 0.0004, "equivalent", False, id="within-the-margin"),
        pytest.param(-0.0004, 0.0001, "equivalent", False, id="certain-but-within-the-margin"),
        pytest.param(0.0, 0.00055, "equivalent", False, id="90-percent-decides-not-95"),
        pytest.param(0.0, 0.00062, "inconclusive", False, id="90-percent-beyond-the-margin"),
        pytest.param(-0.02, 0.005, "different", False, id="worse"),
        pytest.param(0.02, 0.005, "different", True, id="better-is-suspicious"),
        pytest.param(0.02, 0.012, "inconclusive", False, id="better-by-chance-is-not"),
        pytest.param(-0.0009, 0.0003, "different", False, id="real-and-perhaps-beyond-the-margin"),
        pytest.param(-0.02, 0.0105, "inconclusive", False, id="95-percent-decides-not-90"),
    ],
)
def test_four_verdicts(value, error, word, suspicious):
    found = decide(False, interval(value, error))
    assert (found.word, found.suspicious) == (word, suspicious)
    assert (found.images_to_decide is not None) is (word == "inconclusive")
    assert decide(True, interval(value, error)).word == "lossless"


def test_the_margin_is_a_parameter():
    assert decide(False, interval(-0.004, 0.001), margin=0.01).word == "equivalent"
    assert decide(False, interval(-0.004, 0.001), margin=0.005).word == "different"


def test_without_annotations():
    assert decide(True, None).word == "lossless"
    found = decide(False, None)
    assert (found.word, found.images_to_decide) == ("inconclusive", None)
    assert decide(False, Estimate(0.1, 9)).word == "inconclusive"


def test_images_to_decide_by_hand():
    # to show 0.01 at error 0.01 of 1000 images: (1.96 + 0.842)^2 = 7.85 times as many
    assert images_to_decide(0.01, 0.01, 1000, 0.001) == 7900
    # to show that 0 is within 0.001: (1.645 + 1.282)^2 * (0.002 / 0.001)^2 = 34.3 times
    assert images_to_decide(0.0, 0.002, 1000, 0.001) == 35000
    # within the margin: the fewer of both
    assert images_to_decide(0.0008, 0.001, 1000, 0.001) == 13000
    assert images_to_decide(0.0002, 0.001, 1000, 0.001) == 14000
    # never fewer than there are
    assert images_to_decide(0.01, 0.0001, 1000, 0.001) == 1001


@pytest.mark.parametrize(("value", "error", "word"), [(0.004, 0.01, "different"), (0.0, 0.003, "equivalent")])
def test_that_many_images_decide_four_times_in_five(value, error, word):
    random = np.random.default_rng(0)
    images = images_to_decide(value, error, 1000, 0.001)
    smaller = error * math.sqrt(1000 / images)
    decided = [
        decide(False, interval(v, smaller, images)).word == word for v in random.normal(value, smaller, 2000)
    ]
    assert np.mean(decided) == pytest.approx(0.8, abs=0.03)
