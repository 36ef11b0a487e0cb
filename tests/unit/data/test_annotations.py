"""Annotations are scored as they are meant, or refused with the number of entries and the first."""

import copy
import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from scoring import truth_of

from cutpoint.data.annotations import CleanAnnotations, clean_annotations
from cutpoint.errors import UserError
from cutpoint.evaluate.coco import score
from cutpoint.records.detections import make_results
from cutpoint.records.manifest import Category
from cutpoint.records.truth import TruthImage

DEMO = Path(__file__).resolve().parents[3] / "data/demo/traffic/instances.json"
NAN, INFINITY = float("nan"), float("inf")


@pytest.fixture
def content():
    """Two images of 100 x 80 px with 3 and 2 boxes."""
    boxes = [[10, 10, 20, 20], [50, 20, 30, 40], [0, 0, 100, 80], [5, 5, 10, 60.5], [60, 40, 40, 40]]
    return {
        "info": {"scale": NAN},
        "images": [
            {"id": 0, "file_name": "a.jpg", "width": 100, "height": 80, "license": 1},
            {"id": 7, "file_name": "b.jpg", "width": 100, "height": 80},
        ],
        "categories": [{"id": 0, "name": "car", "supercategory": "none"}, {"id": 3, "name": "person"}],
        "annotations": [
            {
                "id": 10 + n,
                "image_id": 0 if n < 3 else 7,
                "category_id": 3 * (n % 2),
                "bbox": box,
                "area": box[2] * box[3] / 2,
                "iscrowd": 0,
                "segmentation": [[1, 2, 3, 4, 5, 6]],
            }
            for n, box in enumerate(boxes)
        ],
    }


def clean(content, invalid_boxes=None) -> CleanAnnotations:
    before = repr(content)
    cleaned = clean_annotations("street", "instances.json", content, invalid_boxes)
    assert repr(content) == before
    return cleaned


def as_coco(cleaned: CleanAnnotations) -> dict:
    """Annotations as scoring takes them."""
    columns = (cleaned.image_id, cleaned.category_id, cleaned.bbox, cleaned.area, cleaned.iscrowd.astype(int))
    keys = ("image_id", "category_id", "bbox", "area", "iscrowd")
    rows = zip(*(column.tolist() for column in columns), strict=True)
    return {
        "images": [asdict(image) for image in cleaned.images],
        "annotations": [
            {"id": number, **dict(zip(keys, row, strict=True))} for number, row in enumerate(rows, start=1)
        ],
        "categories": [asdict(category) for category in cleaned.categories],
    }


def refusal(content, invalid_boxes=None):
    with pytest.raises(UserError) as error:
        clean(content, invalid_boxes)
    message = str(error.value)
    start = "datasets.street.annotations instances.json: "
    assert message.startswith(start)
    return message.removeprefix(start)


def entry(content, position=0):
    return content["annotations"][position]


def test_clean_annotations_keep_ids_and_order_and_have_no_notes(content):
    content["images"].reverse()
    cleaned = clean(content)
    assert cleaned.notes == ()
    assert cleaned.images == (TruthImage(7, "b.jpg", 80, 100), TruthImage(0, "a.jpg", 80, 100))
    assert cleaned.categories == (Category(0, "car"), Category(3, "person"))
    assert cleaned.image_id.tolist() == [0, 0, 0, 7, 7]
    assert cleaned.category_id.tolist() == [0, 3, 0, 3, 0]
    assert cleaned.bbox[3].tolist() == [5.0, 5.0, 10.0, 60.5]
    assert cleaned.area[3] == 302.5
    assert not cleaned.iscrowd.any()


# scored against detections that are the demo's boxes moved by some pixels


@pytest.fixture
def demo():
    return json.loads(DEMO.read_text())


def demo_ap(content):
    """AP of detections near the boxes of the demo, by the content's own ids."""
    cleaned = clean(content)
    truth, notes = as_coco(cleaned), list(cleaned.notes)
    rng = np.random.default_rng(1)
    results = [
        {
            "image_id": a["image_id"],
            "category_id": a["category_id"],
            "bbox": (np.array(a["bbox"]) + rng.normal(0, 2, 4)).tolist(),
            "score": rng.uniform(),
        }
        for a in truth["annotations"]
    ]
    metrics = score(truth_of(truth), make_results(results))
    return [getattr(metrics, name) for name in ("AP", "AP50", "APs", "APm", "APl")], notes


