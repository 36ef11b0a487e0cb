"""Pictures of what is odd in a data set, its record, and its section of the page."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from format_sets import write_images

from cutpoint.preflight.datasets import inspect_dataset
from cutpoint.preflight.gather import _tell_odd
from cutpoint.records.oddities import INDEX, Oddities, read_oddities
from cutpoint.report.contact_sheet import COLOUR, GAP_PX, OUTSIDE, TILE, Tile, draw_sheet
from cutpoint.report.odd import build_odd
from cutpoint.report.oddities import show_oddities

SIZES = {"a.jpg": (400, 300), "b.png": (300, 300), "c.jpg": (64, 400)}


def truth(**boxes: list[list[float]]) -> dict:
    images = [
        {"id": n, "file_name": name, "width": width, "height": height, "license": n}
        for n, (name, (width, height)) in enumerate(SIZES.items(), start=1)
    ]
    ids = {image["file_name"][0]: image["id"] for image in images}
    listed = [(ids[name], box) for name, own in boxes.items() for box in own]
    return {
        "images": images,
        "licenses": [{"id": n, "name": f"licence {n}"} for n in (1, 2, 3)],
        "categories": [{"id": 1, "name": "car"}],
        "annotations": [
            {"id": n, "image_id": image, "category_id": 1, "bbox": box, "iscrowd": 0}
            for n, (image, box) in enumerate(listed)
        ],
    }


SOUND = {"a": [[10, 20, 90, 50]], "b": [[10, 20, 90, 50]], "c": [[5, 20, 40, 50]]}


@pytest.fixture
def folder(tmp_path):
    write_images(tmp_path / "images", SIZES)
    return tmp_path


def show(folder: Path, content: object, public: list[int] | None = None, name: str = "odd") -> Oddities:
    given = folder / "truth.json"
    given.write_text(content if isinstance(content, str) else json.dumps(content))
    common = {"images": str(folder / "images"), "annotations": str(given), "limit": None}
    findings = str(folder / "findings.json")
    inspect_dataset(
        dataset="street",
        **common,
        invalid_boxes=None,
        on_bad_image="fail",
        slices=None,
        public=None,
        out=findings,
    )
    out = folder / name
    show_oddities(dataset="street", **common, public=public, findings=findings, out_dir=str(out))
    return read_oddities(out / INDEX)


def test_a_data_set_without_anything_odd_has_no_picture_and_no_section(folder):
    assert show(folder, truth(**SOUND)).kinds == ()
    assert [path.name for path in (folder / "odd").iterdir()] == ["index.json"]
    assert build_odd([{"path": str(folder / "odd")}]) is None
    assert build_odd([]) is None
    assert _tell_odd("street", str(folder / "odd")) is None


def test_each_kind_has_a_picture_and_a_line(folder):
    found = show(folder, truth(**SOUND | {"b": [[400, 20, 50, 50], [5, 5, 290, 294]]}))
    assert [kind.kind for kind in found.kinds] == ["outside"]
    assert [kind.picture for kind in found.kinds] == ["outside.jpg"]
    assert (folder / "odd/outside.jpg").read_bytes()[:3] == b"\xff\xd8\xff"
    told = _tell_odd("street", str(folder / "odd"))
    assert told == (
        f"datasets.street: pictures in {folder / 'odd'} of what is odd: bbox outside its image: 1 of 4 "
        "annotations"
    )


def test_the_same_data_give_the_same_bytes_and_old_pictures_go(folder):
    content = truth(**SOUND | {"b": [[400, 20, 50, 50], [10, 10, 0.2, 40]]})
    show(folder, content, name="one")
    show(folder, truth(**SOUND | {"b": [[1, 1, 298, 298]]}), name="two")
    assert (folder / "two/whole.jpg").exists()
    show(folder, content, name="two")
    files = {path.name: path.read_bytes() for path in (folder / "one").iterdir()}
    assert set(files) == {"index.json", "outside.jpg", "thin.jpg"}
    assert {path.name: path.read_bytes() for path in (folder / "two").iterdir()} == files


@pytest.mark.parametrize("content", ["[", "[]", "5", '{"images": []}', "{}"])
def test_annotations_that_cannot_be_read_are_told_by_the_inspection_alone(folder, content):
    assert show(folder, content).kinds == ()


def test_images_that_may_not_be_shown_are_counted_and_not_drawn(folder):
    outside = [[900, 20, 50, 50]]
    content = truth(a=outside, b=outside, c=outside)
    (kind,) = show(folder, content, public=[2]).kinds
    assert kind.count == 3
    assert [image.file_name for image in kind.worst] == ["b.png"]
    (kind,) = show(folder, content, public=[]).kinds
    assert (kind.count, kind.worst, kind.picture) == (3, (), None)
    section = build_odd([{"path": str(folder / "odd")}])
    assert section is not None
    assert section.kinds[0].uri is None


def test_a_damaged_and_a_missing_image_are_tiles_that_say_so(folder):
    (folder / "images/a.jpg").write_bytes(b"\xff\xd8\xff damaged")
    (folder / "images/b.png").unlink()
    outside = [[900, 20, 50, 50]]
    (kind,) = show(folder, truth(a=outside, b=outside, c=outside)).kinds
    assert [image.image_id for image in kind.worst] == [3, 2, 1]
    sheet = cv2.imread(str(folder / "odd" / kind.picture))
    assert sheet.shape[1] == 3 * (TILE[0] + GAP_PX) + GAP_PX


def test_a_link_that_leads_out_of_the_folder_is_not_followed(folder):
    (folder / "images/b.png").rename(folder / "elsewhere.png")
    (folder / "images/b.png").symlink_to(folder / "elsewhere.png")
    (kind,) = show(folder, truth(**SOUND | {"b": [[900, 20, 50, 50]]})).kinds
    picture = cv2.imread(str(folder / "odd" / kind.picture))
    assert (np.abs(picture.astype(int) - 99).max(axis=2) < 6).mean() < 0.01


def test_images_of_another_size_than_written_are_shown(folder):
    content = truth(**SOUND)
    content["images"][0] |= {"width": 300, "height": 400}
    found = {kind.kind: kind for kind in show(folder, content).kinds}
    assert set(found) == {"size"}
    (image,) = found["size"].worst
    assert image.said == "400 x 300 px, its entry says 300 x 400"
    assert len(image.boxes) == 1


def colours(picture: np.ndarray, colour: tuple[int, int, int]) -> int:
    return int((np.abs(picture.astype(int) - colour).max(axis=2) < 3).sum())


@pytest.mark.parametrize(
    "box",
    [
        (50, 40, 90, 80),
        (-60, -60, -20, -20),
        (5e14, 5e14, 1e15, 1e15),
        (90, 80, 50, 40),
        (20, 20, 20.1, 20.1),
    ],
)
def test_a_box_is_seen_wherever_it_lies(folder, box):
    """Also one outside the image, one with a negative side, and one of a tenth of a pixel."""
    sheet = draw_sheet([Tile(str(folder / "images/a.jpg"), "image 1", "", [box])])
    assert colours(sheet, COLOUR) > 60
    lies_outside = box[0] < 0 or box[0] > 400
    assert (colours(sheet, OUTSIDE) > 1000) == lies_outside


def test_boxes_by_the_hundred_do_not_hide_the_image(folder):
    boxes = [(x, y, x + 5, y + 5) for x in range(0, 400, 20) for y in range(0, 300, 20)]
    sheet = draw_sheet([Tile(str(folder / "images/a.jpg"), "image 1", "", boxes)])
    grey = (np.abs(sheet.astype(int) - 99).max(axis=2) < 6).mean()
    assert grey > 0.3


def test_rows_of_tiles_and_long_names(folder):
    tile = Tile(str(folder / "images/c.jpg"), "image 3, " + "long/" * 80 + "c.jpg", "ж" * 300, [])
    one, six = draw_sheet([tile]), draw_sheet([tile] * 6)
    assert six.shape == (2 * one.shape[0] - GAP_PX, 3 * one.shape[1] - 2 * GAP_PX, 3)
