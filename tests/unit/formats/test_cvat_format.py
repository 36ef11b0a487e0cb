"""CVAT for images 1.1: boxes, other shapes, labels of a task and of a project."""

import math

import pytest
from format_sets import boxes_of, convert, losses_of, problems_of, write_files, write_images

HEAD = """\
<?xml version="1.0" encoding="utf-8"?>
<annotations>
  <version>1.1</version>
  <meta><task><id>1</id><name>street</name><size>3</size><mode>annotation</mode>
    <labels>
      <label><name>person</name><color>#fa3253</color><type>any</type><attributes/></label>
      <label><name>car</name><color>#33ddff</color><type>any</type><attributes/></label>
      <label><name>bus</name></label>
      <label><name>arm</name><parent>person</parent></label>
    </labels></task></meta>
"""
A = """\
  <image id="0" name="a.jpg" width="64" height="48">
    <box label="person" source="manual" xtl="4.5" ytl="5.00" xbr="24.50" ybr="27.00" z_order="0"/>
    <box label="car" occluded="0" xtl="20" ytl="20" xbr="40" ybr="30" rotation="90.0" z_order="0">
      <attribute name="is_crowd">true</attribute>
    </box>
    <polygon label="car" occluded="0" points="1.00,2.00;10.00,3.00;5.00,12.00" z_order="0"/>
    <ellipse label="car" occluded="0" cx="30" cy="20" rx="10" ry="5" z_order="0"/>
    <mask label="car" occluded="0" rle="0, 12" left="3" top="4" width="3" height="4" z_order="0"/>
    <polyline label="car" points="1,2;3,4"/>
    <points label="car" points="1,2"/>
    <tag label="car"/>
  </image>
  <image id="1" name="b.png" width="60" height="60"/>
"""
END = "</annotations>\n"


@pytest.fixture
def folder(tmp_path):
    write_images(tmp_path / "images")
    write_files(tmp_path, {"annotations.xml": HEAD + A + END})
    return tmp_path


def test_boxes_other_shapes_and_what_is_lost(folder):
    content, record = convert(folder, "cvat", "annotations.xml")
    assert record.problems == ()
    assert boxes_of(content) == [
        ("a.jpg", "person", (4.5, 5, 20, 22), 0),
        ("a.jpg", "car", (25, 15, 10, 20), 1),
        ("a.jpg", "car", (1, 2, 9, 10), 0),
        ("a.jpg", "car", (20, 15, 20, 10), 0),
        ("a.jpg", "car", (3, 4, 3, 4), 0),
    ]
    assert [category["name"] for category in content["categories"]] == ["person", "car", "bus"]
    assert [image["file_name"] for image in content["images"]] == ["a.jpg", "b.png"]
    assert losses_of(record) == {
        "box that is turned": 1,
        "polygon": 1,
        "ellipse": 1,
        "mask": 1,
        "polyline, which has no box": 1,
        "points, which has no box": 1,
        "tag, which has no box": 1,
        "area of the box in place of the object's own": 1,
        "image without a box": 1,
        "class without a box": 1,
    }
    # the folder of an export is as good
    assert convert(folder, "cvat", ".")[0]["images"] == content["images"]


def test_turned_shapes_have_the_box_around_them(folder):
    shapes = (
        '<image name="a.jpg" width="64" height="48">'
        '<box label="car" xtl="20" ytl="20" xbr="30" ybr="30" rotation="45"/>'
        '<ellipse label="car" cx="30" cy="20" rx="10" ry="5" rotation="90"/></image>'
    )
    write_files(folder, {"annotations.xml": HEAD + shapes + END})
    half = 5 * 2**0.5
    assert boxes_of(convert(folder, "cvat", "annotations.xml")[0]) == [
        (
            "a.jpg",
            "car",
            (round(25 - half, 6), round(25 - half, 6), round(2 * half, 6), round(2 * half, 6)),
            0,
        ),
        ("a.jpg", "car", (25, 10, 10, 20), 0),
    ]


