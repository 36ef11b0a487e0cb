"""Features of detections beside a reference, by hand."""

import numpy as np
import pytest
from datasets import make_image
from scoring import truth_of

from cutpoint.compare.signature import Signatures
from cutpoint.records.detections import make_results

IMAGES = [make_image(2), make_image(1)]
BOX = (40.0, 20.0, 20.0, 10.0)  # x, y, w, h


def found(image, box=BOX, score=0.8, category=5):
    return {"image_id": image, "bbox": list(box), "score": score, "category_id": category}


def measure(reference, variant, weights=None, annotations=None):
    truth = annotations and truth_of(annotations)
    signatures = Signatures(make_results(reference), IMAGES, [5, 7, 9], truth, weights)
    return signatures.measure(make_results(variant))


def once(reference, variant):
    return {name: float(values[0]) for name, values in measure(reference, variant)[0].items()}


def test_the_same_detections_differ_in_nothing():
    both = [found(1), found(2, score=0.5, category=7)]
    features = once(both, both)
    # two boxes, one more in the denominator
    assert features["found"] == features["same_class"] == pytest.approx(2 / 3)
    rest = {name: value for name, value in features.items() if not name.startswith(("found", "same"))}
    assert set(rest.values()) == {0.0}


def test_a_moved_box():
    # centre from (50, 25) to (54, 23), 20x10 to 40x10
    features = once([found(1)], [found(1, (34.0, 18.0, 40.0, 10.0), score=0.6)])
    expected = {"shift_x": 4 / 20, "shift_y": -2 / 10, "shift_w": np.log(2), "shift_h": 0}
    expected |= {"spread_y": 2 / 10, "score_high": -0.2, "score_low": 0, "score_spread": 0.2}
    for name, value in expected.items():
        # one pair, one more in the denominator
        assert features[name] == pytest.approx(value / 2 if not name.startswith("score_high") else -0.1), name
    # 4 of 50 pixels, in image widths: 0.02 * 0.25 / (0.25 ** 2 + 1)
    assert features["slope_x"] == pytest.approx(0.02 * 0.25 / (0.25**2 + 1))
    assert features["mean_x"] == pytest.approx((54 - 50) / 200 / 2)
    assert features["found_small"] == pytest.approx(1 / 2)


def test_classes_and_numbers():
    reference = [found(1), found(1, (100.0, 50.0, 20.0, 10.0), category=7)]
    variant = [found(1, category=7), found(1, (100.0, 50.0, 20.0, 10.0), category=5), found(2, score=0.05)]
    features = once(reference, variant)
    assert (features["class_plus_one"], features["class_minus_one"]) == (pytest.approx(1 / 3),) * 2
    assert features["same_class"] == 0
    assert features["detections"] == pytest.approx(np.log(4 / 3))
    assert features["confident"] == 0
    assert features["scores_from_0.1"] == pytest.approx(2 / 4 - 2 / 3)


def test_a_partner_is_the_one_that_is_believed_in():
    variant = [found(1, score=0.1, category=7), found(1, score=0.7)]
    assert once([found(1)], variant)["same_class"] == pytest.approx(1 / 2)


def test_unsure_boxes_of_the_reference_are_not_looked_for():
    assert once([found(1, score=0.2)], [])["found"] == 0
    features = once([found(1, score=0.2)], [found(1)])
    assert features["same_class"] == 0


def test_nothing_at_all():
    features, grains = measure([], [])
    assert {float(values[0]) for values in features.values()} == {0.0}
    assert set(grains.values()) == {1.0}


def test_resamples_are_sums_of_images():
    reference = [found(1), found(2)]
    variant = [found(1)]
    weights = np.array([[1, 2, 0], [1, 0, 2]])  # images 1 and 2
    features, grains = measure(reference, variant, weights)
    np.testing.assert_allclose(features["found"], [1 / 3, 2 / 3, 0])
    assert grains["found"] == pytest.approx(1 / 3)
    assert grains["shift_x"] == pytest.approx(1 / 2)  # one partner


def test_ap_is_relative_to_the_reference():
    annotations = {
        "images": [{"id": number} for number in (2, 1)],
        "categories": [{"id": category, "name": str(category)} for category in (5, 7, 9)],
        "annotations": [
            {"id": n, "image_id": n, "category_id": 5, "bbox": list(BOX), "area": 200.0, "iscrowd": 0}
            for n in (1, 2)
        ],
    }
    both = [found(1), found(2)]
    features, _ = measure(both, both, annotations=annotations)
    assert (features["AP"], features["AP_small"]) == (pytest.approx([1.0]),) * 2
    features, _ = measure(both, both[:1], annotations=annotations)
    # half of the boxes: precision 1 at recalls 0 to 0.5, 51 of 101
    assert features["AP"] == pytest.approx([51 / 101])
    # none of that size
    assert features["AP_large"] == [0]
