import errno
import shutil

import pytest

from cutpoint.errors import UserError
from cutpoint.faults import AGAIN, MEMORY, check_room, check_writable, describe_fault


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (errno.ENOSPC, "/d/out.json: the disk is full; free space there, "),
        (errno.EDQUOT, "/d/out.json: your disk quota is used up; free space there, "),
        (errno.EROFS, "/d/out.json: the file system is read-only; make it writable or use another folder, "),
        (errno.EACCES, "/d/out.json: you have no permission; give yourself the permission, "),
    ],
)
def test_the_message_says_what_where_and_how_to_mend_it(number, text):
    assert describe_fault(OSError(number, "text", "/d/out.json")) == text + AGAIN


def test_the_cause_counts_too():
    error = ValueError("a library's words")
    error.__cause__ = OSError(errno.ENOSPC, "No space left on device", "/d/out.json")
    assert describe_fault(error).startswith("/d/out.json: the disk is full")


@pytest.mark.parametrize(
    "error",
    [
        MemoryError("std::bad_alloc"),
        RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 9 bytes"),
        RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        RuntimeError("can't start new thread"),
        OSError(errno.ENOMEM, "Cannot allocate memory"),
    ],
)
def test_too_little_memory_in_every_librarys_words(error):
    assert describe_fault(error) == MEMORY


def test_libraries_that_write_by_themselves():
    error = RuntimeError("[enforce fail at inline_container.cc:664] . pos: No space left on device")
    assert "the disk is full" in describe_fault(error)


@pytest.mark.parametrize("error", [ValueError("a bug"), FileNotFoundError(2, "No file", "x"), KeyError(1)])
def test_other_errors_are_no_faults(error):
    assert describe_fault(error) is None


def test_a_folder_that_cannot_be_written_is_named(tmp_path, monkeypatch):
    check_writable([str(tmp_path), str(tmp_path / "none")])
    # the superuser of a test may write everything
    monkeypatch.setattr("os.access", lambda path, mode: False)
    with pytest.raises(UserError, match=f"^{tmp_path}: you have no permission; give yourself"):
        check_writable([str(tmp_path)])


def test_a_full_disk_is_known_before_a_run(tmp_path):
    check_room(str(tmp_path), 1)
    more = shutil.disk_usage(tmp_path).total + 1
    with pytest.raises(UserError, match=f"^{tmp_path}: the disk is full; free space there, then start"):
        check_room(str(tmp_path), more)
