import os
import stat

import pytest

from cutpoint.files import name_substitute, read_json, replacing, write_json, write_text


def test_the_file_appears_when_the_block_ends(tmp_path):
    path = tmp_path / "a" / "b" / "out.json"
    with replacing(path) as temporary:
        assert temporary.parent == path.parent
        assert temporary.suffix == ".json"
        temporary.write_text("new")
        assert not path.exists()
        written = temporary.stat().st_ino
    # renamed, not copied: a reader sees the old file or the new one
    assert path.stat().st_ino == written
    assert path.read_text() == "new"
    assert os.listdir(path.parent) == ["out.json"]


def test_an_exception_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "out.txt"
    path.write_text("old")

    def fail_half_way():
        with replacing(path) as temporary:
            temporary.write_text("half")
            raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        fail_half_way()
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["out.txt"]


def test_results_are_as_readable_as_other_files(tmp_path):
    write_text(tmp_path / "out.txt", "ä")
    (tmp_path / "plain.txt").touch()
    modes = [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("out.txt", "plain.txt")]
    assert modes[0] == modes[1]
    assert (tmp_path / "out.txt").read_bytes() == "ä".encode()


def test_json_keeps_floats_exactly_and_refuses_nan(tmp_path):
    value = {"a": 0.1 + 0.2, "b": [1, None]}
    write_json(tmp_path / "v.json", value)
    assert read_json(tmp_path / "v.json") == value
    with pytest.raises(ValueError, match="JSON compliant"):
        write_json(tmp_path / "nan.json", {"a": float("nan")})
    assert os.listdir(tmp_path) == ["v.json"]


@pytest.mark.parametrize(
    ("start", "text"),
    [
        (b"", "it is empty"),
        (b" \n\t", "it is empty"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "it is a Git LFS pointer"),
        (b"<html>404</html>", "it is a web page"),
        (b"\n <!DOCTYPE html>", "it is a web page"),
        (b"<?xml version='1.0'?><Error>", "it is a web page"),
        (b"\xef\xbb\xbf<HTML>", "it is a web page"),
    ],
)
def test_what_lies_in_place_of_a_file_is_named(start, text):
    assert name_substitute(start).startswith(text)


@pytest.mark.parametrize(
    "start", [b"PK\x03\x04", b"\x08\x0a", b'{"images": []}', b"\x80\x02", b"< 5", b"version 2"]
)
def test_what_may_be_the_file_is_no_substitute(start):
    assert name_substitute(start) is None
