import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from cutpoint.files import name_substitute, read_json, replacing, scratch, write_json, write_text


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


def write_and_stop(path):
    """A process that has begun to write; it holds still."""
    code = (
        "import sys, time\nfrom cutpoint.files import replacing\n"
        "with replacing(sys.argv[1]) as temporary:\n"
        "    temporary.write_text('half')\n    print(temporary, flush=True)\n    time.sleep(60)"
    )
    process = subprocess.Popen([sys.executable, "-c", code, path], stdout=subprocess.PIPE, text=True)
    return process, Path(process.stdout.readline().strip())


def test_what_a_killed_process_has_left_is_removed_by_the_next_one(tmp_path):
    path = tmp_path / "raw.json"
    process, temporary = write_and_stop(path)
    # of a longer name, and a hidden file of somebody else
    others = [tmp_path / ".raw-fp32-abcdefgh.json", tmp_path / ".raw-notes.json"]
    for other in others:
        other.touch()
    try:
        # while it lives its file stays
        write_text(path, "first")
        assert temporary.read_text() == "half"
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
    assert temporary.exists()
    write_text(path, "second")
    assert path.read_text() == "second"
    assert sorted(tmp_path.iterdir()) == sorted([path, *others])


def test_a_full_disk_names_the_file(tmp_path):
    """RLIMIT_FSIZE stands for the disk: every user may set it."""
    path = tmp_path / "out.txt"
    code = (
        "import resource, sys\nfrom cutpoint.files import write_text\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "try:\n    write_text(sys.argv[1], 'x' * 5000)\n"
        "except OSError as error:\n    print(error.filename)"
    )
    done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str(path)
    assert os.listdir(tmp_path) == []


def test_a_scratch_file_has_no_name_and_says_whose_it_is(tmp_path):
    with scratch(tmp_path / "new" / "diff.json") as file:
        file.write("waiting")
        assert list((tmp_path / "new").iterdir()) == []
        file.seek(0)
        assert file.read() == "waiting"
    for number, name in ((28, None), (2, "another.json")):
        with pytest.raises(OSError, match="why") as caught, scratch(tmp_path / "diff.json"):
            raise OSError(number, "why", name)
        assert caught.value.filename == (name or str(tmp_path / "diff.json"))
