"""What is seen of detections without the model, by hand."""

import pytest

from cutpoint.data import inspection
from cutpoint.data.inspection import kept_otherwise, missed
from cutpoint.records.detections import make_results


def entry(image=1, score=0.5, box=(10, 20, 30, 40), category=3):
    return {"image_id": image, "category_id": category, "bbox": list(box), "score": score}


def inspect(entries, images):
    return inspection.inspect(make_results(entries), images)


def repeats(entries):
    return inspection.repeats(make_results(entries))


def test_images_without_detections_are_counted():
    found = inspect([entry(1, 0.2), entry(1, 0.9), entry(3, 0.4), entry(99, 0.1)], [1, 2, 3])
    assert (found.images, found.without, found.lowest) == (3, 1, 0.2)
    assert found.best == {1: 0.9, 3: 0.4}
    assert found.doubts == []
    empty = inspect([], [1, 2])
    assert (empty.without, empty.lowest, empty.doubts) == (2, None, [])


def every(images, score=0.5):
    return inspect([entry(image, score) for image in images], range(100))


@pytest.mark.parametrize(
    ("variant", "said"),
    [
        (range(0, 80, 2), "60 of 100 images have no detection, the reference has on 40 of them"),
        (range(76), None),  # 4 of 80: 5 %
        (range(75), "25 of 100 images have no detection, the reference has on 5 of them"),
        ([], "100 of 100 images have no detection, the reference has on 80 of them"),
    ],
)
def test_what_only_the_reference_finds(variant, said):
    assert missed(every(variant), every(range(80))) == said


def test_what_is_below_the_variants_threshold_is_not_missed():
    reference = inspect([entry(1, 0.9), entry(2, 0.2), entry(3, 0.6)], [1, 2, 3])
    assert missed(inspect([entry(1, 0.9), entry(3, 0.5)], [1, 2, 3]), reference) is None
    assert missed(inspect([entry(1, 0.5)], [1, 2, 3]), reference).endswith("the reference has on 1 of them")


def test_repeats():
    one, other = entry(), entry(score=0.4)
    assert repeats([one, other, entry(box=(10, 20, 30, 41)), entry(category=4)]) is None
    place = "first image 1 category 3 score 0.5"
    assert repeats([one, other] * 3) == f"every one of 2 entries is there 3 times, {place}"
    assert repeats([other, one, one, one]) == f"2 of 4 entries repeat another one, {place}"


def test_numbers_that_cannot_be_right_are_counted():
    results = [
        entry(),
        entry(2, 1.5),
        entry(3, -1.0),
        entry(4, box=(5, 5, 0, 9)),
        entry(5, box=(5, 5, 9, -2)),
    ]
    assert inspect(results, range(9)).doubts == [
        "2 of 5 entries have a score outside 0 to 1, first image 2 category 3 score 1.5",
        "1 of 5 boxes have a negative width or height, first image 5 category 3 score 0.5",
    ]
    small = entry(box=(0.1, 0.2, 0.5, 1.2))
    (said,) = inspect([entry(), small, small | {"score": 0.7}], [1]).doubts
    assert said.startswith("2 of 3 boxes have no number above 1.5")
    assert inspect([entry(), small], [1]).doubts == []


def spread(lowest, most, on=2):
    """``on`` images with ``most`` boxes, one with a box; scores from ``lowest`` to 0.9."""
    entries = [entry(i, 0.9, (10 * k, 0, 5, 5)) for i in range(on) for k in range(most)]
    return inspect([*entries, entry(50, lowest)], range(100))


def test_the_most_boxes_of_an_image_are_counted():
    found = spread(0.2, 3)
    assert (found.most, found.most_on) == (3, 2)
    assert (inspect([], [1]).most, inspect([], [1]).most_on) == (0, 0)


@pytest.mark.parametrize(
    ("variant", "reference", "said"),
    [
        ((0.25, 5), (0.001, 5), ["scores from 0.25, the reference from 0.001"]),
        ((0.001, 5), (0.25, 5), ["scores from 0.001, the reference from 0.25"]),
        ((0.0011, 5), (0.001, 5), []),
        ((0.004, 5), (0.001, 5), []),  # both near the same low threshold
        ((0.26, 5), (0.25, 5), []),
        ((0.2, 3), (0.2, 9), ["at most 3 boxes an image, the reference 9"]),
        ((0.2, 9), (0.2, 3), ["at most 9 boxes an image, the reference 3"]),
        ((0.2, 3, 1), (0.2, 9), []),  # one image has the most: chance
    ],
)
def test_limits_that_differ_are_said(variant, reference, said):
    assert kept_otherwise(spread(*variant), spread(*reference)) == said
