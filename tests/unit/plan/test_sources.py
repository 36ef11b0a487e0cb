"""data/sources.tsv is read strictly."""

from pathlib import Path

import pytest

from cutpoint.errors import UserError
from cutpoint.plan.sources import COLUMNS, read_sources

ROOT = Path(__file__).resolve().parents[3]
ROW = ["x", "https://example.org/x.zip", "data/x", "folder/", "0123abcd", "12", "free"]


def table(tmp_path, *rows, header=COLUMNS):
    path = tmp_path / "sources.tsv"
    path.write_text("".join("\t".join(row) + "\n" for row in [header, *rows]))
    return path


def test_shipped_table():
    sources = read_sources(ROOT / "data/sources.tsv")
    images = sources["data/downloads/coco/val2017"]
    assert images.is_folder
    assert images.size_bytes == 815585330
    assert [url.rpartition("/")[2] for url in images.urls] == ["val2017.zip"] * 2
    assert images.unpacked_bytes == 815000000
    annotations = sources["data/downloads/coco/instances_val2017.json"]
    assert not annotations.is_folder
    assert annotations.sha256.startswith("113a836d")
    weights = next(source for path, source in sources.items() if path.endswith(".pth"))
    assert (weights.sha256, weights.size_bytes, weights.member) == ("985f7bd0", None, "")


def test_mirrors_are_separated_by_blanks(tmp_path):
    row = [ROW[0], "https://a.org/x.zip  http://b.org/y.zip", *ROW[2:]]
    assert read_sources(table(tmp_path, row))["data/x"].urls == ("https://a.org/x.zip", "http://b.org/y.zip")


def test_a_table_without_unpacked_bytes_is_read_too(tmp_path):
    assert read_sources(table(tmp_path, ROW))["data/x"].unpacked_bytes is None
    with_column = table(tmp_path, [*ROW, "34"], header=[*COLUMNS, "unpacked"])
    assert read_sources(with_column)["data/x"].unpacked_bytes == 34


def test_the_cells_of_unpacked_are_checked(tmp_path):
    header = [*COLUMNS, "unpacked"]
    with pytest.raises(UserError, match="line 2: unpacked must be a number or empty, not 'many'"):
        read_sources(table(tmp_path, [*ROW, "many"], header=header))
    with pytest.raises(UserError, match="line 2: 8 columns are needed"):
        read_sources(table(tmp_path, ROW, header=header))


def test_no_table_is_no_sources(tmp_path):
    assert read_sources(tmp_path / "sources.tsv") == {}


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("url", "ftp://x", "line 2: the url"),
        ("url", "https://x/a ftp://y/a", "line 2: the url 'ftp://y/a' must begin"),
        ("url", "", "line 2: the url '' must begin"),
        ("path", "/abs", "line 2: the path '/abs' must be a relative one"),
        ("path", "data/../../x", "must be a relative one"),
        ("sha256", "0123abc", "8 to 64"),
        ("sha256", "", "8 to 64"),
        ("bytes", "12 MB", "bytes must be a number or empty"),
    ],
)
def test_refused(tmp_path, column, value, message):
    row = list(ROW)
    row[COLUMNS.index(column)] = value
    with pytest.raises(UserError, match=message):
        read_sources(table(tmp_path, row))


def test_refused_tables(tmp_path):
    with pytest.raises(UserError, match="the columns must be name, url"):
        read_sources(table(tmp_path, header=COLUMNS[:-1]))
    with pytest.raises(UserError, match="line 2: 7 columns are needed"):
        read_sources(table(tmp_path, ROW[:-1]))
    with pytest.raises(UserError, match="line 3: the path data/x appears twice"):
        read_sources(table(tmp_path, ROW, ["y", *ROW[1:]]))
