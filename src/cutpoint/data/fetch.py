"""Download a file, check it, and extract what is wanted from it: completely or not at all."""

import hashlib
import os
from pathlib import Path

import requests
from tqdm import tqdm

from cutpoint.data.unpack import unpack
from cutpoint.errors import UserError
from cutpoint.faults import describe_fault

CHUNK_BYTES = 1 << 20
TIMEOUT_S = 60


def fetch(*, url: str, member: str, sha256: str, size: int | None, out: str) -> None:
    """Download a source to ``out``.

    The download goes to a hidden ``.part`` file next to ``out``. If the connection is lost, the file stays,
    and the next call resumes it. A file with the wrong content is removed.

    Args:
        url: what to download.
        member: empty: the file itself; otherwise the file or folder inside the zip archive.
        sha256: digest of the file at ``url``; hexadecimal, a prefix of at least 8 digits.
        size: bytes of the file at ``url``; null if unknown.
        out: file, or folder for a folder member.

    Raises:
        UserError: the server is unreachable, the content is not the expected one, or the member is missing.
    """
    target = Path(out)
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.parent / f".{target.name}.part"
    _download(url, part, size)
    _check(url, part, sha256, size)
    if not member:
        os.replace(part, target)
        return
    unpack(url=url, archive=part, member=member, target=target)
    part.unlink()


def _download(url: str, part: Path, size: int | None) -> None:
    have = part.stat().st_size if part.exists() else 0
    if size is not None and have == size:
        return
    try:
        # packed by the server, a small answer could become any number of bytes
        headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-"} if have else {})
        with requests.get(url, stream=True, timeout=TIMEOUT_S, headers=headers) as response:
            if response.status_code == requests.codes.requested_range_not_satisfiable:
                return  # the file was already complete; the check decides
            response.raise_for_status()
            resumed = response.status_code == requests.codes.partial_content
            length = int(response.headers.get("Content-Length", 0)) + have * resumed
            with (
                part.open("ab" if resumed else "wb") as file,
                tqdm(
                    desc=url.rpartition("/")[2],
                    total=length or size,
                    initial=have * resumed,
                    unit="B",
                    unit_scale=True,
                ) as progress,
            ):
                for chunk in response.iter_content(CHUNK_BYTES):
                    file.write(chunk)
                    progress.update(len(chunk))
                    if size is not None and file.tell() > size:
                        return  # the check refuses it; a server may send without end
    except requests.HTTPError as error:
        answer = (
            str(error) if error.response is None else f"{error.response.status_code} {error.response.reason}"
        )
        raise UserError(
            f"{url}: the server answers {answer}; check the row of data/sources.tsv, or put the file there "
            "by hand"
        ) from error
    except (requests.RequestException, OSError) as error:
        if describe_fault(error):
            raise
        raise UserError(
            f"{url}: the download broke off ({type(error).__name__}); check the network and run again, what "
            "has arrived is kept"
        ) from error


def _check(url: str, part: Path, sha256: str, size: int | None) -> None:
    found = part.stat().st_size
    if size is not None and found < size:
        raise UserError(f"{url}: {found} of {size} bytes arrived; run again, what has arrived is kept")
    with part.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if (size is not None and found != size) or not digest.startswith(sha256):
        part.unlink()
        raise UserError(
            f"{url}: not the expected content: {found} bytes with sha256 {digest}, expected "
            f"{size or 'any number of'} bytes with sha256 {sha256}; the file there has changed, or the row "
            "of data/sources.tsv is wrong"
        )
