"""What servers do wrong: the download ends right, or with one message."""

import errno
import hashlib
from types import SimpleNamespace

import pytest
import requests
import urllib3
from hypothesis import given
from hypothesis import strategies as st
from loopback import serving

from cutpoint.data.download import download
from cutpoint.data.expected import Expected
from cutpoint.errors import UserError
from cutpoint.faults import describe_fault

CONTENT = bytes(range(256)) * 64
SHA256 = hashlib.sha256(CONTENT).hexdigest()
LONG = len(CONTENT)


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    # no waiting, fewer tries
    monkeypatch.setattr("cutpoint.data.download.PATIENCE", urllib3.Retry(3, other=None, retry_after_max=300))
    with serving() as server:
        server.files = {"/x.bin": CONTENT}
        yield server


@pytest.fixture
def slept(monkeypatch):
    times = []
    monkeypatch.setattr("cutpoint.data.download.time.sleep", times.append)
    return times


@pytest.fixture
def get(server, tmp_path):
    def call(*paths, size=LONG, sha256=SHA256):
        urls = [path if "://" in path else server.url(path) for path in paths or ["/x.bin"]]
        download(urls, tmp_path / "part", Expected(sha256, size))
        return (tmp_path / "part").read_bytes()

    return call


def test_each_break_is_resumed_in_the_same_run(get, server, capsys):
    server.cuts = [5000, 6000, None]
    assert get() == CONTENT
    assert server.ranges == [None, "bytes=5000-", "bytes=6000-"]
    said = capsys.readouterr().err
    lost = "connection lost: IncompleteRead(5000 bytes read, 11384 more expected)"
    assert f"{server.url('/x.bin')}: {lost}; try 2 of 4 in 0 s" in said
    assert "try 3 of 4" in said


def test_the_next_run_resumes_too(get, server, tmp_path):
    server.cuts = [5000, 5000, 5000, 5000]
    with pytest.raises(UserError, match=r"the download broke off \(connection lost.*, 3 more tries in a row"):
        get()
    assert (tmp_path / "part").read_bytes() == CONTENT[:5000]
    assert get() == CONTENT
    assert server.ranges == [None, *["bytes=5000-"] * 4]


def test_an_address_that_goes_on_is_never_given_up(get, server, monkeypatch):
    monkeypatch.setattr("cutpoint.data.download.GOOD_BYTES", 1000)
    server.cuts = list(range(1000, 11000, 1000))
    assert get() == CONTENT
    assert len(server.ranges) == 11


def test_without_ranges_it_starts_again(get, server):
    server.has_ranges = False
    server.cuts = [5000, None]
    assert get() == CONTENT
    assert server.ranges == [None, "bytes=5000-"]


@pytest.mark.parametrize("size", [LONG, None])
def test_more_bytes_announced_than_there_are(get, server, size):
    server.announce = lambda count: count + 10
    assert get(size=size) == CONTENT
    assert len(server.ranges) == 1


def test_fewer_bytes_announced_than_there_are(get, server, monkeypatch):
    monkeypatch.setattr("cutpoint.data.download.GOOD_BYTES", 1000)
    server.announce = lambda count: min(count, 5000)
    assert get() == CONTENT
    assert server.ranges == [None, "bytes=5000-", "bytes=10000-", "bytes=15000-"]


def test_fewer_bytes_announced_and_the_size_unknown(get, server):
    server.announce = lambda count: min(count, 5000)
    with pytest.raises(UserError, match="not the expected content: 5000 bytes"):
        get(size=None)


def test_no_number_of_bytes_announced(get, server):
    server.announce = lambda count: None
    assert get(size=None) == CONTENT


def test_a_range_that_was_not_asked_for(get, server):
    server.cuts, server.shift = [5000, None], -100
    assert get() == CONTENT
    assert server.ranges == [None, "bytes=5000-", None]


