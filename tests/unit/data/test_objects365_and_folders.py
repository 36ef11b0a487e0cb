"""Objects365's annotations as they are, and a folder of images without annotations."""

import json

import numpy as np
import pytest
from format_sets import write_images

from cutpoint.data.annotations import load_annotations
from cutpoint.data.labels import label_map
from cutpoint.data.manifest import list_dataset
from cutpoint.errors import UserError

# as zhiyuan_objv2_val.json has them: 365 classes, names with blanks, slashes and capitals
SOME = {1: "Person", 2: "Sneakers", 6: "Car", 12: "Street Lights", 13: "Cabinet/shelf", 14: "Handbag/Satchel"}
NAMES = {n: SOME.get(n, f"Thing {n}") for n in range(1, 366)}
FILES = {
    420917: ("images/v1/patch8/objects365_v1_00420917.jpg", 64, 48),
    908726: ("images/v2/patch16/objects365_v2_00908726.jpg", 60, 60),
    320532: ("images/v1/patch6/objects365_v1_00320532.jpg", 40, 64),
}
BOXES = [(420917, 6, [1.5, 2.25, 30.5, 40]), (420917, 365, [10, 10, 20, 30]), (908726, 13, [0, 0, 60, 59])]


@pytest.fixture
def folder(tmp_path):
    write_images(tmp_path, {name: (width, height) for name, width, height in FILES.values()})
    content = {
        "images": [
            {"id": n, "file_name": name, "width": w, "height": h, "license": 5, "url": "http://x.org/1.jpg"}
            for n, (name, w, h) in FILES.items()
        ],
        # in no order
        "categories": [{"id": n, "name": NAMES[n]} for n in sorted(NAMES, key=lambda n: (n * 97) % 365)],
        "annotations": [
            {"id": n, "image_id": image, "category_id": category, "bbox": box, "area": box[2] * box[3]}
            | {"iscrowd": int(n == 2), "isfake": 1, "isreflected": 0}
            for n, (image, category, box) in enumerate(BOXES)
        ],
        "licenses": [{"id": 5, "name": "Attribution-ShareAlike License", "url": "http://x.org"}],
    }
    (tmp_path / "val.json").write_text(json.dumps(content))
    return tmp_path


def listed(folder, on_bad_image="fail"):
    return list_dataset(
        dataset="o365",
        images=str(folder),
        annotations=str(folder / "val.json"),
        limit=None,
        on_bad_image=on_bad_image,
    )


def test_objects365_is_read_as_it_is(folder):
    manifest = listed(folder)
    assert {image.id: image.file_name for image in manifest.images} == {n: f[0] for n, f in FILES.items()}
    assert len(manifest.categories) == 365
    clean = load_annotations("o365", str(folder / "val.json"), None, manifest.folder)
    assert clean.notes == ()
    assert clean.category_id.tolist() == [6, 365, 13]
    assert clean.iscrowd.tolist() == [False, False, True]
    # a model has its classes in the order of the ids; they are found by their names
    classes = [NAMES[n] for n in range(1, 366)]
    assert label_map(classes, None, manifest, order="names") == list(range(1, 366))


def test_images_that_the_archives_do_not_have_can_be_skipped(folder):
    (folder / FILES[908726][0]).unlink()
    with pytest.raises(UserError, match="1 of 3 images cannot be read"):
        listed(folder)
    manifest = listed(folder, "skip")
    assert [image.id for image in manifest.skipped] == [908726]
    assert [image.id for image in manifest.images] == [320532, 420917]


def test_a_folder_without_annotations(tmp_path):
    write_images(tmp_path, {"b.png": (60, 40), "a.jpg": (64, 48), "below/c.png": (9, 9)})
    (tmp_path / "notes.txt").write_text("no image")
    manifest = list_dataset(dataset="plain", images=str(tmp_path), annotations=None, limit=None)
    found = [(image.id, image.file_name, image.width, image.height) for image in manifest.images]
    assert found == [(1, "a.jpg", 64, 48), (2, "b.png", 60, 40)]
    assert manifest.categories == ()
    assert manifest.folder == tmp_path


def test_an_empty_folder_is_said(tmp_path):
    (tmp_path / "below").mkdir()
    with pytest.raises(UserError, match=r"holds no images \(\.bmp, "):
        list_dataset(dataset="plain", images=str(tmp_path), annotations=None, limit=None)


def test_numbers_of_boxes_stay_exact(folder):
    clean = load_annotations("o365", str(folder / "val.json"), None, folder)
    assert np.array_equal(clean.bbox, [box for *_, box in BOXES])
