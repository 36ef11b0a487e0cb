"""Fetching: whole or not at all, once, kept, from a folder. What servers do wrong is in test_download.py."""

import errno
import hashlib
import io
import os
import shutil
import subprocess
import sys
import time
import zipfile
from types import SimpleNamespace

import pytest
import urllib3
from hypothesis import example, given
from hypothesis import strategies as st
from loopback import serving

from cutpoint.data.expected import length
from cutpoint.data.fetch import fetch
from cutpoint.data.unpack import unpack
from cutpoint.errors import UserError

CONTENT = bytes(range(256)) * 64


def make_zip(entries):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return buffer.getvalue()


ARCHIVE = make_zip({"top/": b"", "top/val/a.jpg": b"a", "top/val/sub/b.jpg": b"b", "top/truth.json": b"{}"})


@pytest.fixture
def server():
    with serving() as server:
        server.files = {"/x.bin": CONTENT, "/x.zip": ARCHIVE}
        yield server


@pytest.fixture
def get(server, tmp_path, monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr("cutpoint.data.download.PATIENCE", urllib3.Retry(3, other=None))

    def call(*paths, member="", content=None, out="out", folder=None, unpacked=None, **changes):
        content = server.files.get(paths[0], b"") if content is None else content
        arguments = {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content), **changes}
        fetch(
            urls=[path if "://" in path else server.url(path) for path in paths],
            member=member,
            out=str(tmp_path / "data" / out),
            kept=str(tmp_path / "kept"),
            folder=folder,
            unpacked=unpacked,
            **arguments,
        )
        return tmp_path / "data" / out

    return call


def left_over(tmp_path, folder="data"):
    """What is there, without the locks, which stay."""
    paths = (tmp_path / folder).iterdir()
    return sorted(path.name for path in paths if path.suffix != ".lock")


def test_file(get, tmp_path):
    assert get("/x.bin").read_bytes() == CONTENT
    assert left_over(tmp_path) == ["out"]


def test_prefix_of_the_hash_and_unknown_size(get):
    prefix = hashlib.sha256(CONTENT).hexdigest()[:8]
    assert get("/x.bin", sha256=prefix, size=None).read_bytes() == CONTENT


def test_file_member(get, tmp_path):
    assert get("/x.zip", member="top/truth.json", out="t.json").read_bytes() == b"{}"
    assert left_over(tmp_path) == ["t.json"]


@pytest.mark.parametrize("member", ["top/val/", "top/val"])
def test_folder_member(get, tmp_path, member):
    folder = get("/x.zip", member=member, out="images")
    assert (folder / "a.jpg").read_bytes() == b"a"
    assert (folder / "sub/b.jpg").read_bytes() == b"b"
    assert left_over(tmp_path) == ["images"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sha256": "0" * 64}, "not the expected content: 16384 bytes with sha256"),
        ({"sha256": "01234567"}, "not the expected content"),
        ({"size": len(CONTENT) - 1}, "not the expected content"),
    ],
)
def test_wrong_content_leaves_nothing(get, tmp_path, changes, message):
    with pytest.raises(UserError, match=message):
        get("/x.bin", **changes)
    assert left_over(tmp_path) == []


