"""Slips of a results file, planted by other code, are named; right files and other faults are not."""

import random

import pytest

from cutpoint.data.inspection import inspect, missed
from cutpoint.records.detections import make_results

pytestmark = pytest.mark.slow


def boxes(change):
    """Each box by ``change(x, y, w, h, image width, image height)``."""

    def plant(results, images):
        sizes = {image.id: (image.width, image.height) for image in images}
        return [d | {"bbox": list(change(*d["bbox"], *sizes[d["image_id"]]))} for d in results]

    return plant


def every(times):
    return lambda results, images: results * times


def some_images(keep):
    """Only those images of which ``keep(index, count)`` holds, in the order of their ids."""

    def plant(results, images):
        ids = sorted(image.id for image in images)
        kept = {image for index, image in enumerate(ids) if keep(index, len(ids))}
        return [d for d in results if d["image_id"] in kept]

    return plant


def image_ids(step):
    """Under the neighbour's id; what leaves the data set is dropped, as import would refuse it."""

    def plant(results, images):
        ids = {image.id for image in images}
        moved = [d | {"image_id": d["image_id"] + step} for d in results]
        return [d for d in moved if d["image_id"] in ids]

    return plant


def scores(change):
    return lambda results, images: [d | {"score": change(d["score"])} for d in results]


CHOSEN = random.Random(5)
PLANTED = {
    "corners": boxes(lambda x, y, w, h, *_: (x, y, x + w, y + h)),
    "corners_swapped": boxes(lambda x, y, w, h, *_: (y, x, y + h, x + w)),
    "corners_by_axis": boxes(lambda x, y, w, h, *_: (x, x + w, y, y + h)),
    "centres": boxes(lambda x, y, w, h, *_: (x + w / 2, y + h / 2, w, h)),
    "centres_swapped": boxes(lambda x, y, w, h, *_: (y + h / 2, x + w / 2, h, w)),
    "swapped": boxes(lambda x, y, w, h, *_: (y, x, h, w)),
    "swapped_places": boxes(lambda x, y, w, h, *_: (y, x, w, h)),
    "swapped_sizes": boxes(lambda x, y, w, h, *_: (x, y, h, w)),
    "fractions": boxes(lambda x, y, w, h, W, H: (x / W, y / H, w / W, h / H)),
    "fractions, of another size": boxes(lambda x, y, w, h, *_: (x / 480, y / 320, w / 480, h / 320)),
    "fractions, of a square": boxes(
        lambda x, y, w, h, W, H: tuple(number / max(W, H) for number in (x, y, w, h))
    ),
    "corners_fractions, of another size": boxes(
        lambda x, y, w, h, *_: (x / 640, y / 360, (x + w) / 640, (y + h) / 360)
    ),
    "percent": boxes(lambda x, y, w, h, W, H: (100 * x / W, 100 * y / H, 100 * w / W, 100 * h / H)),
    "corners_fractions": boxes(lambda x, y, w, h, W, H: (x / W, y / H, (x + w) / W, (y + h) / H)),
    "corners_swapped_fractions": boxes(lambda x, y, w, h, W, H: (y / H, x / W, (y + h) / H, (x + w) / W)),
    "centres_fractions": boxes(lambda x, y, w, h, W, H: ((x + w / 2) / W, (y + h / 2) / H, w / W, h / H)),
    "entries_repeated": every(2),
    "entries_repeated, three times": every(3),
    "entries_repeated, a third": lambda results, images: results + results[::3],
    "images_left_out": some_images(lambda index, count: index % 2),
    "images_left_out, interrupted": some_images(lambda index, count: index < 2 * count / 3),
    "images_left_out, at random": some_images(lambda index, count: CHOSEN.random() < 0.7),
    "percent_scores": scores(lambda score: 100 * score),
    "image_plus_one": image_ids(1),
    "image_minus_one": image_ids(-1),
}
THRESHOLD = 0.3


@pytest.fixture(scope="module")
def results(bed):
    return bed.rest + bed.plain


@pytest.mark.parametrize("name", PLANTED)
def test_the_planted_slip_is_ranked_first_and_named(bed, results, name):
    said = bed.diagnose(PLANTED[name](results, bed.listed), whole=True)
    print(summary(name, said))
    slip = name.split(",")[0]
    assert said["ranking"][0]["names"] == [slip]
    assert (said["verdict"], said["names"]) == ("looks like", [slip])


@pytest.mark.parametrize(
    "name", ["corners", "centres_fractions", "swapped", "entries_repeated", "images_left_out"]
)
def test_another_threshold_does_not_hide_it(bed, results, name):
    sure = [d for d in results if d["score"] >= THRESHOLD]
    said = bed.diagnose(PLANTED[name](sure, bed.listed), whole=True)
    print(summary(name, said))
    assert (said["verdict"], said["names"]) == ("looks like", [name])


@pytest.mark.parametrize("name", ["corners", "centres_fractions", "swapped"])
def test_nor_does_one_on_another_quantity_nor_a_cap(bed, results, name):
    ranked = sorted(results, key=lambda d: (d["image_id"], -d["score"]))
    firsts = [d for at, d in enumerate(ranked) if at < 5 or ranked[at - 5]["image_id"] != d["image_id"]]
    dark = [d for d in results if d["bbox"][2] * d["bbox"][3] * d["score"] ** 2 > 100]
    for some in (firsts, dark):
        said = bed.diagnose(PLANTED[name](some, bed.listed), whole=True)
        assert (said["verdict"], said["names"]) == ("looks like", [name])


def test_the_counts_are_said(bed, results):
    images = [image.id for image in bed.listed]
    half = PLANTED["images_left_out"](results, bed.listed)
    text = bed.diagnose(half, whole=True)["text"]
    empty = len(images) - len({d["image_id"] for d in half})
    lacking = len({d["image_id"] for d in results} - {d["image_id"] for d in half})
    assert (
        f"{empty} of {len(images)} images have no detection, the reference has on {lacking} of them" in text
    )
    assert missed(*(inspect(make_results(side), images) for side in (half, results))) in text
    assert f"every one of {len(results)} entries is there twice" in bed.diagnose(results * 2, True)["text"]


def test_what_is_no_slip_is_not_called_one(bed, results):
    assert bed.diagnose(results, whole=True)["verdict"] == "nothing to explain"
    sure = [d for d in results if d["score"] >= THRESHOLD]
    shaken = boxes(lambda x, y, w, h, *_: (x + 0.2 * w, y, w, 1.3 * h))(results, bed.listed)
    text = bed.diagnose([], whole=True)["text"]
    assert text == "Nothing to compare: no detection on these 24 images."
    for other in (sure, shaken, results[::2], results[::40]):
        said = bed.diagnose(other, whole=True)
        print(summary("other", said))
        assert said["verdict"] == "nothing fits"


def summary(name, said):
    near = (f"{line['names'][0]} {line['distance']:.2f} {line['match_rate']}" for line in said["ranking"][:3])
    return f"{name}: {', '.join(near)}; limit {said['limit']:.2f}; {said['text']}"