def test_missing_area_and_iscrowd_are_filled_in_and_said(demo):
    for annotation in demo["annotations"]:
        annotation["iscrowd"] = 0
    expected, notes = demo_ap(demo)
    assert notes == []
    assert 0.3 < expected[0] < 0.9
    for position, annotation in enumerate(demo["annotations"]):
        for key in ("area", "iscrowd"):
            if position % 2:
                annotation[key] = None
            else:
                del annotation[key]
    count = len(demo["annotations"])
    assert demo_ap(demo) == (
        expected,
        [
            f"area missing, null or 0: {count} of {count} annotations, first annotation 1: width x height is "
            "used",
            f"iscrowd missing or null: {count} of {count} annotations, first annotation 1: 0 is used",
        ],
    )


def renumbered(demo):
    """As Label Studio and Roboflow number: everything from 0."""
    images = {image["id"]: number for number, image in enumerate(demo["images"])}
    for image in demo["images"]:
        image["id"] = images[image["id"]]
    for number, annotation in enumerate(demo["annotations"]):
        annotation["id"] = number
        annotation["image_id"] = images[annotation["image_id"]]
    return demo


def test_an_export_of_label_studio_has_the_same_ap(demo):
    expected, _ = demo_ap(demo)
    names = {category["id"]: category["name"] for category in demo["categories"]}
    listed = sorted(names.values())
    renumbered(demo)["categories"] = [{"id": n, "name": name} for n, name in enumerate(listed)]
    for annotation in demo["annotations"]:
        annotation["category_id"] = listed.index(names[annotation["category_id"]])
        annotation["ignore"] = 0
    found, notes = demo_ap(demo)
    assert found == pytest.approx(expected, abs=1e-12)
    assert notes == []


@pytest.mark.parametrize("root", ["Traffic", "other"])
def test_an_export_of_roboflow_has_the_same_ap(demo, root):
    expected, _ = demo_ap(demo)
    renumbered(demo)["categories"].insert(0, {"id": 0, "name": root, "supercategory": "none"})
    found, notes = demo_ap(demo)
    assert found == expected
    same = "category 0 ('other') has no boxes, and another category its name: left out"
    assert notes == ([same] if root == "other" else [])


# entries


def set_all(key, value, of="annotations"):
    def change(content):
        for e in content[of]:
            e[key] = value

    return change


def set_one(key, value, of="annotations", position=1):
    return lambda content: content[of][position].update({key: value})


def drop_key(key, of="annotations"):
    def change(content):
        for e in content[of]:
            del e[key]

    return change