def test_wrong_content_keeps_what_was_there(get, tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data/out").write_text("old")
    with pytest.raises(UserError):
        get("/x.bin", sha256="0" * 64)
    assert (tmp_path / "data/out").read_text() == "old"


def test_no_such_member(get, tmp_path):
    with pytest.raises(UserError, match=r"the archive has no top/test; its first entry is top/val/a\.jpg"):
        get("/x.zip", member="top/test")
    assert not (tmp_path / "data/out").exists()


def test_not_an_archive(get):
    with pytest.raises(UserError, match="is not a zip archive"):
        get("/x.bin", member="top")


def test_entries_that_lead_outside_are_refused(get, server, tmp_path):
    server.files["/bad.zip"] = make_zip({"top/val/../../../evil": b"x"})
    with pytest.raises(UserError, match="lead outside"):
        get("/bad.zip", member="top/val")
    assert not (tmp_path / "evil").exists()


def link(name, target):
    entry = zipfile.ZipInfo(name)
    entry.external_attr = 0o120777 << 16
    return entry, target


def spoilt(*entries, spoil=None, compression=zipfile.ZIP_STORED):
    """A zip archive with odd entries; ``spoil`` changes its list of them."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name, content in entries:
            archive.writestr(name, content)
        if spoil:
            spoil(archive.filelist)
    return buffer.getvalue()


def encrypted(entries):
    entries[0].flag_bits |= 1


def wrong_sum(entries):
    entries[0].CRC ^= 1


def huge(entries):
    entries[0].file_size = 2**40


def unknown_packing(entries):
    entries[0].compress_type = 97


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize(
    ("archive", "message"),
    [
        (
            spoilt(link("top/val/a", "/etc/passwd")),
            "'top/val/a' in the archive is a link; it is not unpacked",
        ),
        (spoilt(("top/val/a", b"1"), ("top/val/a", b"2")), "two entries of one name in top/val"),
        (spoilt(("top/val/a", b"1"), ("top/val/./a", b"2")), "two entries of one name in top/val"),
        (spoilt(("top/val/a", b"1"), ("top/val/a/b", b"2")), "a file and a folder of one name"),
        (spoilt(("top/val/a", b"1"), spoil=encrypted), "the archive is encrypted"),
        (spoilt(("top/val/a", b"1"), spoil=huge), "say that they unpack to 1024.0 GiB, as no pictures"),
        (spoilt(("top/val/a", b"1"), spoil=wrong_sum), "is damaged, or packed in a way"),
        (spoilt(("top/val/a", b"1"), spoil=unknown_packing), "is damaged, or packed in a way"),
        (spoilt(("/top/val/a", b"1")), "has no top/val; its first entry is /top/val/a"),
        (spoilt(("top\\val\\a", b"1")), "has no top/val"),
        (ARCHIVE[:-30], "is not a zip archive"),
    ],
)
def test_hostile_archives_leave_nothing(get, server, tmp_path, archive, message):
    server.files["/bad.zip"] = archive
    with pytest.raises(UserError, match=message) as error:
        get("/bad.zip", member="top/val")
    assert "\n" not in str(error.value)
    assert left_over(tmp_path) == []


def test_an_entry_never_becomes_more_bytes_than_it_says(get, server, tmp_path):
    def shrink(entries):
        entries[0].file_size = 10

    server.files["/bad.zip"] = spoilt(
        ("top/val/a", bytes(10**6)), spoil=shrink, compression=zipfile.ZIP_DEFLATED
    )
    with pytest.raises(UserError, match="is damaged"):
        get("/bad.zip", member="top/val")
    assert not (tmp_path / "data/out").exists()


def test_more_than_the_disk_has_is_not_unpacked(get, monkeypatch):
    get("/x.zip", member="top/truth.json", out="t.json")
    monkeypatch.setattr("shutil.disk_usage", lambda folder: SimpleNamespace(free=1))
    with pytest.raises(
        UserError, match=r"x\.zip, unpacked: needs 0\.00 GiB .* 0\.00 GiB are free; free space"
    ):
        get("/x.zip", member="top/val")


PACKED = [
    spoilt(("top/val/a", b"a" * 500), ("top/val/b", b"b" * 500), compression=compression)
    for compression in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
]
SPOIL = st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255))


@given(
    archive=st.sampled_from(PACKED),
    changes=st.lists(SPOIL, max_size=4),
    end=st.none() | st.floats(0, 1),
)
@example(archive=PACKED[2], changes=[(0.2, 255)], end=None)
@example(archive=PACKED[3], changes=[(0.15, 255)], end=None)
def test_a_spoilt_archive_is_unpacked_right_or_one_message(tmp_path, archive, changes, end):
    content = bytearray(archive)
    for place, byte in changes:
        content[int(place * len(content))] = byte
    (tmp_path / "x.zip").write_bytes(content[: None if end is None else int(end * len(content))])
    target = tmp_path / "out"
    shutil.rmtree(target, ignore_errors=True)
    try:
        unpack(url="x.zip", archive=tmp_path / "x.zip", member="top/val", target=target)
    except UserError as error:
        message = str(error)
        assert not target.exists()
    else:
        message = ""
        # names are not guarded by a sum; contents are
        assert {path.read_bytes() for path in target.rglob("*") if path.is_file()} <= {b"a" * 500, b"b" * 500}
    assert "\n" not in message
    assert not (tmp_path / ".out.unpacking").exists()


def test_a_name_that_is_too_long_is_one_message(get, server, tmp_path):
    server.files["/bad.zip"] = make_zip({f"top/val/{'n' * 300}": b"1"})
    with pytest.raises(UserError, match=r"has a name that is too long for this file system: .*/nnn"):
        get("/bad.zip", member="top/val")
    assert left_over(tmp_path) == []


def test_an_entry_that_claims_to_be_large_packed_hides_no_bomb(get, server):
    def claim(entries):
        entries[0].file_size, entries[0].compress_size = 2**40, 2**39

    server.files["/bad.zip"] = spoilt(("top/val/a", b"1"), spoil=claim)
    with pytest.raises(UserError, match=r"say that they unpack to 1024\.0 GiB, as no pictures"):
        get("/bad.zip", member="top/val")


def test_two_members_of_one_archive_are_one_download(get, server, tmp_path):
    assert (get("/x.zip", member="top/val", out="images") / "a.jpg").exists()
    assert get("/x.zip", member="top/truth.json", out="t.json").read_bytes() == b"{}"
    assert server.paths == ["/x.zip"]
    assert left_over(tmp_path, "kept") == [f"{hashlib.sha256(ARCHIVE).hexdigest()[:8]}-x.zip"]


@pytest.mark.parametrize("kept_is_far", [False, True])
def test_a_file_that_is_made_again_is_not_downloaded_again(get, server, monkeypatch, kept_is_far):
    if kept_is_far:

        def no_link(*_):
            raise OSError(errno.EXDEV, "between two disks")

        monkeypatch.setattr("os.link", no_link)
    get("/x.bin").unlink()
    assert get("/x.bin").read_bytes() == CONTENT
    assert get("/x.bin").read_bytes() == CONTENT
    assert len(server.paths) == 1


def test_a_kept_file_that_was_changed_is_downloaded_again(get, server, tmp_path, capsys):
    with get("/x.bin").open("r+b") as file:
        file.write(b"spoilt")
    assert get("/x.bin").read_bytes() == CONTENT
    assert len(server.paths) == 2
    assert "not the expected content" in capsys.readouterr().err


def test_what_a_killed_process_left_half_unpacked_is_removed(get, tmp_path):
    left = tmp_path / "data/.images.unpacking"
    (left / "old").mkdir(parents=True)
    assert sorted(path.name for path in get("/x.zip", member="top/val", out="images").iterdir()) == [
        "a.jpg",
        "sub",
    ]
    assert left_over(tmp_path) == ["images"]


@pytest.fixture
def folder(tmp_path):
    """The user's own files, which nobody may write."""
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "x.bin").write_bytes(CONTENT)
    (folder / "x.zip").write_bytes(ARCHIVE)
    os.utime(folder / "x.bin", (1, 1))
    yield str(folder)
    assert (folder / "x.bin").stat().st_mtime == 1
    assert (folder / "x.bin").stat().st_nlink == 1


