"""Slices: AP, interval and agreement of the images that share a value."""

from dataclasses import replace

import numpy as np
import pytest
from scoring import truth_of

from cutpoint.compare.agreement import measure_agreement
from cutpoint.compare.baseline import MIN_IMAGES
from cutpoint.compare.bootstrap import (
    delta,
    draw_multiplicities,
    mean_ap,
    resample,
)
from cutpoint.compare.slices import compare_slices, resample_slices, sample_slices
from cutpoint.evaluate.average_precision import weighted_ap
from cutpoint.evaluate.coco import score
from cutpoint.evaluate.matches import match_images
from cutpoint.matching import AGREEMENT_IOU
from cutpoint.records.detections import make_results, write_refusal
from cutpoint.records.slice_samples import read_slice_samples, write_slice_samples
from cutpoint.records.slices import Slice, write_slices
from cutpoint.records.truth import write_truth

BOX = [10.0, 10, 40, 40]
IMAGES = range(1, 61)
# ids that are not positions
ODD, EVEN = (tuple(i for i in IMAGES if i % 2 == rest) for rest in (1, 0))
SETTINGS = {"resamples": 200, "seed": 3}


def make_data(seed=0, classes=3):
    """Ground truth, a reference, and a variant that is much worse on even images alone."""
    random = np.random.default_rng(seed)
    boxes = [
        (image, category, [*random.uniform(0, 300, 2).tolist(), *random.uniform(10, 150, 2).tolist()])
        for image in IMAGES
        for category in range(1, classes + 1)
        if random.random() < 0.7
    ]
    annotations = [
        {
            "id": n,
            "image_id": i,
            "category_id": c,
            "bbox": b,
            "area": b[2] * b[3],
            "iscrowd": int(n % 29 == 0),
        }
        for n, (i, c, b) in enumerate(boxes, start=1)
    ]
    truth = truth_of(
        {
            "images": [{"id": i} for i in reversed(IMAGES)],
            "categories": [{"id": c, "name": f"class {c}"} for c in range(1, classes + 1)],
            "annotations": annotations,
        }
    )
    reference, variant = [], []
    for image, category, box in boxes:
        moved = (np.array(box) + random.uniform(-4, 4, 4)).tolist()
        found = {"image_id": image, "category_id": category, "score": round(random.random(), 2)}
        reference.append(found | {"bbox": moved})
        bad = image % 2 == 0 and random.random() < 0.6
        variant.append(found | {"bbox": [500.0, 500, 20, 20] if bad else moved})
        if random.random() < 0.5:
            wrong = found | {"bbox": [*random.uniform(0, 300, 2).tolist(), 30.0, 30.0], "score": 0.4}
            reference.append(wrong)
            variant.append(wrong)
    return truth, make_results(reference), make_results(variant)


@pytest.fixture(scope="module")
def data():
    return make_data()


def compared(data, slices):
    truth, *sides = data
    samples = [resample_slices(truth, side, slices, **SETTINGS) for side in sides]
    return compare_slices(slices, *sides, samples)


def test_the_whole_set_as_a_slice_equals_the_whole(data):
    truth, *sides = data
    whole = [resample(truth, side, **SETTINGS) for side in sides]
    (part,) = compared(data, [Slice("all", "yes", tuple(IMAGES))])
    total = delta(*whole).total
    assert part.AP == mean_ap(whole[1].ap)[0, 0] == pytest.approx(score(truth, sides[1]).AP, abs=1e-12)
    assert (part.delta_AP, part.delta_AP_ci95) == (total.value, total.ci95)
    assert part.images == total.images
    assert part.agreement == measure_agreement(*sides, IMAGES).share_at(AGREEMENT_IOU)


def test_each_slice_is_scored_as_a_data_set_of_its_images(data):
    truth, _, variant = data
    slices = [Slice("side", "odd", ODD), Slice("side", "even", EVEN)]
    samples = resample_slices(truth, variant, slices, **SETTINGS)
    for k, ids in enumerate((ODD, EVEN)):
        alone = score(truth.of_images(ids), variant.of_images(ids))
        assert samples.ap[k, 0] == pytest.approx(alone.AP, abs=1e-12)
        assert samples.ap50[k] == pytest.approx(alone.AP50, abs=1e-12)
        assert samples.recall[k] == pytest.approx(alone.AR100, abs=1e-12)
        assert samples.images[k] == len(ids)
    boxes = ~truth.iscrowd
    assert samples.objects.sum() == boxes.sum()
    assert samples.images_with.sum() == len(np.unique(truth.image_id[boxes]))