WHOLE = "ids are whole numbers from 0 to 2^63 - 1, not in quotes"
ENTRIES = {
    "lists no images; give": lambda c: c.update(images=[], annotations=[]),
    "lists no categories; give": lambda c: c.update(categories=[], annotations=[]),
    "no list 'categories'; it is not a COCO detection file": lambda c: c.pop("categories"),
    "no list 'annotations'; it is not a COCO detection file; for images without": lambda c: c.pop(
        "annotations"
    ),
    "not an object: 1 of 5 annotations, first entry 1 (counted from 0); each entry is {...}": lambda c: c[
        "annotations"
    ].__setitem__(1, None),
    "'id' is missing or null: 5 of 5 annotations, first entry 0 (counted from 0); add it": drop_key("id"),
    "'image_id' is missing or null: 5 of 5 annotations, first annotation 10; add it": drop_key("image_id"),
    "'category_id' is missing or null: 1 of 5 annotations, first annotation 11; add it": set_one(
        "category_id", None
    ),
    "'file_name' is missing or null: 2 of 2 images, first image 0; add it": drop_key("file_name", "images"),
    "'width' is missing or null: 2 of 2 images, first image 0; add it": drop_key("width", "images"),
    "'name' is missing or null: 2 of 2 categories, first category 0; add it": drop_key("name", "categories"),
    f"id '7': 1 of 2 images, first image '7'; {WHOLE}": set_one("id", "7", "images"),
    f"id {2**63}: 1 of 2 images, first image {2**63}; {WHOLE}": set_one("id", 2**63, "images"),
    f"id True: 1 of 2 categories, first category True; {WHOLE}": set_one("id", True, "categories"),
    f"id 3.0: 1 of 2 categories, first category 3.0; {WHOLE}": set_one("id", 3.0, "categories"),
    f"id 'x': 5 of 5 annotations, first annotation 'x'; {WHOLE}": set_all("id", "x"),
    f"image_id '00': 5 of 5 annotations, first annotation 10; {WHOLE}": set_all("image_id", "00"),
    f"image_id 7.5: 5 of 5 annotations, first annotation 10; {WHOLE}": set_all("image_id", 7.5),
    f"image_id '7': 1 of 5 annotations, first annotation 11; {WHOLE}": set_one("image_id", "7"),
    f"category_id -1: 1 of 5 annotations, first annotation 11; {WHOLE}": set_one("category_id", -1),
    "id that occurs more than once: 2 of 2 images, first image 7": set_all("id", 7, "images"),
    "id that occurs more than once: 2 of 5 annotations, first annotation 10": set_one("id", 10),
    "id that occurs more than once: 2 of 2 categories, first category 3": set_all("id", 3, "categories"),
    "height 0: 1 of 2 images, first image 7; it is a whole number of pixels": set_one("height", 0, "images"),
    "width '100': 2 of 2 images, first image 0; it is a whole": set_all("width", "100", "images"),
    "width 99.5: 1 of 2 images, first image 7; it is a whole": set_one("width", 99.5, "images"),
    "height nan: 1 of 2 images, first image 7; it is a whole": set_one("height", NAN, "images"),
    "height True: 1 of 2 images, first image 7; it is a whole": set_one("height", True, "images"),
    "file_name 7: 1 of 2 images, first image 7; it is the file's name": set_one("file_name", 7, "images"),
    "file_name that another image has too (a.jpg): 2 of 2 images, first image 0; list each": set_all(
        "file_name", "a.jpg", "images"
    ),
    "file_name that another image has too (a.jpg): 2 of 2": set_one("file_name", "././/a.jpg", "images"),
    "file_name that differs from another one only in upper and lower case (a.jpg): 2 of 2": set_one(
        "file_name", "A.JPG", "images"
    ),
    "name 5: 1 of 2 categories, first category 3; it is text": set_one("name", 5, "categories"),
    "name that another category has too ('car'): 2 of 2 categories, first category 0": set_one(
        "name", "car", "categories"
    ),
    "image_id that is not listed among images (99): 1 of 5 annotations, first annotation 11": set_one(
        "image_id", 99
    ),
    "category_id that is not listed among categories (2): 1 of 5 annotations, first": set_one(
        "category_id", 2
    ),
    "area '9': 1 of 5 annotations, first annotation 11; it is a number of square": set_one("area", "9"),
    "area -3: 1 of 5 annotations, first annotation 11; it": set_one("area", -3),
    "area nan: 5 of 5 annotations, first annotation 10; it": set_all("area", NAN),
    "iscrowd '0': 5 of 5 annotations, first annotation 10; it is 0 or 1, not in quotes": set_all(
        "iscrowd", "0"
    ),
    "iscrowd 2: 1 of 5 annotations, first annotation 11; it is 0 or 1": set_one("iscrowd", 2),
}


@pytest.mark.parametrize("message", ENTRIES)
def test_an_entry_that_cannot_be_scored_is_refused_by_count_and_first(content, message):
    ENTRIES[message](content)
    assert refusal(content).startswith(message)


@pytest.mark.parametrize(
    ("key", "task"), [("caption", "captions"), ("segments_info", "panoptic"), ("segmentation", "masks")]
)
def test_a_file_of_another_task_is_named(content, key, task):
    content["annotations"] = [{"id": 1, "image_id": 0, "category_id": 0, key: []}]
    assert refusal(content).startswith(f"has {task}")


def test_ids_as_large_as_int64_pass(content):
    content["images"][1]["id"] = 2**63 - 1
    for annotation in content["annotations"][3:]:
        annotation["image_id"] = 2**63 - 1
    cleaned = clean(content)
    assert cleaned.image_id[4] == 2**63 - 1
    assert cleaned.notes == ()


def test_whole_numbers_written_as_fractions_are_sizes_and_crowd_marks(content):
    content["images"][0]["width"] = 100.0
    entry(content)["iscrowd"] = True
    entry(content)["segmentation"] = {"counts": "", "size": [80, 100]}
    cleaned = clean(content)
    assert repr(cleaned.images[0].width) == "100"
    assert cleaned.iscrowd.tolist() == [True, False, False, False, False]
    assert cleaned.notes == ()


# boxes


def many(content, change, count=4):
    """40 boxes in place of the 5, of which some are changed."""
    content["annotations"] = [
        {
            "id": n,
            "image_id": 7,
            "category_id": 0,
            "bbox": change([60 + n / 2, 41 + n / 2, 18, 16])
            if n < count
            else [60 + n / 2, 41 + n / 2, 18, 16],
        }
        for n in range(40)
    ]
    return content


NO_NUMBERS = "bbox that is not four finite numbers"


