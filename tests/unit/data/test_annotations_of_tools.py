"""COCO JSON as the tools write it: one street, three boxes. All give the same ground truth.

Each file is written after the tool's own exporter, which is named. Label Studio and Roboflow are in
``test_annotations.py`` too, with their scores.
"""

import copy
from typing import Any

import pytest

from cutpoint.data.annotations import clean_annotations
from cutpoint.errors import UserError

# file, category, box
BOXES = [
    ("north/a.jpg", "car", (10, 20, 30, 40)),
    ("north/a.jpg", "person", (50, 10, 20, 60)),
    ("b.jpg", "car", (5, 5, 60, 30)),
]
SIZE = {"width": 200, "height": 100}


def cvat() -> dict[str, Any]:
    """CVAT's COCO 1.0 (datumaro): folders in names, a number as ``date_captured``, attributes."""
    image = {"license": 0, "flickr_url": "", "coco_url": "", "date_captured": 0, **SIZE}
    box = {"segmentation": [], "iscrowd": 0, "attributes": {"occluded": False, "rotation": 0.0}}
    return {
        "licenses": [{"name": "", "id": 0, "url": ""}],
        "info": {
            "contributor": "",
            "date_created": "",
            "description": "",
            "url": "",
            "version": "",
            "year": "",
        },
        "categories": [
            {"id": 1, "name": "person", "supercategory": ""},
            {"id": 2, "name": "car", "supercategory": ""},
        ],
        "images": [{"id": 1, "file_name": "b.jpg", **image}, {"id": 2, "file_name": "north/a.jpg", **image}],
        "annotations": [
            {
                "id": 1,
                "image_id": 2,
                "category_id": 2,
                "area": 1200.0,
                "bbox": [10.0, 20.0, 30.0, 40.0],
                **box,
            },
            {
                "id": 2,
                "image_id": 2,
                "category_id": 1,
                "area": 1200.0,
                "bbox": [50.0, 10.0, 20.0, 60.0],
                **box,
            },
            {"id": 3, "image_id": 1, "category_id": 2, "area": 1800.0, "bbox": [5.0, 5.0, 60.0, 30.0], **box},
        ],
    }


def fiftyone() -> dict[str, Any]:
    """FiftyOne (``COCODetectionDatasetExporter``): null licences, categories from 0, many without a box."""
    image = {"license": None, "coco_url": None, **SIZE}
    listed = ["bus", "car", "dog", "person", "tram", "zebra"]
    return {
        "info": {"year": "", "version": "", "description": "Exported from FiftyOne", "contributor": ""},
        "licenses": [],
        "categories": [{"id": n, "name": name, "supercategory": None} for n, name in enumerate(listed)],
        "images": [{"id": 1, "file_name": "north/a.jpg", **image}, {"id": 2, "file_name": "b.jpg", **image}],
        "annotations": [
            {"id": 1, "image_id": 1, "category_id": 1, "bbox": [10, 20, 30, 40], "area": 1200, "iscrowd": 0},
            {
                "id": 2,
                "image_id": 1,
                "category_id": 3,
                "bbox": [50, 10, 20, 60],
                "area": 1200,
                "iscrowd": False,
            },
            {"id": 3, "image_id": 2, "category_id": 1, "bbox": [5, 5, 60, 30], "area": 1800, "score": 1.0},
        ],
    }


def supervisely() -> dict[str, Any]:
    """Supervisely (``export-to-coco``): large ids, a category once more for each label, "None" as text."""
    image = {"license": "None", "url": "None", "date_captured": "2024-01-01T00:00:00Z", **SIZE}
    car = {"supercategory": "car", "id": 1, "name": "car"}
    person = {"supercategory": "person", "id": 2, "name": "person"}
    box = {"segmentation": [[10.0, 20.0, 40.0, 60.0]], "iscrowd": 0}
    return {
        "info": {"description": "", "url": "None", "version": "1.0", "year": 2024, "contributor": "me"},
        "licenses": [{"url": "None", "id": 0, "name": "None"}],
        "images": [
            {"id": 29_304_811, "file_name": "north/a.jpg", **image},
            {"id": 29_304_812, "file_name": "b.jpg", **image},
        ],
        "type": "instances",
        "annotations": [
            {
                "id": 1,
                "image_id": 29_304_811,
                "category_id": 1,
                "area": 1200.0,
                "bbox": [10.0, 20.0, 30.0, 40.0],
                **box,
            },
            {
                "id": 2,
                "image_id": 29_304_811,
                "category_id": 2,
                "area": 1200.0,
                "bbox": [50.0, 10.0, 20.0, 60.0],
                **box,
            },
            {
                "id": 3,
                "image_id": 29_304_812,
                "category_id": 1,
                "area": 1800.0,
                "bbox": [5.0, 5.0, 60.0, 30.0],
                **box,
            },
        ],
        "categories": [car, person, copy.copy(car)],
    }


