"""``data/sources.tsv``: what can be downloaded, from where, and how to tell that it arrived."""

import csv
import os
import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from cutpoint.errors import UserError

COLUMNS = ["name", "url", "path", "member", "sha256", "bytes", "licence"]
# a table may have it or not
UNPACKED = "unpacked"
# Where downloads are kept, below the working directory.
KEPT = "data/downloads/kept"


@dataclass(frozen=True)
class Source:
    """One row: the file at ``urls``, or a ``member`` of that archive, ends at ``path``.

    ``urls`` are addresses of one file, tried in this order. ``sha256`` (hexadecimal, at least the first 8
    digits) and ``size_bytes`` (null if unknown) are of this file. ``unpacked_bytes`` is about what the member
    takes; null if unknown.
    """

    name: str
    urls: tuple[str, ...]
    path: str
    member: str
    sha256: str
    size_bytes: int | None
    licence: str
    unpacked_bytes: int | None = None

    @property
    def is_folder(self) -> bool:
        """A member without a file extension is a folder."""
        return bool(self.member) and not PurePosixPath(self.member).suffix


def read_sources(path: str | Path) -> dict[str, Source]:
    """Read the table.

    Returns:
        by the path that a row ends at; empty when there is no such table.

    Raises:
        UserError: a malformed row, by its line.
    """
    path = Path(path)
    if not path.is_file():
        return {}
    sources: dict[str, Source] = {}
    with path.open(encoding="utf-8", newline="") as lines:
        reader = csv.DictReader(lines, delimiter="\t")
        columns = list(reader.fieldnames or ())
        if columns not in (COLUMNS, [*COLUMNS, UNPACKED]):
            raise UserError(
                f"{path}: the columns must be {', '.join(COLUMNS)}, separated by tabs; {UNPACKED} may follow"
            )
        for row in reader:
            source = _read_row(row, f"{path}, line {reader.line_num}", len(columns))
            if source.path in sources:
                raise UserError(f"{path}, line {reader.line_num}: the path {source.path} appears twice")
            sources[source.path] = source
    return sources


def _read_row(row: dict[str, str], where: str, columns: int) -> Source:
    if None in row or None in row.values():
        raise UserError(f"{where}: {columns} columns are needed; separate them by single tabs")
    row = {key: value.strip() for key, value in row.items()}
    urls = tuple(row["url"].split()) or ("",)
    for url in urls:
        if not re.fullmatch(r"https?://\S+", url):
            raise UserError(f"{where}: the url {url!r} must begin with https:// or http://")
    ends = os.path.normpath(row["path"])
    if not row["path"] or os.path.isabs(ends) or ends.startswith(".."):
        raise UserError(
            f"{where}: the path {row['path']!r} must be a relative one below the working directory"
        )
    if row["member"].startswith("/") or ".." in PurePosixPath(row["member"]).parts:
        raise UserError(
            f"{where}: the member {row['member']!r} must be a path inside the archive, without .."
        )
    if not re.fullmatch(r"[0-9a-f]{8,64}", row["sha256"]):
        raise UserError(f"{where}: sha256 needs 8 to 64 lower-case hexadecimal digits, not {row['sha256']!r}")
    size, unpacked = (_read_bytes(where, column, row.get(column, "")) for column in ("bytes", UNPACKED))
    return Source(row["name"], urls, ends, row["member"], row["sha256"], size, row["licence"], unpacked)


def _read_bytes(where: str, column: str, text: str) -> int | None:
    if not re.fullmatch(r"[0-9]{0,18}", text):
        raise UserError(f"{where}: {column} must be a number or empty, not {text!r}")
    return int(text) if text else None
