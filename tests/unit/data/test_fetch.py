"""Fetching from a server on the loopback: whole or not at all, one message when it goes wrong."""

import hashlib
import io
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import pytest

from cutpoint.data.fetch import fetch
from cutpoint.errors import UserError

CONTENT = bytes(range(256)) * 64


def make_zip(entries):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return buffer.getvalue()


ARCHIVE = make_zip({"top/": b"", "top/val/a.jpg": b"a", "top/val/sub/b.jpg": b"b", "top/truth.json": b"{}"})


class Handler(BaseHTTPRequestHandler):
    """Serves ``server.files``; honours ranges; breaks off once after ``server.cut`` bytes."""

    def do_GET(self):
        content = self.server.files.get(self.path)
        if isinstance(content, str):
            self.send_response(302)
            self.send_header("Location", content)
            self.end_headers()
            return
        if content is None:
            self.send_error(404)
            return
        begin = self.headers.get("Range")
        self.server.ranges.append(begin)
        first = int(begin.removeprefix("bytes=").rstrip("-")) if begin else 0
        self.send_response(206 if begin else 200)
        if self.path != "/endless.bin":
            self.send_header("Content-Length", str(len(content) - first))
        self.end_headers()
        cut, self.server.cut = self.server.cut, None
        self.wfile.write(content[first:cut])

    def log_message(self, *arguments):
        pass


@pytest.fixture
def server():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.files = {"/x.bin": CONTENT, "/x.zip": ARCHIVE}
    server.cut, server.ranges = None, []
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def get(server, tmp_path, monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")

    def call(path, member="", content=None, out="out", **changes):
        content = server.files.get(path, b"") if content is None else content
        arguments = {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content), **changes}
        url = f"http://127.0.0.1:{server.server_port}{path}"
        fetch(url=url, member=member, out=str(tmp_path / "data" / out), **arguments)
        return tmp_path / "data" / out

    return call


def left_over(tmp_path):
    return sorted(path.name for path in (tmp_path / "data").iterdir())


def test_file(get, tmp_path):
    assert get("/x.bin").read_bytes() == CONTENT
    assert left_over(tmp_path) == ["out"]


def test_prefix_of_the_hash_and_unknown_size(get):
    prefix = hashlib.sha256(CONTENT).hexdigest()[:8]
    assert get("/x.bin", sha256=prefix, size=None).read_bytes() == CONTENT


def test_file_member(get, tmp_path):
    assert get("/x.zip", "top/truth.json", out="t.json").read_bytes() == b"{}"
    assert left_over(tmp_path) == ["t.json"]


@pytest.mark.parametrize("member", ["top/val/", "top/val"])
def test_folder_member(get, tmp_path, member):
    folder = get("/x.zip", member, out="images")
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


def test_too_few_bytes(get):
    with pytest.raises(UserError, match="16384 of 16385 bytes arrived"):
        get("/x.bin", size=len(CONTENT) + 1)


def test_missing_on_the_server(get, tmp_path):
    with pytest.raises(UserError, match="the server answers 404 Not Found; check the row of"):
        get("/nothing.bin", content=b"x")
    assert left_over(tmp_path) == []


def test_unreachable(tmp_path):
    with pytest.raises(UserError, match="the download broke off"):
        fetch(
            url="http://127.0.0.1:9/x",
            member="",
            sha256="01234567",
            size=None,
            out=str(tmp_path / "data/out"),
        )


def test_broken_connection_is_resumed(get, server, tmp_path, monkeypatch):
    monkeypatch.setattr("cutpoint.data.fetch.CHUNK_BYTES", 1000)
    server.cut = 5000
    with pytest.raises(UserError, match="broke off"):
        get("/x.bin")
    assert not (tmp_path / "data/out").exists()
    assert get("/x.bin").read_bytes() == CONTENT
    assert server.ranges == [None, "bytes=5000-"]
    assert left_over(tmp_path) == ["out"]


def test_no_such_member(get, tmp_path):
    with pytest.raises(UserError, match=r"the archive has no top/test; its first entry is top/val/a\.jpg"):
        get("/x.zip", "top/test")
    assert not (tmp_path / "data/out").exists()


def test_not_an_archive(get):
    with pytest.raises(UserError, match="is not a zip archive"):
        get("/x.bin", "top")


def test_entries_that_lead_outside_are_refused(get, server, tmp_path):
    server.files["/bad.zip"] = make_zip({"top/val/../../../evil": b"x"})
    with pytest.raises(UserError, match="lead outside"):
        get("/bad.zip", "top/val")
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
        get("/bad.zip", "top/val")
    assert "\n" not in str(error.value)
    assert left_over(tmp_path) in ([], [".out.part"])


def test_an_entry_never_becomes_more_bytes_than_it_says(get, server, tmp_path):
    def shrink(entries):
        entries[0].file_size = 10

    server.files["/bad.zip"] = spoilt(
        ("top/val/a", bytes(10**6)), spoil=shrink, compression=zipfile.ZIP_DEFLATED
    )
    with pytest.raises(UserError, match="is damaged"):
        get("/bad.zip", "top/val")
    assert not (tmp_path / "data/out").exists()


def test_more_than_the_disk_has_is_not_unpacked(get, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda folder: SimpleNamespace(free=1))
    with pytest.raises(UserError, match=r"unpacked it has 0\.0 GiB, and 0\.0 GiB are free; make room"):
        get("/x.zip", "top/val")


def test_a_server_that_sends_without_end_is_left(get, server, tmp_path, monkeypatch):
    monkeypatch.setattr("cutpoint.data.fetch.CHUNK_BYTES", 1000)
    server.files["/endless.bin"] = CONTENT * 100
    with pytest.raises(UserError, match="not the expected content: 6000 bytes"):
        get("/endless.bin", size=5000)
    assert left_over(tmp_path) == []


@pytest.mark.parametrize("target", ["file:///etc/passwd", "ftp://127.0.0.1/x", "gopher://x"])
def test_a_server_cannot_lead_to_another_kind_of_address(get, server, tmp_path, target):
    server.files["/moved.bin"] = target
    with pytest.raises(UserError, match="the download broke off"):
        get("/moved.bin", content=b"x")
    assert left_over(tmp_path) == []
