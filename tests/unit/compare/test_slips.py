"""Slips of a results file, taken back by hand."""

from dataclasses import replace

import numpy as np
import pytest
from datasets import make_image

from cutpoint.compare import slips as slips_of
from cutpoint.compare.slips import LAYOUTS, read_boxes
from cutpoint.records.detections import make_results

IMAGES = [make_image(number) for number in (1, 2, 3)]
BOX = [40.0, 20.0, 100.0, 50.0]  # centre 90, 45; other corner 140, 70


def found(image=1, box=BOX, score=0.5, category=5):
    return {"image_id": image, "bbox": list(box), "score": score, "category_id": category}


@pytest.mark.parametrize(
    ("form", "numbers"),
    [
        ("", (40, 20, 100, 50)),
        ("swapped", (20, 40, 50, 100)),
        ("swapped_places", (20, 40, 100, 50)),
        ("swapped_sizes", (40, 20, 50, 100)),
        ("corners", (40, 20, 140, 70)),
        ("corners_swapped", (20, 40, 70, 140)),
        ("corners_by_axis", (40, 140, 20, 70)),
        ("centres", (90, 45, 100, 50)),
        ("centres_swapped", (45, 90, 50, 100)),
    ],
)
def test_every_layout_is_read(form, numbers):
    assert read_boxes(np.array([numbers]), LAYOUTS[form][0]).tolist() == [BOX]


def undo_slips(results, reference, model, *rest):
    sides = (make_results(side) for side in (results, reference, model))
    slips = slips_of.undo_slips(*sides, *rest)
    return [replace(slip, results=slip.results.to_coco()) for slip in slips]


def undone(results, reference=(), categories=(5, 7)):
    made = undo_slips(results, list(reference), [], IMAGES, categories, [1, 2, 3])
    return {slip.name: slip for slip in made}


def test_a_unit_is_that_of_the_image():
    assert undone([found(box=(0.2, 0.2, 0.5, 0.5))])["fractions"].results == [found()]
    assert undone([found(box=(0.45, 0.45, 0.5, 0.5))])["centres_fractions"].results == [found()]
    assert undone([found(box=(20, 20, 70, 70))])["corners_percent"].results == [found()]


def test_a_unit_may_be_of_another_frame():
    slips = undo_slips([found(box=(0.2, 0.1, 0.5, 0.25))], [], [], IMAGES, (5, 7), [1])
    assert next(s.results[0]["bbox"] for s in slips if "longer side" in s.text) == BOX
    # of 400 x 250 px, which the model's best of the class tells
    model = [found(), found(box=(1, 2, 3, 4), score=0.4), found(category=7)]
    slips = undo_slips([found(box=(0.1, 0.08, 0.25, 0.2))], [], model, IMAGES, (5, 7), [1])
    (slip,) = [s for s in slips if s.name == "fractions" and "400 x 250 px" in s.text]
    assert slip.results == [found()]


def test_a_form_in_which_boxes_are_outside_is_not_considered():
    names = set(undone([found()]))
    # 40, 20 to 100, 50 is in the image; around 40, 20 a twentieth of each side is out; 50 x 100 ends at 120
    assert {"corners", "centres"} <= names
    assert not {"fractions", "corners_by_axis", "swapped_sizes"} & names


def test_scores_in_percent_only_where_one_is_above_1():
    assert "percent_scores" not in undone([found(score=1.0)])
    assert undone([found(score=50.0)])["percent_scores"].results == [found()]


def test_categories_that_are_labels():
    # ids 5 and 7 written as 0 and 1: what is no label is dropped
    assert undone([found(category=0), found(category=1)])["categories_from_0"].results == [
        *(found(), found(category=7))
    ]
    assert undone([found(category=1), found(category=9)])["categories_from_1"].results == [found()]
    # ids that are the labels already are no slip
    assert "categories_from_1" not in undone([found(category=1)], categories=(1, 2))


def test_images_that_stand_under_a_neighbour():
    slips = undone([found(2), found(3)])
    assert [d["image_id"] for d in slips["image_plus_one"].results] == [1, 2]
    assert slips["image_plus_one"].images == {1, 2}
    assert [d["image_id"] for d in slips["image_minus_one"].results] == [3]
    assert slips["image_minus_one"].images == {2, 3}


def test_counts():
    slips = undone([found(), found(), found(2)], [found(), found(2), found(3)])
    assert slips["entries_repeated"].results == [found(), found(2)]
    assert "1 of 3 entries repeat another one" in slips["entries_repeated"].text
    left = slips["images_left_out"]
    assert (left.images, left.results) == ({1, 2}, [found(), found(), found(2)])
    assert "1 of 3 images have no detection, the reference has on 1 of them" in left.text
    assert not {"entries_repeated", "images_left_out"} & set(undone([found()], [found()]))
    # counted over all images, taken back for those that are wanted
    some = {
        s.name: s for s in undo_slips([found(), found(), found(2)], [found(3)], [], IMAGES, (5, 7), [2, 3])
    }
    assert some["entries_repeated"].results == [found(2)]
    assert "1 of 3 entries" in some["entries_repeated"].text
    assert some["images_left_out"].images == {2}
    assert [d["image_id"] for d in some["image_minus_one"].results] == [2, 2, 3]