@pytest.mark.parametrize(
    ("shape", "area"),
    [
        ('<polygon label="car" points="0,0;10,0;10,10;0,10"/>', 100),
        ('<polygon label="car" points="0,0;10,0;0,10"/>', 50),
        ('<polygon label="car" points="0,10;10,0;0,0"/>', 50),
        # sides that cross: the halves of a bow tie count against each other
        ('<polygon label="car" points="0,0;10,10;10,0;0,10"/>', 100),
        # three times round: more than the box
        (f'<polygon label="car" points="{";".join(["0,0;10,0;10,10;0,10"] * 3)}"/>', 100),
        ('<ellipse label="car" cx="30" cy="20" rx="10" ry="5"/>', 50 * math.pi),
        ('<ellipse label="car" cx="30" cy="20" rx="10" ry="5" rotation="30"/>', 50 * math.pi),
        ('<box label="car" xtl="20" ytl="20" xbr="30" ybr="24" rotation="45"/>', 40),
        ('<box label="car" xtl="20" ytl="20" xbr="30" ybr="24"/>', 40),
        ('<mask label="car" left="3" top="4" width="4" height="3" rle="2, 5, 5"/>', 5),
        ('<mask label="car" left="3" top="4" width="4" height="3" rle="0, 12"/>', 12),
        # runs of another size, none inside, none at all
        ('<mask label="car" left="3" top="4" width="4" height="3" rle="2, 5, 6"/>', 12),
        ('<mask label="car" left="3" top="4" width="4" height="3" rle="12"/>', 12),
        ('<mask label="car" left="3" top="4" width="4" height="3" rle="2, -5, 15"/>', 12),
        ('<mask label="car" left="3" top="4" width="4" height="3"/>', 12),
    ],
)
def test_shapes_have_their_own_area_where_the_file_has_it(folder, shape, area):
    """AP by size goes by it, as it goes by the masks of COCO; CVAT's own COCO JSON has it too."""
    image = f'<image name="a.jpg" width="64" height="48">{shape}</image>'
    write_files(folder, {"annotations.xml": HEAD + image + END})
    (annotation,) = convert(folder, "cvat", "annotations.xml")[0]["annotations"]
    assert annotation["area"] == pytest.approx(area)


def test_without_labels_classes_are_those_of_the_boxes(folder):
    write_files(folder, {"annotations.xml": f"<annotations>{A}{END}"})
    content, record = convert(folder, "cvat", "annotations.xml")
    assert [category["name"] for category in content["categories"]] == ["car", "person"]
    assert losses_of(record)["class of a format that does not list them"] == 2


def test_labels_of_a_project(folder):
    text = HEAD.replace("task>", "project>") + A + END
    write_files(folder, {"annotations.xml": text})
    assert convert(folder, "cvat", "annotations.xml")[1].categories == 3


PLACE = "1, first annotations.xml, a.jpg, box at 1"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"4.5"', '"nan"', f"shape with numbers that are missing, or not finite: {PLACE}"),
        ('xtl="4.5"', "", f"shape with numbers that are missing, or not finite: {PLACE}"),
        ("1.00,2.00;", "1.00;", "shape with numbers that are missing, or not finite"),
        ('label="person"', "", f"shape whose label is no short text: {PLACE}"),
        ('label="person"', 'label="dog"', f"label that meta does not list: {PLACE} ('dog')"),
        ('"a.jpg"', '"../a.jpg"', "name that leads out of the images folder: 1, first annotations.xml"),
        ('"a.jpg"', '"/etc/a.jpg"', "name that is an absolute path"),
        ('"a.jpg"', '""', "image without a name"),
        ('width="64"', 'width="0"', "size that is no whole number of pixels: 1, first annotations.xml"),
        ('name="b.png"', 'name="a.jpg"', "image that is there more than once"),
        ("<tag ", "<new ", "shape that CVAT 1.1 does not have"),
        ("<image ", "<track/><image ", "is CVAT for video (it has tracks); export it as CVAT for images"),
        ("annotations>", "annotation>", "has 'annotation' as its root, and not 'annotations'"),
        ("</annotations>", "", "is not XML that can be read"),
        ("<annotations>", '<!DOCTYPE a [<!ENTITY a "b">]><annotations>', "has a document type or entities"),
    ],
)  # fmt: skip
def test_a_broken_file_is_named(folder, old, new, message):
    write_files(
        folder, {"annotations.xml": (HEAD + A + END).replace(old, new, -1 if old == "annotations>" else 1)}
    )
    (problem,) = problems_of(folder, "cvat", "annotations.xml")
    assert message in problem


def test_a_folder_without_the_file(folder):
    (folder / "none").mkdir()
    assert "no file annotations.xml in this folder" in problems_of(folder, "cvat", "none")[0]


def test_without_the_attribute_it_is_said_that_cvat_has_no_crowds(folder):
    _, record = convert(folder, "cvat", "annotations.xml")
    assert "box of a format without crowd or ignore flags" not in losses_of(record)
    write_files(folder, {"annotations.xml": HEAD + A.replace(">true<", ">false<") + END})
    _, record = convert(folder, "cvat", "annotations.xml")
    assert losses_of(record)["box of a format without crowd or ignore flags"] == 5