def test_a_part_of_another_file_is_thrown_away(get, tmp_path, server, capsys):
    (tmp_path / "part").write_bytes(b"old" * 1000)
    assert get() == CONTENT
    assert server.ranges == ["bytes=3000-", None]
    assert "it is downloaded from its first byte" in capsys.readouterr().err


@pytest.mark.parametrize("more", [0, 10])
def test_a_part_that_is_longer_than_the_file(get, tmp_path, more):
    (tmp_path / "part").write_bytes(b"x" * (LONG + more))
    assert get(size=None) == CONTENT
    (tmp_path / "part").write_bytes(b"x" * (LONG + more))
    assert get() == CONTENT


@pytest.mark.parametrize("size", [LONG, None])
def test_a_part_that_is_complete_is_taken(get, server, tmp_path, size):
    (tmp_path / "part").write_bytes(CONTENT)
    assert get(size=size) == CONTENT
    assert server.ranges == ([] if size else [f"bytes={LONG}-"])


def test_a_file_that_is_too_short(get):
    with pytest.raises(UserError, match=f"{LONG} of {LONG + 1} bytes arrived; the file there has changed"):
        get(size=LONG + 1)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"sha256": "0" * 64},
            f"not the expected content: {LONG} bytes with sha256 {SHA256}, expected {LONG} bytes",
        ),
        ({"sha256": SHA256[:7] + "x"}, "not the expected content"),
        ({"size": LONG - 1}, "not the expected content"),
    ],
)
def test_wrong_bytes(get, server, tmp_path, change, message):
    with pytest.raises(UserError, match=message):
        get(**change)
    assert not (tmp_path / "part").exists()
    assert len(server.ranges) == 1


def test_a_known_part_of_the_hash_is_enough(get):
    assert get(sha256=SHA256[:8]) == CONTENT


def test_a_page_that_asks_for_a_password_is_named(get, server):
    server.files["/x.bin"] = b"<!DOCTYPE html><title>Log in</title>"
    with pytest.raises(UserError, match="it is a web page"):
        get(size=None)


def test_a_server_that_sends_without_end_is_left(get, server, monkeypatch):
    monkeypatch.setattr("cutpoint.data.download.CHUNK_BYTES", 1000)
    server.files["/x.bin"] = CONTENT * 100
    server.announce = lambda count: None
    with pytest.raises(UserError, match=r"not the expected content: [56]000 bytes"):
        get(size=5500)


@pytest.mark.parametrize("status", [404, 403, 410, 204, 304])
def test_an_answer_that_will_not_change_is_told_at_once(get, server, slept, status):
    server.answers = [(status, {})]
    with pytest.raises(UserError, match=rf"the server answers {status} .*; check the row of data/"):
        get()
    assert slept == []


@pytest.mark.parametrize("status", [408, 429, 500, 503])
def test_an_answer_that_may_change_is_tried_again(get, server, slept, status):
    server.answers = [(status, {})]
    assert get() == CONTENT
    assert slept == [0]


def test_the_waiting_time_doubles_and_ends(get, server, slept, monkeypatch):
    monkeypatch.setattr(
        "cutpoint.data.download.PATIENCE", urllib3.Retry(7, other=None, backoff_factor=1, backoff_max=20)
    )
    server.answers = [(503, {})] * 8
    with pytest.raises(UserError, match=r"the server answers 503 .*7 more tries in a row did not help"):
        get()
    assert slept == [0, 2, 4, 8, 16, 20, 20]


def test_the_server_says_how_long_to_wait(get, server, slept):
    server.answers = [(429, {"Retry-After": "17"}), (503, {"Retry-After": "86400"})]
    assert get() == CONTENT
    assert slept == [17, 300]


def test_a_server_that_stalls(get, server, monkeypatch):
    monkeypatch.setattr("cutpoint.data.download.STALL_S", 0.2)
    server.pause_s = 1.0
    with pytest.raises(UserError, match=r"broke off \(no answer for 0 s\)"):
        get()


