"""Read a capsule without trusting it: it may come from another machine, or not be one at all."""

import re
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TypeVar

import msgspec
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from cutpoint.errors import UserError
from cutpoint.files import START_BYTES, ZIP_ERRORS, name_substitute
from cutpoint.records.capsule import Capsule, CapsuleVariant
from cutpoint.records.detections import Results
from cutpoint.records.json_file import as_record
from cutpoint.records.latency import Latency, read_latency
from cutpoint.records.packed import ImageHashes, unpack_images, unpack_results
from cutpoint.records.resamples import Resamples, read_resamples
from cutpoint.records.summary import SummaryRow, read_summary
from cutpoint.records.timing import Timing, read_samples
from cutpoint.runs.capsule import CONTENT

Key = tuple[str, str, str]
T = TypeVar("T")

NAME = r"[A-Za-z0-9_-]{1,200}"
# The files that are read; others are left alone, for a later version may add some.
MEMBERS = re.compile(
    rf"tables/{NAME}\.csv|images/{NAME}\.parquet|samples/{NAME}/{NAME}\.parquet"
    rf"|(detections/{NAME}/{NAME}/{NAME}\.parquet|resamples/{NAME}/{NAME}/{NAME}\.npz"
    rf"|latency/{NAME}/{NAME}/{NAME}\.json)"
)
# Bounds on what is unpacked: a capsule of 12 variants on COCO val2017 has 0.2 GB.
MOST_MEMBERS, LARGEST_CONTENT, LARGEST = 100_000, 2**26, 2**32
MEND = "give the capsule.zip that a run of Cutpoint wrote, or a results folder that has one"


@dataclass(frozen=True)
class OpenCapsule:
    """A capsule that is unpacked. Files are read when they are asked for.

    ``path``: of the zip. ``folder``: where it is unpacked.
    """

    path: str
    folder: Path
    content: Capsule
    _samples: dict[tuple[str, str], tuple[pd.DataFrame, Timing]] = field(default_factory=dict)

    @property
    def code(self) -> str:
        """Version and commit of Cutpoint."""
        commit = f", commit {self.content.commit}" if self.content.commit else ""
        return f"Cutpoint {self.content.cutpoint}{commit}"

    @cached_property
    def variants(self) -> dict[Key, CapsuleVariant]:
        """By data set, model and name."""
        return {variant.key: variant for variant in self.content.variants}

    @cached_property
    def rows(self) -> dict[Key, SummaryRow]:
        """The rows of summary.csv, by data set, model and name."""
        rows = self._read("tables/summary.csv", read_summary)
        known = {(row.dataset, row.model, row.variant): row for row in rows}
        missing = [key for key in self.variants if key not in known]
        if missing:
            raise UserError(
                f"{self.path}: tables/summary.csv is damaged (it has no row of {', '.join(missing[0])}); "
                "make the capsule again"
            )
        return known

    def images(self, dataset: str) -> ImageHashes:
        """The hashes of a data set's images."""
        return self._read(f"images/{dataset}.parquet", unpack_images)

    def results(self, key: Key) -> Results:
        """A variant's detections."""
        return self._read(f"detections/{'/'.join(key)}.parquet", unpack_results)

    def resamples(self, key: Key) -> Resamples:
        """A variant's AP on resamples."""
        return self._read(f"resamples/{'/'.join(key)}.npz", read_resamples)

    def latency(self, key: Key) -> Latency:
        """A variant's latency."""
        return self._read(f"latency/{'/'.join(key)}.json", read_latency)

    def samples(self, dataset: str, model: str) -> tuple[pd.DataFrame, Timing]:
        """The latency samples of a data set and model; they are kept, because all variants share them."""
        if (dataset, model) not in self._samples:
            member = f"samples/{dataset}/{model}.parquet"
            self._samples[dataset, model] = self._read(member, read_samples)
        return self._samples[dataset, model]

    def _read(self, member: str, reader: Callable[[Path], T]) -> T:
        path = self.folder / member
        if not path.is_file():
            raise UserError(f"{self.path}: {member} is missing in it; make the capsule again")
        try:
            return reader(path)
        except (UserError, MemoryError, zlib.error, EOFError) as error:
            why = str(error).partition(f"{path}: ")[2] or str(error) or type(error).__name__
            raise UserError(
                f"{self.path}: {member} cannot be read ({why.partition(';')[0]}); make the capsule again"
            ) from error


