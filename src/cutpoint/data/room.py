"""Whether the disk has room for what is downloaded and unpacked."""

import shutil
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

from cutpoint.errors import UserError
from cutpoint.faults import AGAIN

# Left for the other jobs of a run: logs, temporary files.
SPARE_BYTES = 64 << 20


class NoRoomError(UserError):
    """The disk has no room."""


def has_room(place: Path) -> bool:
    """Whether more than the spare bytes are free on the disk of ``place``, whose folder is there."""
    return shutil.disk_usage(place.parent).free > SPARE_BYTES


def check_room(what: str, needed: Mapping[Path, int]) -> None:
    """Refuse what does not fit.

    Args:
        what: that is written, for the message.
        needed: bytes by where they are written; the folders are there. Places on one disk are added.

    Raises:
        NoRoomError: a disk has fewer free bytes.
    """
    by_disk: dict[int, int] = defaultdict(int)
    folders = {}
    for place, count in needed.items():
        disk = place.parent.stat().st_dev
        by_disk[disk] += count
        folders[disk] = place.parent.resolve()
    for disk, count in by_disk.items():
        free = shutil.disk_usage(folders[disk]).free
        if count and count + SPARE_BYTES > free:
            raise NoRoomError(
                f"{what}: needs {_gib(count)} and {_gib(SPARE_BYTES)} to spare in {folders[disk]}, and "
                f"{_gib(free)} are free; free space there, {AGAIN}"
            )


def _gib(count: int) -> str:
    return f"{count / 2**30:.2f} GiB"
