"""Pascal VOC's XML, as LabelImg, CVAT, Roboflow and the VOC sets themselves write it."""

import os
from pathlib import Path

import pytest
from format_sets import boxes_of, convert, losses_of, problems_of, write_files, write_images

LABELIMG = """\
<annotation>
	<folder>images</folder>
	<filename>a.jpg</filename>
	<path>C:\\Users\\me\\images\\a.jpg</path>
	<source><database>Unknown</database></source>
	<size><width>64</width><height>48</height><depth>3</depth></size>
	<segmented>0</segmented>
	<object>
		<name>person</name><pose>Unspecified</pose><truncated>0</truncated><difficult>0</difficult>
		<bndbox><xmin>4</xmin><ymin>5</ymin><xmax>24</xmax><ymax>27</ymax></bndbox>
	</object>
	<object>
		<name>car</name><pose>Unspecified</pose><truncated>0</truncated><difficult>1</difficult>
		<bndbox><xmin>30</xmin><ymin>10</ymin><xmax>60</xmax><ymax>40</ymax></bndbox>
	</object>
</annotation>
"""
ROBOFLOW = """\
<?xml version="1.0" encoding="utf-8"?>
<annotation>
  <folder/><filename>b.png</filename><path>b.png</path>
  <source><database>roboflow.com</database></source>
  <size><width>60</width><height>60</height><depth>3</depth></size>
  <object><name>car</name><truncated>0</truncated><difficult>0</difficult><occluded>0</occluded>
    <bndbox><xmin>1.5</xmin><xmax>20.25</xmax><ymin>2</ymin><ymax>30</ymax></bndbox>
  </object>
</annotation>
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_images(tmp_path / "images")
    write_files(tmp_path, {"xml/a.xml": LABELIMG, "xml/b.xml": ROBOFLOW})
    return tmp_path


def test_boxes_difficult_objects_and_what_is_lost(folder):
    content, record = convert(folder, "voc", "xml")
    assert record.problems == ()
    assert boxes_of(content) == [
        ("a.jpg", "person", (4, 5, 20, 22), 0),
        ("a.jpg", "car", (30, 10, 30, 30), 1),
        ("b.png", "car", (1.5, 2, 18.75, 28), 0),
    ]
    assert [category["name"] for category in content["categories"]] == ["car", "person"]
    assert content["annotations"][1]["place"] == f"{folder}/xml/a.xml, object 2"
    assert losses_of(record) == {
        "difficult object": 1,
        "image without an .xml file": 1,
        "class of a format that does not list them": 2,
        "area of the box in place of the object's own": 3,
    }
    assert record.crowds == 1


def test_whole_pixels_are_told(folder):
    (folder / "xml/b.xml").unlink()
    _, record = convert(folder, "voc", "xml")
    assert losses_of(record)["box with corners in whole pixels"] == 2


def test_the_sets_of_pascal_voc_number_pixels_from_one(folder):
    write_files(folder, {"xml/a.xml": LABELIMG.replace("Unknown", "The VOC2007 Database")})
    content, record = convert(folder, "voc", "xml")
    assert boxes_of(content)[0] == ("a.jpg", "person", (3, 4, 21, 23), 0)
    assert losses_of(record)["box of a set that numbers pixels from 1"] == 2


def test_a_list_of_image_sets_and_parts_of_objects(tmp_path):
    part = "<part><name>head</name><bndbox><xmin>5</xmin></bndbox></part></object>"
    text = LABELIMG.replace("</object>", part, 1)
    write_images(tmp_path / "VOC/JPEGImages")
    sets = {
        "VOC/ImageSets/Main/val.txt": "a\n",
        "VOC/Annotations/a.xml": text,
        "VOC/Annotations/b.xml": ROBOFLOW,
    }
    write_files(tmp_path, sets)
    content, record = convert(tmp_path, "voc", "VOC/ImageSets/Main/val.txt", "VOC/JPEGImages")
    assert record.problems == ()
    assert [image["file_name"] for image in content["images"]] == ["a.jpg"]
    assert len(content["annotations"]) == 2


def test_a_file_without_a_size_takes_the_images(folder):
    no_size = LABELIMG.replace("<width>64</width><height>48</height>", "<width>0</width><height>0</height>")
    write_files(folder, {"xml/a.xml": no_size})
    content, record = convert(folder, "voc", "xml")
    assert (content["images"][0]["width"], content["images"][0]["height"]) == (64, 48)
    assert losses_of(record)["file without the image's size"] == 1


def test_filename_decides_between_two_images_of_one_name(folder):
    write_images(folder / "images", {"a.png": (64, 48)})
    content, record = convert(folder, "voc", "xml")
    assert record.problems == ()
    assert boxes_of(content)[0][0] == "a.jpg"
    write_files(folder, {"xml/a.xml": LABELIMG.replace("a.jpg</f", "x.jpg</f")})
    assert "file whose image is not there: 1, first xml/a.xml" in problems_of(folder, "voc", "xml")[0]


BOMB = (
    '<!DOCTYPE a [<!ENTITY a "aaaaaaaaaa">'
    + "".join(f'<!ENTITY {n} "{f"&{o};" * 10}">' for o, n in zip("abcdefgh", "bcdefghi", strict=True))
    + "]>"
)
OUTSIDE = '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]>'
NUMBER = "bndbox that is not four finite numbers: 1, first xml/a.xml, object 1"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (">4<", ">nan<", NUMBER),
        (">4<", ">four<", NUMBER),
        (">4<", f">{'9' * 400}<", NUMBER),
        ("<xmin>4</xmin>", "", NUMBER),
        ("<name>person</name>", "", "object without a name, or with one that is no short text: 1"),
        ("person", "p" * 600, "object without a name, or with one that is no short text"),
        ("<difficult>0<", "<difficult>maybe<", "difficult that is not 0 or 1: 1, first xml/a.xml"),
        (">64<", ">64.5<", "size that is no whole number of pixels: 1, first xml/a.xml ('64.5 x 48')"),
        (">64<", ">99999999999<", "size that is no whole number of pixels"),
        ("</annotation>", "", "file that is not XML that can be read (no element found"),
        ("<annotation>", f"{BOMB}<annotation>", "file that has a document type or entities"),
        ("<annotation>", f"{OUTSIDE}<annotation>", "file that has a document type or entities"),
        ("<annotation>", '<?xml version="1.0" encoding="nonsense"?><annotation>', "is not XML"),
        ("<annotation>", "<annotation>" + "<x>" * 100_000 + "</x>" * 100_000, ""),
        ("annotation>", "annotations>", "root that is not annotation, as in Pascal VOC: 1"),
    ],
)  # fmt: skip
def test_a_broken_file_is_named(folder, old, new, message):
    count = -1 if old == "annotation>" else 1
    write_files(folder, {"xml/a.xml": LABELIMG.replace(old, new, count)})
    if not message:  # nesting is no fault
        assert convert(folder, "voc", "xml")[1].problems == ()
        return
    (problem,) = problems_of(folder, "voc", "xml")
    assert message in problem
    assert len(problem) < 500


@pytest.mark.parametrize(
    "content", [b"", b"\x00\x00", b"\xff\xfe<\x00", b"PK\x03\x04", b"<annotation>\xff</annotation>"]
)
def test_other_files_are_named(folder, content):
    write_files(folder, {"xml/a.xml": content})
    (problem,) = problems_of(folder, "voc", "xml")
    assert "first xml/a.xml" in problem


def test_folders_and_lists_that_have_nothing(folder):
    write_files(folder, {"empty/x.txt": "../../etc/passwd\n", "one.xml": LABELIMG})
    assert "no .xml file below this folder" in problems_of(folder, "voc", "empty")[0]
    assert "no list of image names beside" in problems_of(folder, "voc", "empty/x.txt")[0]
    assert "not a folder of .xml files" in problems_of(folder, "voc", "one.xml")[0]


def test_a_pipe_is_refused_at_once(folder):
    os.mkfifo(folder / "xml/c.xml")
    assert "file that is no regular file: 1, first xml/c.xml" in problems_of(folder, "voc", "xml")[0]