@pytest.mark.parametrize(
    ("box", "shown"),
    [
        (None, "null"),
        ("1 2 3 4", '"1 2 3 4"'),
        ([1, 2, 3], "[1, 2, 3]"),
        ([1, 2, 3, "4"], '[1, 2, 3, "4"]'),
        ([1, 2, 3, None], "[1, 2, 3, null]"),
        ([1, 2, 3, NAN], "[1, 2, 3, NaN]"),
        ([1, -INFINITY, 3, 4], "[1, -Infinity, 3, 4]"),
        ([1, 2, 3, True], "[1, 2, 3, true]"),
    ],
)
def test_what_is_no_box_is_refused_or_left_out(content, box, shown):
    entry(content, 1)["bbox"] = entry(content, 3)["bbox"] = box
    start = f"{NO_NUMBERS} ({shown}): 2 of 5 annotations, first annotation 11"
    message = refusal(content)
    assert message.startswith(start)
    assert message.endswith("or set datasets.street.invalid_boxes: drop (left out)")
    # they cannot be counted
    assert refusal(content, "count") == message
    cleaned = clean(content, "drop")
    assert cleaned.bbox[:, 0].tolist() == [10, 0, 60]
    assert cleaned.notes == (f"{start}: left out",)


def test_an_annotation_without_a_box_and_a_number_beyond_float64(content):
    del entry(content, 0)["bbox"]
    assert refusal(content).startswith(f"{NO_NUMBERS} (null): 1 of 5 annotations, first annotation 10")
    entry(content, 0)["bbox"] = [10**400, 2, 3, 4]
    assert refusal(content).startswith(f"{NO_NUMBERS} ([1000")


FLAT = "width or height of the bbox is 0 or negative: 2 of 40 annotations, first annotation 0"
OUTSIDE = "bbox outside its image: 2 of 40 annotations, first annotation 0"
FAR = "bbox with less than half of itself inside its image: 2 of 40 annotations, first annotation 0"
BOTH = "or set datasets.street.invalid_boxes: drop (left out) or count (missed objects, as in pycocotools)"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda box: [*box[:2], 0, box[3]], FLAT),
        (lambda box: [box[0] + box[2], box[1] + box[3], -box[2], -box[3]], FLAT),
        (lambda box: [box[0] + 1000, *box[1:]], OUTSIDE),
        (lambda box: [-18, *box[1:]], OUTSIDE),
        (lambda box: [-9.1, *box[1:]], FAR),
        (lambda box: [*box[:2], 9000, box[3]], FAR),
    ],
)
def test_a_box_that_can_never_match_is_refused_left_out_or_counted(content, change, message):
    many(content, change, 2)
    assert refusal(content).startswith(message)
    assert refusal(content).endswith(BOTH)
    cleaned = clean(content, "drop")
    assert len(cleaned) == 38
    assert cleaned.notes[0] == f"{message}: left out"
    cleaned = clean(content, "count")
    assert len(cleaned) == 40
    assert cleaned.notes[0] == f"{message}: kept, as pycocotools does"
    # a missed object: 38 of 40 found exactly
    truth = as_coco(cleaned)
    results = [{**a, "score": 0.9} for a in truth["annotations"][2:]]
    metrics = score(truth_of(truth), make_results(results))
    assert metrics.per_class[0].ground_truths == 40
    # recall 38 / 40 reaches 0, 0.01, ... 0.94 with precision 1 (0.95 is a little above it in floating point)
    assert pytest.approx(95 / 101) == metrics.AP


def test_half_inside_is_a_box_and_is_said(content):
    many(content, lambda box: [-9, *box[1:]], 1)
    cleaned = clean(content)
    assert len(cleaned) == 40
    assert cleaned.notes[0] == (
        "bbox that reaches out of its image: 1 of 40 annotations, first annotation 0, by up to 9 px: scored "
        "as written"
    )


def test_rounding_at_the_border_is_nothing(content):
    entry(content)["bbox"] = [-1, -0.5, 102, 81]
    assert clean(content).notes == ()


FRACTIONS = "bbox that is fractions of the image's size"


def test_fractions_are_recognised_all_or_some(content):
    fraction = {"change": lambda box: [box[0] / 100, box[1] / 80, box[2] / 100, box[3] / 80]}
    for count in (3, 40):
        start = f"{FRACTIONS}: {count} of 40 annotations, first annotation 0; multiply them"
        for choice in (None, "drop", "count"):
            assert refusal(many(content, **fraction, count=count), choice).startswith(start)
    # a single one of a pixel may be an object
    assert len(clean(many(content, **fraction, count=1))) == 40
    # images of a pixel or two, where fractions are pixels
    content = many(content, **fraction, count=40)
    content["images"][1] |= {"width": 2, "height": 2}
    clean(content)