def test_from_a_folder_nothing_is_downloaded(get, server, folder, tmp_path):
    os.chmod(folder, 0o555)
    assert get("/x.bin", folder=folder).read_bytes() == CONTENT
    assert (get("/x.zip", member="top/val", out="images", folder=folder) / "a.jpg").read_bytes() == b"a"
    assert server.paths == []
    assert left_over(tmp_path) == ["images", "out"]
    assert left_over(tmp_path, "kept") == []
    os.chmod(folder, 0o755)


def test_the_folder_may_have_the_name_of_any_address(get, server, folder):
    assert get("/first.bin", "/x.bin", content=CONTENT, folder=folder).read_bytes() == CONTENT
    assert server.paths == []


def test_the_kept_files_of_another_run_are_such_a_folder(get, server, tmp_path):
    get("/x.bin")
    (tmp_path / "kept").rename(tmp_path / "theirs")
    assert get("/x.bin", folder=str(tmp_path / "theirs")).read_bytes() == CONTENT
    assert len(server.paths) == 1


def test_what_a_folder_lacks_is_downloaded(get, server, folder):
    server.files["/y.bin"] = CONTENT
    assert get("/y.bin", folder=folder).read_bytes() == CONTENT
    assert server.paths == ["/y.bin"]


def test_another_file_of_the_name_in_the_folder_is_not_used_and_named(get, server, folder):
    server.files["/x.bin"] = CONTENT[::-1]
    assert get("/x.bin", folder=folder).read_bytes() == CONTENT[::-1]
    with pytest.raises(UserError, match=r"404 .* downloads\.folder is not used: .*mine/x\.bin: not"):
        get("/gone/x.bin", content=b"x", size=None, folder=folder)


