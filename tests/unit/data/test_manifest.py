import copy
import json
import os

import cv2
import numpy as np
import pytest
from image_files import encode

from cutpoint.data.manifest import build_manifest, list_dataset
from cutpoint.errors import UserError, UserErrors
from cutpoint.records.manifest import Skipped

ONE_PIXEL = encode("PNG", size=(1, 1))
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


def build(tmp_path, images, content, limit=None, **settings):
    path = None
    if content is not None:
        path = tmp_path / "instances.json"
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        path = str(path)
    out = tmp_path / "out" / "manifest.json"
    data = {"dataset": "street", "images": str(images), "annotations": path, "limit": limit, "content": "ab"}
    build_manifest(**data, out=str(out), **settings)
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
        "skipped": [],
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
    with pytest.raises(
        UserError,
        match=r"1 of 2 images cannot be read; mend them, or leave them out of every number with "
        r"datasets\.street\.on_bad_image: skip:\n  image id 20, .*b\.png: cannot be read \(No such file",
    ):
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
        (folder / f"{number}.jpg").write_bytes(ONE_PIXEL)
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


def spoil(images):
    """Three more images: a JPEG that is cut short, a text and a folder; their entries of the annotations."""
    jpeg = encode("JPEG", size=(240, 400))
    (images / "cut.jpg").write_bytes(jpeg[: len(jpeg) // 2])
    (images / "text.jpg").write_text("hello")
    (images / "folder.jpg").mkdir()
    size = {"height": 240, "width": 400}
    return [
        {"id": 5, "file_name": "text.jpg"} | size,
        {"id": 30, "file_name": "cut.jpg"} | size,
        {"id": 31, "file_name": "folder.jpg"} | size,
    ]


def test_all_bad_images_are_refused_in_one_message(tmp_path, images):
    content = annotations()
    content["images"] += spoil(images)
    with pytest.raises(UserError, match=r"street\.images: 3 of 5 images cannot be read; mend them") as raised:
        build(tmp_path, images, content)
    lines = str(raised.value).splitlines()
    assert [line.split(",")[0] for line in lines[1:]] == ["  image id 5", "  image id 30", "  image id 31"]
    assert "text.jpg: not an image that OpenCV can decode" in lines[1]
    assert "cut.jpg: the JPEG file is cut short" in lines[2]
    assert "folder.jpg: it is a folder, not a file" in lines[3]
    assert not (tmp_path / "out").exists()


def test_skipped_images_are_named_and_everything_else_is_as_without_them(tmp_path, images, capsys):
    sound = build(tmp_path, images, annotations())
    content = annotations()
    content["images"] += spoil(images)
    found = build(tmp_path, images, content, on_bad_image="skip", threads=2)
    assert found | {"skipped": []} == sound
    assert [(image["id"], image["file_name"]) for image in found["skipped"]] == [
        (5, "text.jpg"),
        (30, "cut.jpg"),
        (31, "folder.jpg"),
    ]
    assert found["skipped"][2]["reason"] == "it is a folder, not a file; put the image there, or leave it out"
    assert (
        "street.images: 3 of 5 images cannot be read and are skipped:\n  image id 5,"
        in capsys.readouterr().out
    )


def test_without_annotations_skipped_images_keep_their_ids(tmp_path, images):
    spoil(images)
    found = build(tmp_path, images, None, on_bad_image="skip")
    assert [(image["id"], image["file_name"]) for image in found["images"]] == [(1, "a.png"), (2, "b.png")]
    assert [image["id"] for image in found["skipped"]] == [3, 4, 5]
    assert [(image["height"], image["width"]) for image in found["images"]] == [(5, 9), (6, 8)]


def test_a_data_set_of_which_nothing_is_left_is_refused(tmp_path, images):
    for path in images.iterdir():
        path.write_bytes(b"")
    with pytest.raises(UserError, match=r"2 of 2 images cannot be read, so that none is left:\n  image id 7"):
        build(tmp_path, images, annotations(), on_bad_image="skip")


def test_of_many_bad_images_the_first_are_named(tmp_path):
    folder, content = many(tmp_path, 30)
    for path in folder.iterdir():
        path.write_bytes(b"")
    with pytest.raises(UserError, match="30 of 30 images") as raised:
        build(tmp_path, folder, content)
    lines = str(raised.value).splitlines()
    assert len(lines) == 12
    assert lines[-1] == "  and 20 more"


def test_a_size_that_is_not_the_annotated_one_is_refused_with_all_others(tmp_path, images):
    content = annotations()
    content["images"][0]["height"] = 7
    content["images"][1] |= {"height": 9, "width": 5}
    with pytest.raises(UserError, match="2 of 2 images have another size") as raised:
        build(tmp_path, images, content)
    assert str(raised.value).splitlines()[1:] == [
        f"  image id 7, {images}/a.png: 5x9 pixels, the annotations say 9x5: turned by a quarter, "
        "maybe by its EXIF orientation",
        f"  image id 20, {images}/b.png: 6x8 pixels, the annotations say 7x8",
    ]


def test_the_preflight_reads_only_headers(tmp_path, images):
    content = annotations()
    content["images"] += spoil(images)[1:2]
    path = tmp_path / "instances.json"
    path.write_text(json.dumps(content))
    data = {"dataset": "street", "images": str(images), "annotations": str(path), "limit": None}
    assert list_dataset(**data).ids == [7, 20, 30]
    (images / "b.png").write_bytes(b"")
    skipped = list_dataset(**data, on_bad_image="skip").skipped
    assert skipped == (Skipped(20, "b.png", "it is empty; copy or download it again"),)


def test_file_names_cover_what_is_left_out_or_skipped(tmp_path, images):
    content = annotations()
    content["images"] += spoil(images)
    path = tmp_path / "instances.json"
    path.write_text(json.dumps(content))
    data = {"dataset": "street", "images": str(images), "annotations": str(path)}
    found = list_dataset(**data, limit=4, on_bad_image="skip")
    assert found.left_out
    assert found.skipped
    assert found.file_names == {image["id"]: image["file_name"] for image in content["images"]}


def test_other_sizes_and_unreadable_images_are_told_at_once(tmp_path, images):
    content = annotations()
    content["images"][0]["height"] = 7
    (images / "a.png").write_bytes(b"")
    with pytest.raises(UserErrors) as caught:
        build(tmp_path, images, content)
    assert [message.partition(" (")[0].partition(";")[0] for message in caught.value.messages] == [
        f"datasets.street.annotations {tmp_path}/instances.json: 1 of 2 images have another size",
        "datasets.street.images: 1 of 2 images cannot be read",
    ]
