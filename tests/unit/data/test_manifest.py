import copy
import json
import os

import cv2
import numpy as np
import pytest

from cutpoint.data.manifest import build_manifest
from cutpoint.errors import UserError

CATEGORIES = [{"id": 3, "name": "car"}, {"id": 1, "name": "person"}]


def annotations():
    return {
        "images": [
            {"id": 20, "file_name": "b.png", "height": 6, "width": 8},
            {"id": 7, "file_name": "a.png", "height": 5, "width": 9},
        ],
        "annotations": [{"id": 1, "image_id": 7, "category_id": 3, "bbox": [0, 0, 2, 2]}],
        "categories": copy.deepcopy(CATEGORIES),
    }


@pytest.fixture
def images(tmp_path):
    folder = tmp_path / "images"
    folder.mkdir()
    for name, size in (("a.png", (5, 9)), ("b.png", (6, 8))):
        cv2.imwrite(str(folder / name), np.zeros((*size, 3), np.uint8))
    return folder


def build(tmp_path, images, content, limit=None):
    path = None
    if content is not None:
        path = tmp_path / "instances.json"
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        path = str(path)
    out = tmp_path / "out" / "manifest.json"
    build_manifest(
        dataset="street", images=str(images), annotations=path, limit=limit, content="ab", out=str(out)
    )
    return json.loads(out.read_text())


def test_lists_images_by_id_and_categories(tmp_path, images):
    content = annotations() | {"licenses": [{"id": 4, "name": "Attribution", "url": "http://by.org"}]}
    content["images"][0] |= {"license": 4, "coco_url": "http://c.org/20"}
    found = build(tmp_path, images, content)
    unknown = {"licence": None, "source": None}
    assert found == {
        "format": 2,
        "dataset": "street",
        "annotations": str(tmp_path / "instances.json"),
        "content": "ab",
        "left_out": [],
        "left_out_files": [],
        "images": [
            {"id": 7, "file_name": "a.png", "path": f"{images}/a.png", "height": 5, "width": 9} | unknown,
            {"id": 20, "file_name": "b.png", "path": f"{images}/b.png", "height": 6, "width": 8}
            | {"licence": 4, "source": "http://c.org/20"},
        ],
        "licences": [{"id": 4, "name": "Attribution", "url": "http://by.org"}],
        "categories": CATEGORIES,
    }


def test_annotations_are_checked_before_anything_is_written(tmp_path, images):
    content = annotations()
    content["annotations"][0]["bbox"] = [0, 0, 2, 0]
    with pytest.raises(UserError, match=r"datasets\.street\.annotations .*instances\.json: width or height"):
        build(tmp_path, images, content)
    assert not (tmp_path / "out").exists()


def test_missing_folder_and_files_are_named(tmp_path, images):
    with pytest.raises(UserError, match=r"datasets\.street\.images: .*nowhere is not a folder"):
        build(tmp_path, tmp_path / "nowhere", annotations())
    with pytest.raises(UserError, match=r"datasets\.street\.annotations .*none\.json: no such file"):
        build_manifest(
            dataset="street",
            images=str(images),
            annotations=str(tmp_path / "none.json"),
            limit=None,
            out=str(tmp_path / "m.json"),
        )
    (images / "b.png").unlink()
    with pytest.raises(UserError, match=r"1 of 2 images listed in .* first: .*b\.png"):
        build(tmp_path, images, annotations())


def test_without_annotations_ids_number_the_sorted_names(tmp_path, images):
    cv2.imwrite(str(images / "Z.JPG"), np.zeros((4, 3, 3), np.uint8))
    (images / "notes.txt").write_text("not an image")
    found = build(tmp_path, images, None)
    assert [(e["id"], e["file_name"], e["height"], e["width"]) for e in found["images"]] == [
        (1, "Z.JPG", 4, 3),
        (2, "a.png", 5, 9),
        (3, "b.png", 6, 8),
    ]
    assert found["annotations"] is None
    assert found["categories"] == []


def test_without_annotations_the_folders_own_order_does_not_matter(tmp_path, images, monkeypatch):
    real = os.listdir
    monkeypatch.setattr(os, "listdir", lambda folder: sorted(real(folder), reverse=True))
    assert [e["file_name"] for e in build(tmp_path, images, None)["images"]] == ["a.png", "b.png"]


def test_without_annotations_an_empty_folder_is_refused(tmp_path, images):
    for path in images.iterdir():
        path.unlink()
    with pytest.raises(UserError, match="holds no images"):
        build(tmp_path, images, None)


def many(tmp_path, count):
    folder = tmp_path / "many"
    folder.mkdir(exist_ok=True)
    listed = []
    for number in range(1, count + 1):
        (folder / f"{number}.jpg").touch()
        listed.append({"id": number, "file_name": f"{number}.jpg", "height": 1, "width": 1})
    return folder, {"images": listed, "annotations": [], "categories": CATEGORIES}


def test_limit_is_stable_when_the_set_grows_and_is_no_prefix(tmp_path):
    def chosen(count, limit):
        return {e["id"] for e in build(tmp_path, *many(tmp_path, count), limit=limit)["images"]}

    few, more = chosen(100, 10), chosen(100, 20)
    assert len(few) == 10
    assert few < more
    assert few != set(range(1, 11))
    # of a grown set, only new images displace old ones
    assert chosen(150, 10) - few <= set(range(101, 151))
    assert chosen(5, 10) == {1, 2, 3, 4, 5}


def test_limit_does_not_ask_for_files_outside_it(tmp_path):
    folder, content = many(tmp_path, 20)
    kept = {e["file_name"] for e in build(tmp_path, folder, content, limit=3)["images"]}
    for path in folder.iterdir():
        if path.name not in kept:
            path.unlink()
    assert len(build(tmp_path, folder, content, limit=3)["images"]) == 3