@contextmanager
def open_capsule(path: str) -> Iterator[OpenCapsule]:
    """Unpack a capsule into a temporary folder, which is removed at the end.

    Raises:
        UserError: the file is missing, damaged, not a capsule, too large, or of a newer format.
    """
    with tempfile.TemporaryDirectory(prefix="cutpoint-capsule-") as name:
        folder = Path(name)
        try:
            with zipfile.ZipFile(path) as archive:
                members = _checked(path, archive)
                content = _content(path, archive)
                for member in members:
                    _unpack(archive, member, folder)
        except ZIP_ERRORS as error:
            raise UserError(f"{path}: {_what_it_is(path)} ({error}); {MEND}") from error
        except OSError as error:
            raise UserError(f"{path}: cannot be read ({error.strerror}); {MEND}") from error
        for packed in sorted([*folder.rglob("*.parquet"), *folder.rglob("*.npz")]):
            _check_size(path, folder, packed)
        yield OpenCapsule(path, folder, content)


def _checked(path: str, archive: zipfile.ZipFile) -> list[zipfile.ZipInfo]:
    """The members that are read."""
    members = archive.infolist()
    names = {member.filename for member in members}
    strange = [name for name in names if name.startswith("/") or "\\" in name or ".." in name.split("/")]
    if CONTENT not in names:
        raise UserError(f"{path}: {_what_it_is(path)} (it has no {CONTENT}); {MEND}")
    if strange or len(names) < len(members) or len(members) > MOST_MEMBERS:
        why = f"a file named {strange[0]!r}" if strange else "files that no capsule has"
        raise UserError(f"{path}: not a capsule: it has {why}; {MEND}")
    if sum(member.file_size for member in members) > LARGEST:
        raise UserError(f"{path}: not a capsule: unpacked it has more than {LARGEST / 2**30:.0f} GiB; {MEND}")
    return [member for member in members if MEMBERS.fullmatch(member.filename)]


def _content(path: str, archive: zipfile.ZipFile) -> Capsule:
    if archive.getinfo(CONTENT).file_size > LARGEST_CONTENT:
        raise UserError(f"{path}: {CONTENT} has more than {LARGEST_CONTENT // 2**20} MiB; {MEND}")
    try:
        content = msgspec.json.decode(archive.read(CONTENT))
    except (msgspec.DecodeError, RecursionError) as error:
        raise UserError(f"{path}: {CONTENT} is damaged ({error}); make the capsule again") from error
    capsule = as_record(content, Capsule, f"{path}: {CONTENT}")
    names = [name for variant in capsule.variants for name in variant.key]
    strange = [name for name in names if not re.fullmatch(NAME, name)]
    if strange:
        raise UserError(
            f"{path}: {CONTENT}: {strange[0]!r} is no name of a variant, model or data set; {MEND}"
        )
    return capsule


def _unpack(archive: zipfile.ZipFile, member: zipfile.ZipInfo, folder: Path) -> None:
    """A member has at most as many bytes as it says: zipfile reads no further."""
    target = folder / member.filename
    target.parent.mkdir(parents=True, exist_ok=True)
    with archive.open(member) as source, open(target, "wb") as file:
        while block := source.read(2**20):
            file.write(block)


def _check_size(path: str, folder: Path, packed: Path) -> None:
    """Refuse a file that would not fit into memory when it is read."""
    member = packed.relative_to(folder).as_posix()
    try:
        size = _size_in_memory(packed)
    except (OSError, ValueError, pa.ArrowException, zipfile.BadZipFile) as error:
        raise UserError(f"{path}: {member} is damaged ({error}); make the capsule again") from error
    if size > LARGEST:
        raise UserError(f"{path}: {member} says that it has {size / 2**30:.0f} GiB; make the capsule again")


def _size_in_memory(packed: Path) -> int:
    """Bytes, as the file itself says."""
    if packed.suffix == ".npz":
        with zipfile.ZipFile(packed) as arrays:
            return sum(array.file_size for array in arrays.infolist())
    facts = pq.read_metadata(packed)
    return sum(facts.row_group(index).total_byte_size for index in range(facts.num_row_groups))


def _what_it_is(path: str) -> str:
    """What a file is that cannot be read as a capsule."""
    with open(path, "rb") as file:
        start = file.read(START_BYTES)
    if not start.startswith(b"PK"):
        return name_substitute(start) or "not a capsule of Cutpoint"
    # the name of a zip's first file; the arrays inside are zips too, so the end of one may be found
    if start[30:].startswith(CONTENT.encode()):
        return "a damaged capsule"
    return "a zip, but not a capsule of Cutpoint" if zipfile.is_zipfile(path) else "a damaged zip"