def labelme() -> dict[str, Any]:
    """labelme's ``labelme2coco.py``: a background class, everything from 0, nulls."""
    image = {"license": 0, "url": None, "date_captured": None, **SIZE}
    listed = ["_background_", "car", "person"]
    box = {"segmentation": [[10, 20, 40, 20, 40, 60]], "iscrowd": 0}
    return {
        "info": {"description": None, "url": None, "version": None, "year": 2024, "contributor": None},
        "licenses": [{"url": None, "id": 0, "name": None}],
        "images": [{"id": 0, "file_name": "north/a.jpg", **image}, {"id": 1, "file_name": "b.jpg", **image}],
        "type": "instances",
        "annotations": [
            {
                "id": 0,
                "image_id": 0,
                "category_id": 1,
                "bbox": [10.0, 20.0, 30.0, 40.0],
                "area": 1200.0,
                **box,
            },
            {
                "id": 1,
                "image_id": 0,
                "category_id": 2,
                "bbox": [50.0, 10.0, 20.0, 60.0],
                "area": 1200.0,
                **box,
            },
            {"id": 2, "image_id": 1, "category_id": 1, "bbox": [5.0, 5.0, 60.0, 30.0], "area": 1800.0, **box},
        ],
        "categories": [{"supercategory": None, "id": n, "name": name} for n, name in enumerate(listed)],
    }


def via() -> dict[str, Any]:
    """VGG Image Annotator 2 (``export_project_to_coco_format``): its own attribute as supercategory."""
    image = {"license": 0, "flickr_url": "./a.jpg", "coco_url": "./a.jpg", "date_captured": "", **SIZE}
    box = {"segmentation": [[10, 20, 40, 20, 40, 60, 10, 60]], "iscrowd": 0}
    return {
        "info": {"year": 2024, "version": "1.0", "description": "VIA project exported to COCO format"},
        "images": [{"id": 1, "file_name": "north/a.jpg", **image}, {"id": 2, "file_name": "b.jpg", **image}],
        "annotations": [
            {"id": 1, "image_id": 1, "category_id": 1, "area": 1200, "bbox": [10, 20, 30, 40], **box},
            {"id": 2, "image_id": 1, "category_id": 2, "area": 1200, "bbox": [50, 10, 20, 60], **box},
            {"id": 3, "image_id": 2, "category_id": 1, "area": 1800, "bbox": [5, 5, 60, 30], **box},
        ],
        "licenses": [{"id": 0, "name": "Unknown License", "url": ""}],
        "categories": [
            {"supercategory": "object", "id": 1, "name": "car"},
            {"supercategory": "object", "id": 2, "name": "person"},
        ],
    }


def via_text() -> dict[str, Any]:
    """VIA 3: ids are text."""
    content = via()
    for key in ("images", "annotations", "categories"):
        for entry in content[key]:
            entry |= {name: str(value) for name, value in entry.items() if name.endswith("id")}
    return content


def sagemaker() -> dict[str, Any]:
    """AWS's notebook for SageMaker Ground Truth: boxes and images from 0, classes from 1 in any order."""
    image = {"coco_url": "", "date_captured": "", "flickr_url": "", "license": 0, **SIZE}
    box = {"segmentation": [], "iscrowd": 0}
    return {
        "licenses": [{"name": "", "id": 0, "url": ""}],
        "info": {"contributor": "", "date_created": "2020-01-23", "version": 3, "year": "2020"},
        "categories": [
            {"id": 2, "name": "person", "supercategory": ""},
            {"id": 1, "name": "car", "supercategory": ""},
        ],
        "images": [{"id": 0, "file_name": "north/a.jpg", **image}, {"id": 1, "file_name": "b.jpg", **image}],
        "annotations": [
            {"id": 0, "image_id": 0, "category_id": 1, "area": 1200, "bbox": [10, 20, 30, 40], **box},
            {"id": 1, "image_id": 0, "category_id": 2, "area": 1200, "bbox": [50, 10, 20, 60], **box},
            {"id": 2, "image_id": 1, "category_id": 1, "area": 1800, "bbox": [5, 5, 60, 30], **box},
        ],
    }


