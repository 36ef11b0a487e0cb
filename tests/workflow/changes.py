"""Ways in which a file gets another content while its time, seen alone, does not say so."""

import json
import os
import shutil
from pathlib import Path


def in_place(path: Path, content: bytes) -> None:
    """Other bytes in the same file, with its times put back."""
    times = path.stat()
    with path.open("r+b") as file:
        file.write(content)
        file.truncate()
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def by_an_older_file(path: Path, content: bytes) -> None:
    """As ``mv`` or a synchronised folder does."""
    other = path.with_name(path.name + ".old")
    other.write_bytes(content)
    os.utime(other, (1_000_000_000, 1_000_000_000))
    os.replace(other, path)


def by_an_older_copy(path: Path, content: bytes) -> None:
    """As ``cp -p`` does: the inode stays."""
    other = path.with_name(path.name + ".old")
    other.write_bytes(content)
    os.utime(other, (1_000_000_000, 1_000_000_000))
    shutil.copy2(other, path)
    other.unlink()


def by_a_link(path: Path, content: bytes) -> None:
    """To an older file."""
    other = path.with_name(path.name + ".target")
    other.write_bytes(content)
    os.utime(other, (1_000_000_000, 1_000_000_000))
    path.unlink()
    path.symlink_to(other)


WAYS = [in_place, by_an_older_file, by_an_older_copy, by_a_link]


def without_the_last_box(path: Path) -> bytes:
    """Annotations with a box less."""
    content = json.loads(path.read_text())
    content["annotations"].pop()
    return json.dumps(content).encode()


def longer(path: Path) -> bytes:
    """A comment, or bytes that a decoder skips."""
    return path.read_bytes() + b"\n# x\n"
