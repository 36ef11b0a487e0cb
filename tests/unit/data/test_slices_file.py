"""The CSV file of slices: what it means, and one clear message for each mistake in it."""

import os
import tracemalloc

import pytest
from datasets import make_image, make_manifest, save_manifest

from cutpoint.data.slices import _Found, build_slices
from cutpoint.data.slices_file import read_lines
from cutpoint.errors import UserError
from cutpoint.records.slices import Slice, list_slices, read_slices

HEAD = "image,name,value\n"


def build(folder, text, paths=("a.jpg", "b.jpg", "c.jpg"), left_out=()):
    """The slices of images with the ids 10, 20, ...; ``text``: str or bytes of the file."""
    images = [make_image(10 * number, path) for number, path in enumerate(paths, start=1)]
    manifest = save_manifest(folder / "manifest.json", images, left_out=left_out)
    source, out = folder / "slices.csv", folder / "slices.json"
    source.write_bytes(text if isinstance(text, bytes) else text.encode())
    build_slices(dataset="street", slices=str(source), manifest=manifest, out=str(out))
    return out


def test_images_with_the_same_value_of_a_name_are_a_slice(tmp_path):
    rows = "b.jpg,time,night\n10,time,day\na.jpg,camera,3\n30,time,night\n"
    path = build(tmp_path, HEAD + rows)
    time = (Slice("time", "night", (20, 30)), Slice("time", "day", (10,)))
    assert list_slices(path) == (*time, Slice("camera", "3", (10,)))
    assert read_slices(path) == {
        10: {"time": "day", "camera": "3"},
        20: {"time": "night"},
        30: {"time": "night"},
    }
    assert time[0].title == "time=night"


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(b"\xef\xbb\xbfimage,name,value\r\na.jpg,time,day\r\n", id="byte-order-mark-and-crlf"),
        pytest.param("image;name;value\na.jpg;time;day\n", id="semicolons"),
        pytest.param("image\tname\tvalue\na.jpg\ttime\tday\n", id="tabs"),
        pytest.param('"image","name","value"\n"a.jpg","time","day"\n', id="quoted"),
        pytest.param("Value, Name ,note,IMAGE\n day ,time,x,a.jpg\n,,,\n", id="order-case-spaces-and-ends"),
        pytest.param(HEAD + "a.jpg,time,day\na.jpg,time,day\n10,time,day\n", id="repeated-alike"),
        pytest.param(HEAD + "a.jpg,time,day", id="no-line-end"),
    ],
)
def test_what_spreadsheets_write_is_read(tmp_path, text):
    assert list_slices(build(tmp_path, text)) == (Slice("time", "day", (10,)),)


def test_names_and_values_are_text(tmp_path):
    rows = 'a.jpg,speed,030\nb.jpg,speed,30\nc.jpg,=SUM(A1),"<b>""x"", 夜</b>"\n'
    assert [(part.name, part.value) for part in list_slices(build(tmp_path, HEAD + rows))] == [
        ("speed", "030"),
        ("speed", "30"),
        ("=SUM(A1)", '<b>"x", 夜</b>'),
    ]


def test_images_beyond_the_limit_may_be_listed_and_do_not_count(tmp_path):
    rows = "a.jpg,time,day\n7.jpg,time,day\n7,camera,9\n"
    assert list_slices(build(tmp_path, HEAD + rows, left_out=[7])) == (Slice("time", "day", (10,)),)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("", "it is empty", id="empty"),
        pytest.param(HEAD + ",,\n", "no line below the head", id="only-a-head"),
        pytest.param("image,value\na.jpg,day\n", "the column 'name' is missing", id="column"),
        pytest.param("a.jpg,time,day\n", "first line must name the columns", id="no-head"),
        pytest.param(HEAD + "a.jpg,,day\n", "line 2: name is empty", id="empty-cell"),
        pytest.param(HEAD + "a.jpg,time\n", "line 2: value is empty", id="short-line"),
        pytest.param(
            HEAD + "10,time,day\na.jpeg,time,day\nx,time,day\n",
            "line 3: the data set has no image 'a.jpeg' (of 3 lines 2 name such images); write a file name "
            "with its ending, or an image id; did you mean 'a.jpg'?",
            id="unknown-image",
        ),
        pytest.param(HEAD + "010,time,day\n", "has no image '010'", id="an-id-with-a-zero-before-it"),
        pytest.param(
            HEAD + "a.jpg,time,day\n10,time,night\n",
            "line 3: time of 10 is 'night', and 'day' in line 2; keep one",
            id="two-values",
        ),
        pytest.param(
            "image,name,value\na.jpg,time,n\xe4chtlich\n".encode("latin-1"),
            "save it as CSV UTF-8",
            id="not-utf-8",
        ),
        pytest.param(
            HEAD + "".join(f"a.jpg,speed,{n}\n" for n in range(51)),
            "'speed' has 51 values, and 50 are allowed; values are text, so put numbers into a few bins",
            id="many-values",
        ),
    ],
)
def test_each_mistake_has_one_message(tmp_path, text, message):
    with pytest.raises(UserError) as caught:
        build(tmp_path, text)
    assert str(caught.value).startswith(f"datasets.street.slices {tmp_path / 'slices.csv'}")
    assert message in str(caught.value)