def objects365() -> dict[str, Any]:
    """Objects365's ``zhiyuan_objv2_val.json``: keys of its own, and categories in no order."""
    image = {"license": 5, "url": "http://farm9.staticflickr.com/1_1.jpg", **SIZE}
    box = {"iscrowd": 0, "isfake": 0, "isreflected": 0}
    return {
        "licenses": [
            {"id": 5, "name": "Attribution-ShareAlike License", "url": "http://creativecommons.org"}
        ],
        "images": [
            {"id": 900_001, "file_name": "north/a.jpg", **image},
            {"id": 4, "file_name": "b.jpg", **image},
        ],
        "categories": [{"name": "person", "id": 1}, {"name": "Lamp", "id": 9}, {"name": "car", "id": 6}],
        "annotations": [
            {
                "id": 11,
                "image_id": 900_001,
                "category_id": 6,
                "area": 1200.0,
                "bbox": [10, 20, 30, 40],
                **box,
            },
            {
                "id": 12,
                "image_id": 900_001,
                "category_id": 1,
                "area": 1200.0,
                "bbox": [50, 10, 20, 60],
                **box,
            },
            {"id": 13, "image_id": 4, "category_id": 6, "area": 1800.0, "bbox": [5, 5, 60, 30], **box},
        ],
    }


TOOLS = (cvat, fiftyone, supervisely, labelme, via, via_text, sagemaker, objects365)


def notes_on(content: dict[str, Any]) -> list[str]:
    return list(clean_annotations("street", "labels.json", content).notes)


@pytest.mark.parametrize("tool", TOOLS)
def test_every_tool_gives_the_same_ground_truth(tool):
    content = tool()
    before = copy.deepcopy(content)
    clean = clean_annotations("street", "labels.json", content)
    assert content == before
    files = {image.id: image.file_name for image in clean.images}
    categories = {category.id: category.name for category in clean.categories}
    found = [
        (files[image], categories[category], tuple(bbox))
        for image, category, bbox in zip(
            clean.image_id.tolist(), clean.category_id.tolist(), clean.bbox.tolist(), strict=True
        )
    ]
    assert found == BOXES
    assert clean.area.tolist() == [1200, 1200, 1800]
    assert not clean.iscrowd.any()
    assert sorted(set(categories.values()) & {"car", "person"}) == ["car", "person"]


@pytest.mark.parametrize("tool", TOOLS)
def test_what_is_filled_in_is_said_and_nothing_else(tool):
    said = {
        fiftyone: ["iscrowd missing or null: 1 of 3 annotations, first annotation 3: 0 is used"],
        supervisely: ["category that is there twice, with one id and name: 1, first category 1: one is used"],
        via_text: [
            "id of images written in quotes, first '1': read as whole numbers",
            "id of categories written in quotes, first '1': read as whole numbers",
            "id of annotations written in quotes, first '1': read as whole numbers",
            "image_id of annotations written in quotes, first '1': read as whole numbers",
            "category_id of annotations written in quotes, first '1': read as whole numbers",
        ],
    }
    assert notes_on(tool()) == said.get(tool, [])


def test_a_category_with_two_names_is_still_refused():
    content = supervisely()
    content["categories"][2]["name"] = "van"
    with pytest.raises(UserError, match="id that occurs more than once: 2 of 3 categories, first category 1"):
        notes_on(content)


def test_points_of_via_have_empty_lists_and_can_be_left_out():
    content = via()
    point = {"segmentation": [[]], "area": [], "bbox": [], "iscrowd": 0, "keypoints": [3, 4, 2]}
    content["annotations"].append({"id": 4, "image_id": 1, "category_id": 1, **point})
    with pytest.raises(UserError) as error:
        notes_on(content)
    assert str(error.value) == (
        "datasets.street.annotations labels.json: bbox that is not four finite numbers ([]): 1 of 4 "
        "annotations, first annotation 4; write x, y, width, height in pixels, or set "
        "datasets.street.invalid_boxes: drop (left out)"
    )
    clean = clean_annotations("street", "labels.json", content, "drop")
    assert len(clean) == 3


def test_boxes_that_cvat_turns_are_said():
    content = cvat()
    content["annotations"][1]["attributes"] = {"rotation": 30.0}
    content["annotations"][2]["attributes"] = None
    assert notes_on(content) == [
        "attributes.rotation that is not 0: 1 of 3 annotations, first annotation 2: its bbox is used as "
        "written, not turned"
    ]
