"""Download one file over HTTP: resumed where it broke off, retried, from the first address that gives it."""

import re
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import requests
import urllib3
from tqdm import tqdm

from cutpoint.data.expected import Expected, length
from cutpoint.data.room import check_room, has_room
from cutpoint.errors import UserError
from cutpoint.logs import say

CHUNK_BYTES = 1 << 20
CONNECT_S = 30
# A server stalls if it sends less than this rate for so long. No bound on the whole time: files are large.
STALL_S = 60.0
LEAST_BYTES_PER_S = 1024
# How often an address is tried in a row, and the time between: 0, 2, 4, 8 ... s, or what the server asks for.
PATIENCE = urllib3.Retry(
    total=7, backoff_factor=1, backoff_max=60, backoff_jitter=1, retry_after_max=300, other=None
)
# An address that gave so much until it broke off is as good as new.
GOOD_BYTES = 1 << 20
LED_ASTRAY = "the server leads to another address, which is none of http or https"
# characters; a server can put its own words into it
LONGEST_CAUSE = 200
OK, PARTIAL, BEYOND = 200, 206, 416
TRY_LATER = (408, 425, 429)
SERVER_ERRORS = 500


class BrokeOffError(Exception):
    """Another try may do; ``response`` may say when."""

    def __init__(self, message: str, response: urllib3.BaseHTTPResponse | None = None) -> None:
        super().__init__(message)
        self.response = response


class RefusedError(Exception):
    """This address does not give the file."""


def download(urls: Sequence[str], part: Path, expected: Expected) -> None:
    """Download a file to ``part``.

    What ``part`` has already is kept, and the rest is asked for. So a download that broke off goes on, also
    from another address.

    Args:
        urls: the addresses, tried in this order.
        part: the file; it is complete and checked when this returns.
        expected: what the file must be.

    Raises:
        UserError: no address gives the file: what each one did. Or the disk has no room.
        OSError: the file cannot be written.
    """
    failures = []
    for url in urls:
        try:
            _download_from(url, part, expected)
            return
        except RefusedError as error:
            failures.append(f"{url}: {error}")
            if len(failures) < len(urls):
                say(f"{failures[-1]}; the next address is tried")
    raise UserError("; ".join(failures))


def _download_from(url: str, part: Path, expected: Expected) -> None:
    patience, restarted = PATIENCE, False
    while True:
        before = length(part)
        try:
            _receive(url, part, expected.size)
            difference = expected.find_difference(part)
            if difference is None:
                return
            short = expected.lacks_bytes(part)
            if short and length(part) > before:
                # it announced fewer bytes than the file has
                raise BrokeOffError(difference)
            if before and not restarted:
                # what was there was of another file, or the server has sent another part than the rest
                say(f"{url}: {difference}; it is downloaded from its first byte")
                part.unlink()
                restarted = True
                continue
            part.unlink()
            remedy = "the file there has changed, or the row of data/sources.tsv is wrong"
            raise RefusedError(f"{difference}; {remedy}")
        except BrokeOffError as error:
            # a server that announces too many bytes breaks off although all are there
            if length(part) and not expected.lacks_bytes(part) and not expected.find_difference(part):
                return
            if length(part) - before >= GOOD_BYTES:
                patience = PATIENCE
            patience = _wait(url, patience, error)


def _wait(url: str, patience: urllib3.Retry, error: BrokeOffError) -> urllib3.Retry:
    """Wait before the next try.

    Raises:
        RefusedError: there were enough.
    """
    try:
        left = patience.increment("GET", url, error=error)
    except urllib3.exceptions.MaxRetryError:
        tries = f"{PATIENCE.total} more tries in a row did not help" if PATIENCE.total else "tried once"
        raise RefusedError(
            f"the download broke off ({error}), {tries}; check the network and run again, what has arrived "
            "is kept"
        ) from error
    asked = None
    if error.response is not None:
        with suppress(urllib3.exceptions.InvalidHeader):
            asked = left.get_retry_after(error.response)
    seconds = left.get_backoff_time() if asked is None else asked
    number = len(left.history) + 1
    say(f"{url}: {error}; try {number} of {(PATIENCE.total or 0) + 1} in {seconds:.0f} s")
    time.sleep(seconds)
    return left