def test_a_download_that_fails_says_how_to_do_without(get, folder):
    with pytest.raises(UserError, match=r"; or put y\.bin into a folder, named in downloads\.folder$"):
        get("/y.bin", content=b"x")
    with pytest.raises(UserError, match=r"; or put y\.bin into .*mine, the folder of downloads\.folder$"):
        get("/y.bin", content=b"x", folder=folder)


def test_room_is_looked_at_before_the_server(get, server, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda folder: SimpleNamespace(free=200 << 20))
    with pytest.raises(UserError, match=r"x\.zip: needs 0\.20 GiB .* 0\.20 GiB are free; free"):
        get("/x.zip", member="top/val", unpacked=200 << 20)
    with pytest.raises(UserError, match=r"x\.bin: needs 0\.20 GiB"):
        get("/x.bin", size=200 << 20)
    assert server.paths == []


def test_a_file_system_without_locks_is_said(get, monkeypatch, capsys):
    def no_locks(*_):
        raise OSError(errno.ENOLCK, "no locks available")

    monkeypatch.setattr("fcntl.flock", no_locks)
    assert get("/x.bin").read_bytes() == CONTENT
    assert "this file system has no locks; do not start two runs at once" in capsys.readouterr().err


def test_processes_that_want_one_file_make_one_download(server, tmp_path):
    """The second waits for the first; a third, whose process is killed, leaves no lock."""
    server.files["/x.bin"] = content = CONTENT * 4
    server.piece, server.pause_s = 10_000, 0.05
    digest = hashlib.sha256(content).hexdigest()
    code = (
        "from cutpoint.data.fetch import fetch; import sys; "
        f"fetch(urls=[{server.url('/x.bin')!r}], member='', sha256={digest!r}, size={len(content)}, "
        f"out=sys.argv[1], kept={str(tmp_path / 'kept')!r})"
    )

    def start(number):
        command = [sys.executable, "-c", code, str(tmp_path / f"data/{number}")]
        return subprocess.Popen(
            command, stderr=subprocess.PIPE, text=True, env={**os.environ, "NO_PROXY": "*"}
        )

    killed = start(0)
    deadline = time.monotonic() + 20
    while not any(length(part) for part in (tmp_path / "kept").glob(".*.part")):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    killed.kill()
    killed.communicate()
    first, second = start(1), start(2)
    told = first.communicate()[1], second.communicate()[1]
    assert (first.returncode, second.returncode) == (0, 0), told
    # the killed one asked for all, one of the others for the rest
    assert len(server.ranges) == 2
    assert server.ranges[1].startswith("bytes=")
    assert sum("another process works on" in text for text in told) <= 1
    for number in (1, 2):
        assert (tmp_path / f"data/{number}").read_bytes() == content
