"""Class names from the config, a text file, or the file's metadata; never by running anything."""

import pytest
from layout_files import NAMES, SAID, facts, out

from cutpoint.errors import UserError
from cutpoint.layouts.classes import has_ids, read_class_names
from cutpoint.layouts.coco import COCO80, COCO91

FILE = facts(out("output0", 1, 7, 189), metadata=SAID)


@pytest.mark.parametrize(
    ("given", "names"),
    [
        (["a", "b"], ("a", "b")),
        ({0: "a", 1: "b"}, ("a", "b")),
        ({1: "a", "4": "b"}, ("", "a", "", "", "b")),
        (None, NAMES),
        ("coco80", COCO80),
        ("coco91", COCO91),
    ],
)
def test_names_by_label(given, names):
    assert read_class_names(given, FILE, "models.m.classes") == names


def test_coco_has_80_names_at_their_ids():
    assert (len(COCO80), len(set(COCO80)), len(COCO91)) == (80, 80, 91)
    ids = {1: "person", 11: "fire hydrant", 13: "stop sign", 65: "bed", 67: "dining table", 90: "toothbrush"}
    assert {number: COCO91[number] for number in ids} == ids
    assert [COCO91[number] for number in (0, 12, 26, 45, 66, 69, 83)] == [""] * 7
    assert tuple(name for name in COCO91 if name) == COCO80


def test_a_text_file_has_a_name_a_line(tmp_path):
    path = tmp_path / "names.txt"
    path.write_text("car\nbig bus\n\n", encoding="utf-8-sig")
    assert read_class_names(str(path), None, "k") == ("car", "big bus")
    path.write_text("car\n\nbus\n")
    with pytest.raises(UserError, match=r"names\.txt: line 2 is empty"):
        read_class_names(str(path), None, "k")
    with pytest.raises(UserError, match=r"^k: none\.txt: cannot be read .*one name a line"):
        read_class_names("none.txt", None, "k")


@pytest.mark.parametrize("text", [SAID["names"], '{"0": "car", "1": "bus", "2": "person"}', str(list(NAMES))])
def test_names_in_the_file(text):
    assert read_class_names(None, facts(metadata={"names": text}), "k") == NAMES


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os').system('touch hacked')",
        "{0: __import__('os').getcwd()}",
        "[" * 5000,
        "{0: 'car', 1: 2}",
        "{'a': 'car'}",
        "{-1: 'car'}",
        "{True: 'car'}",
        "{99999999: 'car'}",
        "{}",
        "'car'",
        "x" * 2_000_000,
    ],
)
def test_text_in_the_file_that_is_no_names(text, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=r"^models\.m\.classes: "):
        read_class_names(None, facts(metadata={"names": text}), "models.m.classes")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("file", [facts(metadata={}), None])
def test_no_names_are_refused_with_what_to_write(file):
    with pytest.raises(UserError, match=r"^models\.m\.classes: null, .*a list, \{id: name\}.*coco91"):
        read_class_names(None, file, "models.m.classes")


@pytest.mark.parametrize("given", [["a", ""], ["a", 2], [], {}, {1.5: "a"}, 3])
def test_what_is_no_name(given):
    with pytest.raises(UserError, match=r"^k: "):
        read_class_names(given, None, "k")


def test_labels_are_ids_where_some_have_no_class():
    assert has_ids(COCO91)
    assert has_ids(("__background__", "car"))
    assert not has_ids(NAMES)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "it is empty"),
        (b"\n\n", "it is empty"),
        (b"car\n\nbus\n\ntram\n", "line 2 is empty (and 1 more)"),
        ("car\u2028bus".encode(), r"'car\u2028bus' is no name, a name is text"),
        (b"car\n\x1b[2J\n\0\n", r"'\x1b[2J' is no name (and 1 more)"),
        (b"x" * 501, "is no name"),
        (b"x\n" * 32_769, "32769 names, and at most 32768"),
        (b"x\n" * 600_000, "has more than 1000000 bytes"),
        (b"PK\x03\x04" + bytes(40), "it is a zip archive"),
        (b"\x1f\x8b\x08", "it is a gzip file"),
        ("car".encode("utf-16"), "not UTF-8 text"),
        (b"<html>", "it is a web page"),
    ],
)
def test_a_hostile_text_file_has_one_short_message(tmp_path, content, said):
    path = tmp_path / "names.txt"
    path.write_bytes(content)
    with pytest.raises(UserError) as caught:
        read_class_names(str(path), None, "k")
    assert said in str(caught.value)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 600


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({7: "car", "7": "bus"}, "id 7 is there twice"),
        (["car", "\ud800"], r"'\ud800' is no name"),
        (["car", "bus\n"], r"'bus\n' is no name"),
        ({"9" * 5000: "car"}, "an id is a whole number"),
    ],
)
def test_hostile_names_of_the_config_are_refused(given, said):
    with pytest.raises(UserError) as caught:
        read_class_names(given, FILE, "k")
    assert said in str(caught.value)


def test_a_carriage_return_ends_a_line(tmp_path):
    path = tmp_path / "names.txt"
    path.write_bytes(b"car\r\nbig bus\rtram\n")
    assert read_class_names(str(path), None, "k") == ("car", "big bus", "tram")