def _receive(url: str, part: Path, size: int | None) -> None:
    """Append what the server sends until it says that this is all.

    Raises:
        BrokeOffError, RefusedError: as they say.
        UserError: the disk has no room for it.
    """
    have = length(part)
    if size is not None and have >= size:
        return  # the check decides
    # packed by the server, a small answer could become any number of bytes
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-"} if have else {})
    try:
        with _ask(url, headers) as response:
            if response.status_code == BEYOND and have:
                return
            _check_answer(response, part)
            begin = have if response.status_code == PARTIAL else 0
            announced = response.headers.get("Content-Length", "")
            total = size if size is not None else begin + int(announced) if announced.isdecimal() else None
            if total is not None:
                check_room(url, {part: total - begin})
            _write(url, response.raw, part, begin, total, size)
    except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
        raise _name_failure(error) from error


def _ask(url: str, headers: dict[str, str]) -> requests.Response:
    try:
        return requests.get(url, stream=True, timeout=(CONNECT_S, STALL_S), headers=headers)
    except requests.RequestException:
        raise
    except ValueError as error:
        # requests takes some addresses that a server leads to apart without a guard
        raise RefusedError(f"{LED_ASTRAY} ({_name_cause(error)})") from error


def _check_answer(response: requests.Response, part: Path) -> None:
    status = response.status_code
    answer = f"the server answers {status} {response.reason:.100}"
    if status in TRY_LATER or status >= SERVER_ERRORS:
        raise BrokeOffError(answer, response.raw)
    if status not in (OK, PARTIAL):
        raise RefusedError(f"{answer}; check the row of data/sources.tsv")
    sent = re.match(r"bytes (\d+)-", response.headers.get("Content-Range", ""))
    if status == PARTIAL and sent and int(sent[1]) != length(part):
        asked = length(part)
        part.unlink(missing_ok=True)
        raise BrokeOffError(f"the server sends from byte {int(sent[1])} on, and {asked} was asked for")


def _write(
    url: str, raw: urllib3.BaseHTTPResponse, part: Path, begin: int, total: int | None, size: int | None
) -> None:
    with (
        part.open("ab" if begin else "wb") as file,
        tqdm(desc=url.rpartition("/")[2], total=total, initial=begin, unit="B", unit_scale=True) as progress,
    ):
        since, counted = time.monotonic(), 0
        # read1 gives what is there: a read of a whole chunk would wait for a server that sends byte by byte
        while chunk := raw.read1(CHUNK_BYTES):
            file.write(chunk)
            progress.update(len(chunk))
            counted += len(chunk)
            if size is not None and file.tell() > size:
                return  # the check refuses it; a server may send without end
            if not has_room(part):
                file.flush()
                check_room(url, {part: CHUNK_BYTES})
            if (passed := time.monotonic() - since) > STALL_S:
                if counted < passed * LEAST_BYTES_PER_S:
                    raise BrokeOffError(f"only {counted} bytes came in {passed:.0f} s")
                since, counted = time.monotonic(), 0


def _name_failure(error: Exception) -> BrokeOffError | RefusedError:
    """What an error of requests or urllib3 means."""
    match error:
        case (
            requests.exceptions.InvalidSchema()
            | requests.exceptions.InvalidURL()
            | urllib3.exceptions.LocationValueError()
        ):
            return RefusedError(LED_ASTRAY)
        case requests.TooManyRedirects():
            return RefusedError("the server leads from one address to another without end")
        case requests.exceptions.SSLError() if "certificate" in str(error).lower():
            return RefusedError(
                "the certificate of the server is not trusted; if your network has its own one, name its "
                "file in the environment variable REQUESTS_CA_BUNDLE"
            )
        case requests.exceptions.ProxyError():
            return BrokeOffError("the proxy that HTTP_PROXY or HTTPS_PROXY names does not let it through")
        case requests.Timeout() | urllib3.exceptions.TimeoutError():
            return BrokeOffError(f"no answer for {STALL_S:.0f} s")
        case requests.ConnectionError():
            return BrokeOffError(f"the server cannot be reached: {_name_cause(error)}")
        case _:
            return BrokeOffError(f"connection lost: {_name_cause(error)}")


def _name_cause(error: BaseException) -> str:
    """The words of the system, or of the library that met the error first, in one line."""
    while (cause := error.__cause__ or error.__context__) is not None:
        error = cause
    words = (error.strerror if isinstance(error, OSError) else None) or str(error)
    return " ".join(words.split())[:LONGEST_CAUSE]
