"""Digests of the files that a number depends on. The content decides what is out of date, not the time.

A digest is kept with the file's size, times and inode, so a file is read again only if one of these has
changed. The change time is one of them: copying, moving and tools that restore modification times cannot set
it.
"""

import hashlib
import json
import os
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, cast

from tqdm import tqdm

from cutpoint.data.file_names import find_fault
from cutpoint.data.selection import list_images, select
from cutpoint.errors import UserError
from cutpoint.files import write_text
from cutpoint.records.annotations import read_annotations

# A file that changed less than this before it was read may change again within one tick of the file system.
SETTLED_NS = 2_000_000_000
# Files that a thread hashes before it asks for more: asking takes as long as hashing a small file.
AT_ONCE = 64
# Digests that take longer than this show their progress.
SHOW_AFTER_S = 2

# what JSON can hold
Value = TypeVar("Value")


@dataclass(frozen=True)
class Listing:
    """Images and categories of annotations: their digest, and the images' file names in the file's order."""

    digest: str
    file_names: tuple[str, ...]


class Digests:
    """Digests of files, kept in a JSON file between two plans.

    The file is a cache. It may be deleted. If two plans run at once, the last one to finish writes it.
    """

    def __init__(self, path: str | Path) -> None:
        # a run with --directory leaves it before the file is written
        self._path = Path(path).absolute()
        self._known = self._read()
        self._made_here: set[str] = set()
        self._once: dict[str, Any] = {}

    def of_file(self, path: str) -> str:
        """64 hexadecimal digits: SHA-256 of a file's content.

        Raises:
            FileNotFoundError: no such file.
        """
        return self.remember("file", path, _hash)

    def last_known(self, path: str, *, fetched: bool) -> str | None:
        """The digest of a file. If the file is missing and can be fetched: its last digest, null at first.

        Raises:
            FileNotFoundError: no such file, and it cannot be fetched.
        """
        if fetched and not os.path.exists(path):
            last: str | None = self._known.get(f"file {path}", (None, None, None))[2]
            return last
        return self.of_file(path)

    def of_files(self, paths: Iterable[str]) -> dict[str, str]:
        """The digest of each file, by path.

        Raises:
            FileNotFoundError: one of them is missing.
        """
        paths = list(paths)
        new = [path for path in paths if self._recall("file", path) is None]
        parts = [new[start : start + AT_ONCE] for start in range(0, len(new), AT_ONCE)]
        shown = tqdm(desc="hashing files", total=len(new), unit="file", delay=SHOW_AFTER_S, disable=None)
        with ThreadPoolExecutor() as pool, shown:
            for part, hashed in zip(parts, pool.map(_signed_hashes, parts), strict=True):
                for path, (signature, digest) in zip(part, hashed, strict=True):
                    self._store("file", path, signature, digest)
                shown.update(len(part))
        return {path: self.of_file(path) for path in paths}

    def of_images(self, folder: str, annotations: str | None, limit: int | None) -> str:
        """One digest of the images that a data set runs on: their names and their contents.

        A listed image that is missing counts as missing; the job that checks the data set names it.

        Args:
            folder: the images' folder.
            annotations: COCO JSON that lists them; null for all images of the folder.
            limit: see ``selection.select``.

        Raises:
            FileNotFoundError: no such folder or annotations.
        """
        names = self.of_listing(annotations).file_names if annotations else list_images(folder)
        return self.of_named(folder, names, limit)

    def of_named(self, folder: str, names: Iterable[str], limit: int | None) -> str:
        """As ``of_images``, of the images with these file names."""
        os.stat(folder)
        paths = {name: os.path.join(folder, name) for name in sorted(select(names, limit))}
        there = self.of_files(path for path in paths.values() if os.path.isfile(path))
        return combine([name, there.get(path)] for name, path in paths.items())

    def of_listing(self, annotations: str) -> Listing:
        """Images and categories of a COCO JSON, without its boxes.

        Raises:
            FileNotFoundError: no such file.
        """
        digest, names = self.remember("listing", annotations, _list)
        return Listing(digest, tuple(names))

    def remember(self, kind: str, path: str, make: Callable[[str], Value]) -> Value:
        """The value that ``make`` reads from a file; ``make`` runs again only if the file has changed.

        Args:
            kind: a word for the value; one file may have several.
            path: the file's path.
            make: a function from the path to a value that JSON can hold.

        Raises:
            FileNotFoundError: no such file.
        """
        known: Value | None = self._recall(kind, path)
        if known is not None:
            return known
        signature = _sign(path)
        value = make(path)
        self._store(kind, path, signature, value)
        return value

    def remember_for(self, kind: str, path: str, signature: str, make: Callable[[], Value]) -> Value:
        """As ``remember``, for what depends on more than one file: ``signature`` is a digest of all of it."""
        key = f"{kind} {path}"
        known, _, value = self._known.get(key, (None, None, None))
        if known != signature:
            value = make()
            self._known[key] = signature, True, value
            self._made_here.add(key)
        return cast(Value, value)

    def once(self, key: str, make: Callable[[], Value | None]) -> Value | None:
        """What ``make`` returns, kept while this plan is made; null is not kept.

        For what takes long even if every file is known: a folder of 100,000 files.
        """
        if self._once.get(key) is None:
            self._once[key] = make()
        return cast(Value | None, self._once[key])

    def save(self) -> None:
        """Write new digests to the JSON file."""
        if self._made_here:
            # if the folder cannot be written to, the next plan only takes longer
            with suppress(OSError):
                write_text(self._path, json.dumps(self._known))

    def _recall(self, kind: str, path: str) -> Any:
        key = f"{kind} {path}"
        signature, settled, value = self._known.get(key, (None, None, None))
        trusted = (settled or key in self._made_here) and signature == _sign(path)
        return value if trusted else None

    def _store(self, kind: str, path: str, signature: list[int], value: Any) -> None:
        settled = time.time_ns() - max(signature[1:3]) > SETTLED_NS
        self._known[f"{kind} {path}"] = signature, settled, value
        self._made_here.add(f"{kind} {path}")

    def _read(self) -> dict[str, Any]:
        try:
            known = json.loads(self._path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return known if isinstance(known, dict) else {}


def _sign(path: str) -> list[int]:
    state = os.stat(path)
    return [state.st_size, state.st_mtime_ns, state.st_ctime_ns, state.st_ino]


def _signed_hashes(paths: list[str]) -> list[tuple[list[int], str]]:
    return [(_sign(path), _hash(path)) for path in paths]


def _hash(path: str) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _list(path: str) -> tuple[str, list[str]]:
    """If the file cannot be read as annotations, its bytes count; the job that checks it says why."""
    try:
        content = read_annotations(path, path)
        images, categories = content["images"], content["categories"]
        names = [entry["file_name"] for entry in images]
        entries = [[entry.get(key) for key in ("id", "file_name", "height", "width")] for entry in images]
        named = [[entry.get(key) for key in ("id", "name")] for entry in categories]
        if not all(isinstance(name, str) and find_fault(name) is None for name in names):
            raise TypeError("file names that are no text, or lead out of the folder")
        return combine([entries, named]), names
    except (UserError, TypeError, KeyError, AttributeError):
        return _hash(path), []


def combine(values: Iterable[Any]) -> str:
    """One digest of values that JSON can hold."""
    return hashlib.sha256(json.dumps(list(values)).encode()).hexdigest()
