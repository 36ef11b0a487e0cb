"""``data/sources.tsv``: what can be downloaded, from where, and how to tell that it arrived."""

import csv
import os
import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from cutpoint.errors import UserError

COLUMNS = ["name", "url", "path", "member", "sha256", "bytes", "licence"]


@dataclass(frozen=True)
class Source:
    """One row: the file at ``url``, or a ``member`` of that archive, ends at ``path``.

    ``sha256`` (hexadecimal, at least the first 8 digits) and ``size_bytes`` (null if unknown) are of the
    file at ``url``.
    """

    name: str
    url: str
    path: str
    member: str
    sha256: str
    size_bytes: int | None
    licence: str

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
        if reader.fieldnames != COLUMNS:
            raise UserError(f"{path}: the columns must be {', '.join(COLUMNS)}, separated by tabs")
        for row in reader:
            source = _read_row(row, f"{path}, line {reader.line_num}")
            if source.path in sources:
                raise UserError(f"{path}, line {reader.line_num}: the path {source.path} appears twice")
            sources[source.path] = source
    return sources


def _read_row(row: dict[str, str], where: str) -> Source:
    if None in row or None in row.values():
        raise UserError(f"{where}: {len(COLUMNS)} columns are needed; separate them by single tabs")
    row = {key: value.strip() for key, value in row.items()}
    if not re.fullmatch(r"https?://\S+", row["url"]):
        raise UserError(f"{where}: the url {row['url']!r} must begin with https:// or http://")
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
    if not re.fullmatch(r"\d*", row["bytes"]):
        raise UserError(f"{where}: bytes must be a number or empty, not {row['bytes']!r}")
    size = int(row["bytes"]) if row["bytes"] else None
    return Source(row["name"], row["url"], ends, row["member"], row["sha256"], size, row["licence"])