READINGS = {
    "two corners": lambda x, y, w, h: [x, y, x + w, y + h],
    "y, x, height, width": lambda x, y, w, h: [y, x, h, w],
    "centre and size": lambda x, y, w, h: [x + w / 2, y + h / 2, w, h],
}


@pytest.mark.parametrize("reading", READINGS)
def test_another_order_of_the_four_numbers_is_recognised(demo, reading):
    for annotation in demo["annotations"]:
        annotation["bbox"] = READINGS[reading](*annotation["bbox"])
    for choice in (None, "drop"):
        message = refusal(demo, choice)
        assert f"and read as {reading} it would fit" in message
        assert message.startswith("bbox that reaches out of its image")


def test_boxes_that_end_in_a_quarter_of_the_image_are_said(content):
    percents = many(content, lambda box: [part / 2 for part in box], 40)
    assert clean(percents).notes[0].startswith("no bbox reaches out of the upper left quarter of its image")


def test_annotations_that_are_there_twice(content):
    for annotation in content["annotations"]:
        del annotation["segmentation"]
    again = [{**copy.deepcopy(a), "id": 100 + n} for n, a in enumerate(content["annotations"])]
    # the same box of another category, or as a crowd, is another object
    other = [{**entry(content), "id": 201, "category_id": 3}, {**entry(content), "id": 202, "iscrowd": 1}]
    once = clean({**content, "annotations": content["annotations"] + other})
    content["annotations"] += other + again
    start = "annotation that is there twice (image, category, bbox, iscrowd): 5 of 12 annotations, first "
    assert refusal(content).startswith(f"{start}annotation 100; remove the second, or set")
    cleaned = clean(content, "drop")
    assert as_coco(cleaned) == as_coco(once)
    assert cleaned.notes == (f"{start}annotation 100: left out",)
    assert len(clean(content, "count")) == 12


def test_one_in_a_thousand_is_ordinary_and_said(content):
    """COCO's own training annotations have two boxes without height and some that are there twice."""
    content["annotations"] = [
        {"id": n, "image_id": 0, "category_id": 0, "bbox": [n % 80, n // 80, 20, 20], "area": 9, "iscrowd": 0}
        for n in range(2000)
    ]
    entry(content, 5)["bbox"] = [5, 5, 1, 0]
    entry(content, 9)["bbox"] = entry(content, 8)["bbox"]
    cleaned = clean(content)
    assert len(cleaned) == 2000
    assert list(cleaned.notes) == [
        "width or height of the bbox is 0 or negative: 1 of 2000 annotations, first annotation 5: kept, as "
        "pycocotools does",
        "annotation that is there twice (image, category, bbox, iscrowd): 1 of 2000 annotations, first "
        "annotation 9: kept, as pycocotools does",
    ]
    for position in (20, 21):
        entry(content, position)["bbox"] = [5, 5, 1, 0]
    assert refusal(content).startswith("width or height of the bbox is 0 or negative: 3 of 2000")
    entry(content, 20)["bbox"] = entry(content, 21)["bbox"] = [NAN] * 4
    assert refusal(content).startswith(NO_NUMBERS)


# notes


def every_crowd(content):
    set_all("iscrowd", 1)(content)
    set_all("segmentation", {"counts": [1], "size": [1, 1]})(content)


@pytest.mark.parametrize(
    ("change", "note"),
    [
        (
            set_one("area", 0),
            "area missing, null or 0: 1 of 5 annotations, first annotation 11: width x height",
        ),
        (set_one("area", 99999), "area that does not fit the bbox: 1 of 5 annotations, first annotation 11"),
        (set_all("area", 0.01), "area that does not fit the bbox: 5 of 5 annotations, first annotation 10"),
        (set_one("ignore", 1), "ignore set: 1 of 5 annotations, first annotation 11: scored all the same"),
        (
            set_one("iscrowd", 1),
            "crowd without an RLE mask: 1 of 5 annotations, first annotation 11: its bbox",
        ),
        (every_crowd, "every annotation is a crowd, so that AP is empty"),
        (lambda c: c["annotations"].clear(), "no annotation is left to find, so that AP is empty"),
        (set_one("name", " Car", "categories"), "categories 'car', ' Car' differ only in case or blanks"),
    ],
)
def test_what_is_odd_but_scored_is_said(content, change, note):
    change(content)
    cleaned = clean(content)
    assert len(cleaned.notes) == 1
    assert cleaned.notes[0].startswith(note)
    assert len(cleaned.categories) == 2
