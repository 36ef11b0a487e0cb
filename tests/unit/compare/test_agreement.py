import pytest

from cutpoint.compare import agreement
from cutpoint.records.comparison import BoxDrift, ImageAgreement, Share, ThresholdAgreement
from cutpoint.records.detections import make_results


def detection(x, image=1, category=1, score=0.5, width=10):
    return {"image_id": image, "category_id": category, "bbox": [x, 0, width, 10], "score": score}


def measure_agreement(reference, variant, images):
    return agreement.measure_agreement(make_results(reference), make_results(variant), images)


def test_agreement_is_a_share_of_both_sides():
    # IoU 9.5 / 10.5 = .905 matches at .9; 9 / 11 = .82 does not; another class, another image do not
    reference = [detection(0), detection(100), detection(200, category=2), detection(300, image=2)]
    variant = [detection(0.5), detection(101), detection(200), detection(300, image=1), detection(400)]
    found = measure_agreement(reference, variant, [1, 2])
    assert found.share_at(0.9) == 2 / 9
    assert (found.reference, found.variant) == (4, 5)
    assert (found.missing, found.extra) == (2, 3)
    assert found.shares == (Share(0.5, 2, 4 / 9), Share(0.9, 1, 2 / 9), Share(0.99, 0, 0.0))
    # all scores are 0.5, the sixth threshold of ten
    assert found.per_image == (
        ImageAgreement(1, 3, 5, 2 / 8, 1, 3, 0.0, 1.0, (2 / 8,) * 6 + (None,) * 4),
        ImageAgreement(2, 1, 0, 0.0, 1, 0, None, None, (0.0,) * 6 + (None,) * 4),
    )


@pytest.mark.parametrize(
    ("reference", "variant", "expected"), [([], [], 1.0), ([1], [], 0.0), ([], [1], 0.0), ([1], [1], 1.0)]
)
def test_empty_sides(reference, variant, expected):
    sides = ([detection(x) for x in side] for side in (reference, variant))
    found = measure_agreement(*sides, [1])
    assert found.share_at(0.9) == found.per_image[0].agreement == expected
    assert (found.score_drift.p50 is None) == (expected == 0 or not reference)


def test_drift_is_of_the_scores_and_of_the_corner_that_moved_most():
    # of 101 pairs the k-th moves by k / 100 px and loses k / 1000 of its score; one gains
    reference = [detection(50 * k, score=0.5) for k in range(101)]
    variant = [detection(50 * k, score=0.5 - k / 1000, width=10 + k / 100) for k in range(101)]
    variant[10]["score"] = 0.51
    found = measure_agreement(reference, variant, [1])
    assert found.box_drift_px == BoxDrift(*(pytest.approx(value) for value in (0.5, 0.9, 0.99, 1.0)))
    assert found.score_drift.max == pytest.approx(0.1)
    assert found.score_drift.p90 == pytest.approx(0.09)
    # the mean is signed: variant - reference
    assert found.score_drift.mean == pytest.approx(-(sum(range(101)) / 1000 - 0.02) / 101)


def test_f1_counts_either_side_above_the_threshold_and_matches_anew():
    # below .5 the reference's best partner is the low one; above, only the high one is left
    reference = [detection(0, score=0.9)]
    variant = [detection(0, score=0.15), detection(0.1, score=0.8)]
    found = {row.score_thr: row for row in measure_agreement(reference, variant, [1]).f1}
    assert found[0.1] == ThresholdAgreement(0.1, 1, 2, 2 / 3)
    assert found[0.2] == ThresholdAgreement(0.2, 1, 1, 1.0)
    assert found[0.9] == ThresholdAgreement(0.9, 1, 0, 0.0)
    assert measure_agreement([], [], [1]).f1[0].f1 is None


def test_f1_of_each_image_over_thresholds():
    reference = [detection(0, score=0.9), detection(50, score=0.35), detection(0, image=2, score=0.6)]
    variant = [detection(0, score=0.85), detection(0, image=2, score=0.6)]
    found = measure_agreement(reference, variant, [1, 2, 3])
    thresholds = [row.score_thr for row in found.f1]
    f1 = {row.image_id: dict(zip(thresholds, row.f1, strict=True)) for row in found.per_image}
    assert [f1[1][thr] for thr in (0.3, 0.4, 0.8, 0.9)] == [2 / 3, 1.0, 1.0, 0.0]
    assert [f1[2][thr] for thr in (0.6, 0.7)] == [1.0, None]
    assert set(f1[3].values()) == {None}


def test_of_many_images_the_worst_are_listed():
    reference = [detection(0, image=image) for image in range(150)]
    variant = [detection(0 if image != 77 else 500, image=image) for image in range(150)]
    variant.append(detection(900, image=33))
    found = measure_agreement(reference, variant, range(150))
    assert found.images == 150
    assert len(found.per_image) == 20
    assert [(row.image_id, row.agreement) for row in found.per_image[:3]] == [
        (77, 0.0),
        (33, 2 / 3),
        (0, 1.0),
    ]
