"""What no server should send: a redirect that is no address, a broken header, odd chunks."""

import hashlib
import re

import pytest
import urllib3
from loopback import serving

from cutpoint.data.download import download
from cutpoint.data.expected import Expected
from cutpoint.errors import UserError

CONTENT = b"abc"
ASTRAY = "leads to another address, which is none of http or https"
ROUND = "leads from one address to another without end|the download broke off"
BROKEN = "the download broke off"
REFUSED = "check the row of data/sources.tsv"


@pytest.fixture(scope="module")
def server():
    with serving() as server:
        yield server


def moved(address: bytes) -> bytes:
    return b"HTTP/1.1 302 Found\r\nLocation: %s\r\nContent-Length: 0\r\n\r\n" % address


def found(*headers: bytes, body: bytes = CONTENT) -> bytes:
    return b"\r\n".join([b"HTTP/1.1 200 OK", *headers, b"", body])


def chunked(body: bytes) -> bytes:
    return found(b"Transfer-Encoding: chunked", body=body)


def later(when: bytes) -> bytes:
    return b"HTTP/1.1 503 Busy\r\nRetry-After: %s\r\nContent-Length: 0\r\n\r\n" % when


# what comes, and what is said of it; null: the file arrives
ANSWERS = {
    "address without end of its brackets": (moved(b"http://["), ASTRAY),
    "address with an empty part": (moved(b"http://a..b/"), ASTRAY),
    "address that is no text": (moved(b"http://\xff\xfe/"), ASTRAY),
    "address with a large port": (moved(b"http://x:99999999/"), ASTRAY),
    "address with a port of letters": (moved(b"http://x:abc/"), ASTRAY),
    "address with a long name": (moved(b"http://" + b"a" * 300 + b"/"), ASTRAY),
    "address with a blank": (moved(b"http://user:pa ss@/"), ASTRAY),
    "address of a zero byte": (moved(b"\x00"), ROUND),
    "address without a server": (moved(b"//"), ROUND),
    "long address": (moved(b"?" * 70_000), BROKEN),
    "nothing": (b"", BROKEN),
    "no HTTP": (b"garbage\r\n\r\n", BROKEN),
    "no reason": (b"HTTP/1.1 200\r\n\r\nabc", None),
    "negative length": (found(b"Content-Length: -5"), None),
    "two lengths": (found(b"Content-Length: 9", b"Content-Length: 3"), BROKEN),
    "chunk of no number": (chunked(b"ZZ\r\nabc"), BROKEN),
    "negative chunk": (chunked(b"-3\r\nabc\r\n0\r\n\r\n"), "the download broke off|not the expected content"),
    "chunk": (chunked(b"3\r\nabc\r\n0\r\n\r\n"), None),
    "chunk that is larger than it is": (chunked(b"ffffffffffffffff\r\nabc"), None),
    "no time to wait": (later(b"soon"), BROKEN),
    "negative time to wait": (later(b"-5"), BROKEN),
    "time to wait that is over": (later(b"Fri, 31 Dec 1999 23:59:59 GMT"), BROKEN),
    "long time to wait": (later(b"9" * 30), BROKEN),
    "packing that is none": (found(b"Content-Encoding: gzip", b"Content-Length: 3"), None),
    "range of large numbers": (
        b"HTTP/1.1 206 P\r\nContent-Range: bytes 99999999999999999999-\r\n\r\nabc",
        BROKEN,
    ),
    "many headers": (found(*[b"A: b"] * 200), BROKEN),
    "long header": (found(b"A: " + b"b" * 80_000), BROKEN),
    "many answers in advance": (b"HTTP/1.1 100 Continue\r\n\r\n" * 50 + found(), None),
    "status of no kind": (b"HTTP/1.1 999 Odd\r\n\r\n", BROKEN),
    "question for a password": (b"HTTP/1.1 401 \xff\r\nWWW-Authenticate: Digest \xff\r\n\r\n", REFUSED),
    "reason that commands a terminal": (b"HTTP/1.1 404 \x1b[31m red\r\n\r\n", r"404 \\x1b\[31m red"),
}


@pytest.mark.parametrize("have", [b"", b"ab"])
@pytest.mark.parametrize("size", [len(CONTENT), None])
@pytest.mark.parametrize(("answer", "said"), ANSWERS.values(), ids=ANSWERS)
def test_the_file_arrives_or_one_message_says_why(server, tmp_path, monkeypatch, answer, said, size, have):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr("cutpoint.data.download.PATIENCE", urllib3.Retry(2, other=None))
    monkeypatch.setattr("cutpoint.data.download.time.sleep", lambda seconds: None)
    server.raw, part = answer, tmp_path / "part"
    if have:
        part.write_bytes(have)
    expected = Expected(hashlib.sha256(CONTENT).hexdigest(), size)
    if said is None:
        download([server.url("/x")], part, expected)
        assert part.read_bytes() == CONTENT
        return
    with pytest.raises(UserError) as error:
        download([server.url("/x")], part, expected)
    assert re.search(said, str(error.value))
    assert "\n" not in str(error.value)