def test_the_interval_is_the_bootstrap_over_the_images_of_the_slice(data):
    truth, reference, variant = data
    (part,) = compared(data, [Slice("side", "even", EVEN)])
    drawn = draw_multiplicities(len(IMAGES), **SETTINGS)[[i - 1 for i in EVEN]]
    own = truth.of_images(EVEN)
    each = [
        mean_ap(weighted_ap(match_images(own, side.of_images(EVEN)), drawn))[:, 0]
        for side in (reference, variant)
    ]
    np.testing.assert_allclose(part.delta_AP_ci95, np.percentile(each[1] - each[0], [2.5, 97.5]), atol=1e-12)


def test_a_loss_on_some_images_shows_in_their_slice_alone(data):
    odd, even = compared(data, [Slice("side", "odd", ODD), Slice("side", "even", EVEN)])
    assert (odd.delta_AP, odd.different, odd.agreement) == (0, False, 1)
    assert even.delta_AP < -0.1
    assert (even.different, even.suspicious) == (True, False)
    assert even.agreement < 0.8
    assert even.delta_AP_ci95[1] < 0


def test_few_images_have_no_interval(data):
    truth = data[0]
    with_objects = sorted(set(truth.image_id[~truth.iscrowd].tolist()))
    slices = [Slice("n", str(n), tuple(with_objects[:n])) for n in (MIN_IMAGES - 1, MIN_IMAGES)]
    few, enough = compared(data, slices)
    assert few.delta_AP is not None
    assert (few.delta_AP_ci95, few.p, few.different, few.suspicious) == (None, None, None, None)
    assert (few.images, few.images_with_objects) == (MIN_IMAGES - 1,) * 2
    assert enough.delta_AP_ci95 is not None


def test_a_slice_without_objects_has_no_ap(data):
    truth, *sides = data
    rows = ~np.isin(truth.image_id, ODD)
    columns = {
        name: getattr(truth, name)[rows]
        for name in ("id", "image_id", "category_id", "bbox", "area", "iscrowd")
    }
    (part,) = compared((replace(truth, **columns), *sides), [Slice("side", "odd", ODD)])
    assert (part.images, part.images_with_objects, part.objects) == (len(ODD), 0, 0)
    assert (part.AP, part.delta_AP, part.delta_AP_ci95, part.different) == (None,) * 4
    assert part.agreement == 1


def test_other_slices_do_not_change_a_slice(data):
    alone = compared(data, [Slice("side", "odd", ODD)])
    beside = compared(data, [Slice("side", "odd", ODD), Slice("x", "y", EVEN)])
    assert alone[0] == replace(beside[0], p=alone[0].p)


def test_without_ground_truth_there_is_agreement_alone(data):
    _, reference, variant = data
    slices = [Slice("side", "odd", ODD), Slice("side", "even", EVEN), Slice("none", "found", (999,))]
    odd, even, empty = compare_slices(slices, reference, variant, [])
    assert (odd.images, odd.agreement, odd.delta_AP, odd.objects) == (len(ODD), 1, None, None)
    assert even.agreement == compared(data, slices[:2])[1].agreement
    assert empty.agreement == 1


def test_samples_of_other_slices_are_refused(data):
    truth, *sides = data
    samples = [resample_slices(truth, side, [Slice("a", "b", ODD)], **SETTINGS) for side in sides]
    with pytest.raises(ValueError, match="of other slices"):
        compare_slices([Slice("a", "c", ODD)], *sides, samples)


def test_a_refused_variant_has_no_numbers(data, tmp_path):
    files = {name: str(tmp_path / name) for name in ("truth", "detections", "slices", "out")}
    write_truth(files["truth"], data[0])
    write_refusal(files["detections"], "NaN")
    write_slices(files["slices"], "street", "slices.csv", (Slice("side", "odd", ODD),))
    sample_slices(**files)
    found = read_slice_samples(files["out"])
    assert np.isnan(found.ap).all()
    assert np.isnan([found.ap50[0], found.recall[0]]).all()
    assert found.objects[0] > 0


def test_samples_survive_their_file(data, tmp_path):
    slices = [Slice("=1+1", "<b>夜", ODD)]
    samples = resample_slices(data[0], data[1], slices, **SETTINGS)
    write_slice_samples(tmp_path / "a.npz", samples)
    for name, value in vars(read_slice_samples(tmp_path / "a.npz")).items():
        np.testing.assert_array_equal(value, getattr(samples, name))