def test_a_server_that_sends_byte_by_byte(get, server, monkeypatch):
    monkeypatch.setattr("cutpoint.data.download.STALL_S", 0.3)
    server.pause_s = 0.05
    with pytest.raises(UserError, match=r"broke off \(only \d bytes came in 0 s\)"):
        get()


def test_a_slow_server_is_waited_for(get, server, monkeypatch):
    monkeypatch.setattr("cutpoint.data.download.STALL_S", 0.3)
    monkeypatch.setattr("cutpoint.data.download.LEAST_BYTES_PER_S", 3)
    server.files["/x.bin"], server.pause_s = CONTENT[:30], 0.03
    assert get(size=30, sha256=hashlib.sha256(CONTENT[:30]).hexdigest()) == CONTENT[:30]
    assert len(server.ranges) == 1


def test_nobody_answers(get):
    with pytest.raises(
        UserError, match=r"broke off \(the server cannot be reached: Connection refused\).*check the network"
    ):
        get("http://127.0.0.1:9/x")


def test_a_name_that_nobody_has(get):
    with pytest.raises(UserError, match=r"broke off \(the server cannot be reached: .*(name|Name)"):
        get("http://no-such-host.invalid/x")


def test_redirects_are_followed_with_the_range(get, server):
    server.files["/moved"] = server.url("/x.bin")
    server.cuts = [5000, None]
    assert get("/moved") == CONTENT
    assert server.ranges == [None, None, "bytes=5000-", "bytes=5000-"]


def test_redirects_without_end(get, server):
    server.files["/round"] = server.url("/round")
    with pytest.raises(UserError, match="from one address to another without end"):
        get("/round")


@pytest.mark.parametrize("target", ["file:///etc/passwd", "ftp://127.0.0.1/x", "gopher://x"])
def test_a_server_cannot_lead_to_another_kind_of_address(get, server, target, slept):
    server.files["/moved"] = target
    with pytest.raises(UserError, match="leads to another address, which is none of http or https"):
        get("/moved")
    assert slept == []


def test_addresses_are_tried_in_order(get, server, capsys):
    server.files["/second.bin"] = CONTENT[::-1]
    assert get("/first.bin", "/second.bin", "/x.bin", "/never.bin") == CONTENT
    assert server.paths == ["/first.bin", "/second.bin", "/x.bin"]
    said = capsys.readouterr().err
    assert "/first.bin: the server answers 404" in said
    assert "the next address is tried" in said


def test_another_address_goes_on_where_the_first_broke_off(get, server):
    server.files["/mirror.bin"] = CONTENT
    server.cuts = [5000] * 4
    assert get("/x.bin", "/mirror.bin") == CONTENT
    assert (server.paths[-1], server.ranges[-1]) == ("/mirror.bin", "bytes=5000-")


def test_all_addresses_are_named_if_none_gives_it(get, server):
    with pytest.raises(UserError) as error:
        get("/a.bin", "http://127.0.0.1:9/b.bin")
    assert "/a.bin: the server answers 404" in str(error.value)
    assert "/b.bin: the download broke off (the server cannot be reached: Connection refused)" in str(
        error.value
    )
    assert "\n" not in str(error.value)


