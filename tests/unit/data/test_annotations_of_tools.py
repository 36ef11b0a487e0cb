"""COCO JSON as the tools write it: one street, three boxes. All give the same ground truth.

Each file is written after the tool's own exporter, which is named. Label Studio and Roboflow are in
``test_annotations.py`` too, with their scores.
"""

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from cutpoint.data.annotations import clean_annotations, load_annotations
from cutpoint.data.manifest import list_dataset
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
    """labelme's ``labelme2coco.py``: a background class, everything from 0, nulls.

    Its names begin with ``JPEGImages/`` where these have ``north/``; areas and boxes are those of the masks.
    """
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


def via3() -> dict[str, Any]:
    """VIA 3 (``_via_import_export.js``): no sizes, everything from 0, flags as booleans."""
    image = {"license": 0, "coco_url": "b.jpg", "width": -1, "height": -1, "date_captured": ""}
    box = {"segmentation": [[10, 20, 40, 20, 40, 60, 10, 60]], "iscrowd": False}
    return {
        "info": {"year": "", "version": "1700000000000", "description": "street", "contributor": "me"},
        "images": [{"id": 1, "file_name": "north/a.jpg", **image}, {"id": 2, "file_name": "b.jpg", **image}],
        "annotations": [
            {"id": 0, "image_id": 1, "category_id": 0, "area": 1200, "bbox": [10, 20, 30, 40], **box},
            {"id": 1, "image_id": 1, "category_id": 1, "area": 1200, "bbox": [50, 10, 20, 60], **box},
            {"id": 2, "image_id": 2, "category_id": 0, "area": 1800, "bbox": [5, 5, 60, 30], **box},
        ],
        "categories": [
            {"supercategory": "object", "id": 0, "name": "car"},
            {"supercategory": "object", "id": 1, "name": "person"},
        ],
        "licenses": [{"id": 0, "name": "Unknown License", "url": ""}],
    }


def ids_in_quotes() -> dict[str, Any]:
    """All ids as text, as home-made exporters write them."""
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


TOOLS = (cvat, fiftyone, supervisely, labelme, via, via3, ids_in_quotes, sagemaker, objects365)


@pytest.fixture(scope="module")
def images(tmp_path_factory) -> Path:
    """The two images of ``BOXES``."""
    folder = tmp_path_factory.mktemp("images")
    for name in ("north/a.jpg", "b.jpg"):
        (folder / name).parent.mkdir(exist_ok=True)
        Image.new("L", (SIZE["width"], SIZE["height"])).save(folder / name)
    return folder


def notes_on(content: dict[str, Any], images: Path | None = None) -> list[str]:
    return list(clean_annotations("street", "labels.json", content, images=images).notes)


@pytest.mark.parametrize("tool", TOOLS)
def test_every_tool_gives_the_same_ground_truth(tool, images):
    content = tool()
    before = copy.deepcopy(content)
    clean = clean_annotations("street", "labels.json", content, images=images)
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
    assert {(image.width, image.height) for image in clean.images} == {(200, 100)}
    assert sorted(set(categories.values()) & {"car", "person"}) == ["car", "person"]


@pytest.mark.parametrize("tool", TOOLS)
def test_what_is_filled_in_is_said_and_nothing_else(tool, images):
    said = {
        fiftyone: ["iscrowd missing or null: 1 of 3 annotations, first annotation 3: 0 is used"],
        supervisely: ["category that is there twice, with one id and name: 1, first category 1: one is used"],
        via3: [
            "width and height of -1: 2 of 2 images, first 'north/a.jpg': read from the images",
        ],
        ids_in_quotes: [
            "id of images written in quotes, first '1': read as whole numbers",
            "id of categories written in quotes, first '1': read as whole numbers",
            "id of annotations written in quotes, first '1': read as whole numbers",
            "image_id of annotations written in quotes, first '1': read as whole numbers",
            "category_id of annotations written in quotes, first '1': read as whole numbers",
        ],
    }
    assert notes_on(tool(), images) == said.get(tool, [])


def test_a_size_that_is_not_known_is_still_refused_if_the_image_cannot_be_read(tmp_path):
    message = r"height -1: 2 of 2 images, first image 1; it is a whole number of pixels, 1 or more"
    with pytest.raises(UserError, match=message):
        notes_on(via3(), tmp_path)


def test_polygons_of_via_3_have_no_box(images):
    """Its ``via3_region_to_bbox`` starts the least corner at minus infinity, which JSON writes as null."""
    content = via3()
    content["annotations"][1]["bbox"] = [None] * 4
    with pytest.raises(
        UserError, match=r"bbox that is not four finite numbers \(\[null, null, null, null\]\)"
    ):
        notes_on(content, images)
    assert len(clean_annotations("street", "labels.json", content, "drop", images)) == 2


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


def test_the_manifest_and_the_ground_truth_of_via_3(images, tmp_path):
    """Both read the sizes from the images; a limit leaves one of them out."""
    given = tmp_path / "coco.json"
    given.write_text(json.dumps(via3()))
    manifest = list_dataset(dataset="street", images=str(images), annotations=str(given), limit=1)
    assert [(image.width, image.height) for image in manifest.images] == [(200, 100)]
    assert manifest.folder == images
    clean = load_annotations("street", str(given), None, manifest.folder)
    assert len(clean) == 3
