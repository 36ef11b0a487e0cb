"""Take a file or a folder out of a zip archive that a server sent: completely or not at all."""

import errno
import os
import shutil
import stat
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from tqdm import tqdm

from cutpoint.data.room import check_room
from cutpoint.errors import UserError
from cutpoint.files import ZIP_ERRORS, replacing

# COCO's largest archive has 0.3 million entries.
MOST_ENTRIES = 5_000_000
# Pictures and weights hardly shrink, annotations by a factor of 20. zlib shrinks by 1000 at most.
LARGEST_UNPACKED, MOST_SHRUNK = 2**30, 200
ENCRYPTED = 0x1
# an odd place in the file, and what bz2 says of odd data
NO_FAULT_OF_A_DISK = (errno.EINVAL, None)


def unpack(*, url: str, archive: Path, member: str, target: Path) -> None:
    """Take ``member`` out.

    Args:
        url: where the archive comes from, for messages.
        archive: the file.
        member: the file or folder inside.
        target: file, or folder for a folder member; a folder that is there is replaced. No other process
            unpacks to it.

    Raises:
        UserError: the archive is none, is damaged or encrypted, lacks the member, has links or entries that
            lead elsewhere, or unpacks to more than fits.
    """
    try:
        with zipfile.ZipFile(archive) as content:
            wanted = _find(url, content, PurePosixPath(member))
            _check(url, list(wanted.values()), archive, target)
            if list(wanted) == [PurePosixPath()]:
                with replacing(target) as temporary:
                    _copy(content, wanted[PurePosixPath()], temporary)
                return
            with _folder_beside(target) as unpacked:
                for path, entry in tqdm(wanted.items(), desc=f"unpacking {member}", unit="file"):
                    (unpacked / path).parent.mkdir(parents=True, exist_ok=True)
                    _copy(content, entry, unpacked / path)
                if target.is_dir():
                    shutil.rmtree(target)
                os.replace(unpacked, target)
    except (FileExistsError, NotADirectoryError, IsADirectoryError) as error:
        raise UserError(
            f"{url}: the archive has a file and a folder of one name ({error.filename})"
        ) from error
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            raise UserError(
                f"{url}: the archive has a name that is too long for this file system: "
                f"{error.filename!s:.200}"
            ) from error
        if error.errno in NO_FAULT_OF_A_DISK:
            raise _describe_damage(url, archive, error) from error
        raise
    except ZIP_ERRORS as error:
        raise _describe_damage(url, archive, error) from error


def _describe_damage(url: str, archive: Path, error: Exception) -> UserError:
    if not zipfile.is_zipfile(archive):
        return UserError(f"{url}: is not a zip archive; leave member empty to take the file itself")
    return UserError(f"{url}: the archive is damaged, or packed in a way that Python does not read ({error})")


@contextmanager
def _folder_beside(target: Path) -> Iterator[Path]:
    """A new folder, removed if it is still there at the end. What a killed process left there is removed."""
    folder = target.with_name(f".{target.name}.unpacking")
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _find(url: str, content: zipfile.ZipFile, member: PurePosixPath) -> dict[PurePosixPath, zipfile.ZipInfo]:
    """The entries of a member by their paths in it; the empty path for a file."""
    # a name may be empty
    entries = [entry for entry in content.infolist() if entry.filename and not entry.is_dir()]
    if len(entries) > MOST_ENTRIES:
        raise UserError(f"{url}: the archive has {len(entries)} entries, and {MOST_ENTRIES} are allowed")
    paths = [(PurePosixPath(entry.filename), entry) for entry in entries]
    inside = [
        (path.relative_to(member), entry) for path, entry in paths if path == member or member in path.parents
    ]
    if not inside:
        first = entries[0].filename if entries else "none"
        raise UserError(f"{url}: the archive has no {member}; its first entry is {first:.200}")
    if any(".." in path.parts for path, _ in inside):
        raise UserError(f"{url}: the archive has entries that lead outside of {member}; it is not unpacked")
    found = dict(inside)
    if len(found) < len(inside):
        raise UserError(f"{url}: the archive has two entries of one name in {member}; it is not unpacked")
    return found


def _check(url: str, entries: list[zipfile.ZipInfo], archive: Path, target: Path) -> None:
    linked = next((entry for entry in entries if stat.S_ISLNK(entry.external_attr >> 16)), None)
    if linked:
        raise UserError(f"{url}: {linked.filename!r:.200} in the archive is a link; it is not unpacked")
    if any(entry.flag_bits & ENCRYPTED for entry in entries):
        raise UserError(f"{url}: the archive is encrypted; put the unpacked files there by hand")
    unpacked, packed = (
        sum(getattr(entry, key) for entry in entries) for key in ("file_size", "compress_size")
    )
    # an entry may claim to be large while packed
    packed = min(packed, archive.stat().st_size)
    gib = f"{unpacked / 2**30:.1f} GiB"
    if unpacked > max(LARGEST_UNPACKED, MOST_SHRUNK * packed):
        raise UserError(
            f"{url}: {packed / 2**20:.1f} MiB in the archive say that they unpack to {gib}, as no pictures, "
            "annotations or weights do; it is not unpacked"
        )
    check_room(f"{url}, unpacked", {target: unpacked})


def _copy(content: zipfile.ZipFile, entry: zipfile.ZipInfo, target: Path) -> None:
    """An entry has at most as many bytes as it says: zipfile reads no further."""
    with content.open(entry) as source, target.open("wb") as file:
        shutil.copyfileobj(source, file)