def message(folder, text):
    with pytest.raises(UserError) as caught:
        build(folder, text)
    assert not (folder / "slices.json").exists()
    return str(caught.value).replace(f"datasets.street.slices {folder / 'slices.csv'}", "FILE")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param(
            "image|name|value\na.jpg|time|day\n", "the columns 'image', 'name', 'value' are", id="bars"
        ),
        pytest.param(
            "image,name,value,value\na.jpg,time,day,x\n", "has the column 'value' more than", id="twice"
        ),
        pytest.param(
            HEAD + 'a.jpg,time,"day\nb.jpg,time,night\n', "line 2: quotation marks that", id="open-quote"
        ),
        pytest.param(
            HEAD + 'a.jpg,time,"day\nb.jpg,time,"night"\n',
            "line 2: quotation marks that",
            id="one-of-two-quotes",
        ),
        pytest.param(HEAD + "a.jpg,time,d\0ay\n", r"line 2: 'd\x00ay' is too long, or has a", id="nul"),
        pytest.param(HEAD + "a.jpg,\x1b[2J,day\n", r"line 2: '\x1b[2J' is too long, or has a", id="escape"),
        pytest.param(HEAD + f"a.jpg,time,{'x' * 201}\n", "'... is too long, or has a", id="long-value"),
        pytest.param(
            HEAD + "{}.jpg,time,day\n", "line 2: the data set has no image '{}.jpg' (of 1", id="braces"
        ),
        pytest.param(
            HEAD + "../a.jpg,time,day\n", "line 2: the data set has no image '../a.jpg'", id="folder"
        ),
        pytest.param(
            HEAD + f"{'9' * 5000},time,day\n", "line 2: the data set has no image '999", id="huge-id"
        ),
        pytest.param(
            HEAD + "a.jpg,time," + "x" * 200_000, "line 2: has 100000 characters or more", id="long-line"
        ),
        pytest.param(HEAD.encode("utf-16"), "not UTF-8 text", id="utf-16"),
        pytest.param(b"PK\x03\x04xl/workbook.xml", "it is a spreadsheet file or a zip", id="xlsx"),
        pytest.param(b"\x1f\x8b\x08", "it is a gzip file", id="gzip"),
        pytest.param('[{"image": "a.jpg"}]', "the columns 'image', 'name', 'value' are missing", id="json"),
        pytest.param(
            HEAD + "".join(f"a.jpg,name {n},x\n" for n in range(51)),
            "has 51 names, and 50 are",
            id="many-names",
        ),
        pytest.param(
            HEAD + "".join(f"a.jpg,speed,{n}\n" for n in range(10_100)),
            "'speed' has more than 10000",
            id="10000",
        ),
    ],
)
def test_a_hostile_file_has_one_short_message(tmp_path, text, said):
    found = message(tmp_path, text)
    assert found.startswith("FILE")
    assert said in found
    assert found.isprintable()
    assert len(found) < 400


def test_all_problems_are_told_at_once(tmp_path):
    rows = "x,time,day\na.jpg,,day\na.jpg,time,day\n10,time,night\ny,time,day\nb.jpg,time,\nc.jpg,time,\0\n"
    assert message(tmp_path, HEAD + rows).splitlines() == [
        "4 problems:",
        "  1. FILE, line 2: the data set has no image 'x' (of 7 lines 2 name such images); write a file name "
        "with its ending, or an image id",
        "  2. FILE, line 3: name is empty; write it, or remove the line (2 such lines)",
        "  3. FILE, line 5: time of 10 is 'night', and 'day' in line 4; keep one",
        r"  4. FILE, line 8: '\x00' is too long, or has a control character; names and values are text of at "
        "most 200 characters in one line",
    ]


def test_quotes_that_fit_are_read(tmp_path):
    rows = 'a.jpg,time,"say ""day"", or\nnight"\nb.jpg,time,5" wide\n'
    assert [part.value for part in list_slices(build(tmp_path, HEAD + rows))] == [
        'say "day", or night',
        '5" wide',
    ]


def test_a_pipe_in_place_of_the_file_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "slices.csv")
    with pytest.raises(UserError, match="is no file, but a folder, a pipe"):
        build_slices(
            dataset="street",
            slices=str(tmp_path / "slices.csv"),
            out="x",
            manifest=save_manifest(tmp_path / "manifest.json", []),
        )


def test_memory_does_not_grow_with_the_file(tmp_path):
    def peak(count):
        (tmp_path / "slices.csv").write_text(HEAD + "a.jpg,time,day\nb.jpg,time,night\n" * count)
        tracemalloc.start()
        for line in read_lines(str(tmp_path / "slices.csv"), "x"):
            found.add(line)
        grown = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return grown

    found = _Found(make_manifest([make_image(1, "a.jpg"), make_image(2, "b.jpg")]))
    peak(1)
    assert peak(4000) < peak(100) + 50_000


def test_an_id_that_is_also_the_name_of_another_image_is_refused(tmp_path):
    # of a folder without annotations: ids count files, and 10.jpg sorts before 2.jpg
    with pytest.raises(UserError, match=r"'20' is the id of b\.jpg, and the name of 20\.jpg"):
        build(tmp_path, HEAD + "20,time,day\n", paths=("20.jpg", "b.jpg"))
    assert read_slices(build(tmp_path, HEAD + "10,time,day\n", paths=("10.jpg", "b.jpg"))) == {
        10: {"time": "day"}
    }