def test_through_a_proxy(get, server, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", server.url(""))
    monkeypatch.setenv("http_proxy", server.url(""))
    monkeypatch.delenv("NO_PROXY")
    server.files["http://weights.invalid/x.bin"] = CONTENT
    server.cuts = [5000, None]
    assert get("http://weights.invalid/x.bin") == CONTENT
    assert server.paths == ["http://weights.invalid/x.bin"] * 2


def test_a_proxy_that_is_not_there(get, monkeypatch):
    for name in ("HTTP_PROXY", "http_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.delenv("NO_PROXY")
    with pytest.raises(UserError, match="the proxy that HTTP_PROXY or HTTPS_PROXY names does not let it"):
        get("http://weights.invalid/x.bin")


def free(*counts):
    left = list(counts)
    return lambda folder: SimpleNamespace(free=left.pop(0) if len(left) > 1 else left[0])


def test_more_announced_than_the_disk_has(get, server, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", free(1 << 30))
    server.announce = lambda count: 2 << 30
    with pytest.raises(UserError, match=r"x\.bin: needs 2\.00 GiB .* 1\.00 GiB are free; free space there"):
        get(size=None)


def test_a_server_without_end_does_not_fill_the_disk(get, server, monkeypatch, tmp_path):
    monkeypatch.setattr("cutpoint.data.download.CHUNK_BYTES", 1000)
    monkeypatch.setattr("shutil.disk_usage", free(1 << 30, 1 << 30, 1 << 20))
    server.announce = lambda count: None
    with pytest.raises(UserError, match=r"and 0\.00 GiB are free; free space there, then start"):
        get(size=None)
    assert (tmp_path / "part").read_bytes() == CONTENT[:3000]


def test_a_full_disk_is_a_fault_of_the_machine(get, tmp_path):
    (tmp_path / "part").symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left") as error:
        get()
    assert error.value.errno == errno.ENOSPC
    assert "the disk is full; free space there" in describe_fault(error.value)


def test_the_progress_has_a_rate_and_an_end(get, server, capsys, tmp_path):
    (tmp_path / "part").write_bytes(CONTENT[:8192])
    get()
    bar = capsys.readouterr().err.rsplit("\r", 1)[-1]
    assert "100%" in bar
    assert "16.4k/16.4k" in bar
    assert "B/s]" in bar


def test_a_server_without_a_trusted_certificate(get, server, slept, monkeypatch):
    reason = (
        "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: self-signed certificate (_ssl.c:1006)"
    )

    def refuse(*_, **__):
        raise requests.exceptions.SSLError(
            f"Max retries exceeded with url: /x (Caused by SSLError({reason!r}))"
        )

    monkeypatch.setattr("requests.get", refuse)
    with pytest.raises(UserError, match=r"certificate of the server is not trusted; .* REQUESTS_CA_BUNDLE"):
        get()
    assert slept == []


def test_a_server_that_does_not_speak_https(get, server):
    with pytest.raises(UserError, match=r"the server cannot be reached: .*wrong version number"):
        get(server.url("/x.bin").replace("http", "https"))


LIES = st.sampled_from(
    [
        lambda count: count,
        lambda count: None,
        lambda count: count + 7,
        lambda count: min(count, 3000),
        lambda count: max(count - 1, 0),
        lambda count: 0,
    ]
)


@given(
    cuts=st.lists(st.none() | st.integers(0, LONG), max_size=6),
    answers=st.lists(
        st.sampled_from([(503, {}), (429, {"Retry-After": "0"}), (416, {}), (206, {})]), max_size=2
    ),
    announce=LIES,
    shift=st.sampled_from([0, 0, -50, 50]),
    has_ranges=st.booleans(),
    size=st.sampled_from([LONG, None]),
    digits=st.integers(8, 64),
    part=st.none() | st.sampled_from([b"", b"x" * 3000, CONTENT[:3000], CONTENT, CONTENT + b"x"]),
)
def test_whatever_a_server_does_the_file_is_right_or_refused(
    server, tmp_path, cuts, answers, announce, shift, has_ranges, size, digits, part
):
    place = tmp_path / "part"
    place.unlink(missing_ok=True)
    if part is not None:
        place.write_bytes(part)
    server.cuts, server.answers, server.announce = cuts, answers, announce
    server.shift, server.has_ranges = shift, has_ranges
    expected = Expected(SHA256[:digits], size)
    server.ranges.clear()
    try:
        download([server.url("/x.bin")], place, expected)
    except UserError as error:
        message = str(error)
    else:
        message = ""
        assert place.read_bytes() == CONTENT
    assert "\n" not in message
    assert len(server.ranges) < 30
    # what has arrived does not spoil the next run
    server.cuts, server.answers, server.announce, server.shift = [], [], lambda count: count, 0
    download([server.url("/x.bin")], place, expected)
    assert place.read_bytes() == CONTENT
