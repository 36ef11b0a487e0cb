"""Run a command under strace, and list what it wrote outside its folders and what it contacted.

    python tools/observe_run.py [--may-write FOLDER] -- COMMAND ...

It needs Linux and strace. The home folder and the folder of temporary files are new and empty for the
command, so that a cache that it writes or a file that it leaves there is seen. Exit code: 0 nothing else was
written or contacted, 1 something was, 2 the command failed.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

WRITING = (
    *("creat", "mkdir", "mkdirat", "mknod", "mknodat", "truncate", "rename", "renameat", "renameat2"),
    *("link", "linkat", "symlink", "symlinkat", "unlink", "unlinkat", "rmdir"),
)
CALLS = ("open", "openat", "connect", "chdir", *WRITING)
LINE = re.compile(r"^(\d+) +(\w+)\((.*)\) += (-?\d+)(?:<(.*)>)?")
# a call that another process interrupted comes in two lines
UNFINISHED = re.compile(r"^(\d+) +(.*) <unfinished \.\.\.>$")
RESUMED = re.compile(r"^(\d+) +<\.\.\. \w+ resumed>(.*)$")
PATH = re.compile(r'(?:AT_FDCWD(?:<([^>]*)>)?, |\d+<([^>]*)>, )?"((?:[^"\\]|\\.)*)"')
FLAGS = re.compile(r"O_WRONLY|O_RDWR|O_CREAT|O_TRUNC")
INTERNET = re.compile(r'sa_family=AF_INET6?.*?port=htons\((\d+)\).*?"([\da-f.:]+)"')
SOCKET = re.compile(r'sa_family=AF_UNIX, sun_path=(@?)"([^"]*)"')


@dataclass
class Seen:
    """What a run did: paths that it wrote, and how often; addresses that it asked for, and how often."""

    written: Counter[str] = field(default_factory=Counter)
    contacted: Counter[str] = field(default_factory=Counter)


def read_trace(lines: Iterable[str], folder: str) -> Seen:
    """Read the output of ``strace -f -y``.

    Args:
        lines: of the trace.
        folder: where the command started.
    """
    seen, places = Seen(), defaultdict[str, str](lambda: folder)
    for line in _whole(lines):
        found = LINE.match(line)
        if not found:
            continue
        process, call, arguments, code, opened = found.groups()
        if call == "connect":
            _add_address(seen, arguments, answered=int(code) == 0)
        elif int(code) < 0:
            continue
        elif call == "chdir":
            places[process] = os.path.join(places[process], _paths(arguments, places[process])[0])
        elif call in WRITING:
            seen.written.update(_paths(arguments, places[process]))
        elif FLAGS.search(arguments):
            seen.written[opened or _paths(arguments, places[process])[0]] += 1
    return seen


def _whole(lines: Iterable[str]) -> Iterator[str]:
    waiting: dict[str, str] = {}
    for line in lines:
        if begun := UNFINISHED.match(line):
            waiting[begun[1]] = f"{begun[1]} {begun[2]}"
        elif (rest := RESUMED.match(line)) and rest[1] in waiting:
            yield waiting.pop(rest[1]) + rest[2]
        else:
            yield line


def _paths(arguments: str, folder: str) -> list[str]:
    return [
        os.path.normpath(os.path.join(base or other or folder, path))
        for base, other, path in PATH.findall(arguments)
    ]


def _add_address(seen: Seen, arguments: str, answered: bool) -> None:
    """Another machine counts when it is asked for, a socket of this one when it answers."""
    if address := INTERNET.search(arguments):
        seen.contacted[f"{address[2]} port {address[1]}"] += 1
    elif answered and (socket := SOCKET.search(arguments)):
        seen.contacted[f"socket {socket[1]}{socket[2]}"] += 1


def _place(path: str, folders: dict[str, str]) -> str | None:
    """The name of the folder that has a path; null for one that no folder has."""
    return next(
        (name for folder, name in folders.items() if path == folder or path.startswith(folder + "/")), None
    )


def report(seen: Seen, folders: dict[str, str], left: list[str]) -> tuple[str, bool]:
    """A table in Markdown, and whether nothing else was written or contacted.

    Args:
        seen: what the run did.
        folders: the names of the folders that may be written, by their paths.
        left: files that are still in the folder of temporary files.
    """
    places = Counter(_place(path, folders) for path in seen.written)
    outside = sorted(path for path in seen.written if _place(path, folders) is None)
    lines = ["| place | paths that were written |", "|---|---|"]
    lines += [f"| {name} | {places[name]} |" for name in dict.fromkeys(folders.values())]
    lines += [f"| **elsewhere**: {path} | 1 |" for path in outside] or ["| elsewhere | 0 |"]
    lines += [f"| contacted: {address} | {count} |" for address, count in sorted(seen.contacted.items())]
    lines += [] if seen.contacted else ["| contacted | nothing |"]
    lines += [f"| left in the folder of temporary files: {path} | |" for path in left]
    return "\n".join(lines), not outside and not seen.contacted


def main() -> int:
    """Run the command; print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--may-write", action="append", default=[], metavar="FOLDER")
    parser.add_argument("command", nargs="+")
    options = parser.parse_args()
    if not shutil.which("strace"):
        print("observe_run: strace is missing; install the package strace", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory(prefix="observed-") as name:
        root = Path(os.path.realpath(name))
        home, temporary, trace = root / "home", root / "tmp", root / "trace"
        home.mkdir()
        temporary.mkdir()
        strace = [
            "strace",
            "-f",
            "-y",
            "-qq",
            "-s",
            "4096",
            "-e",
            f"trace={','.join(CALLS)}",
            "-o",
            str(trace),
        ]
        done = subprocess.run(
            [*strace, *options.command], env={**os.environ, "HOME": str(home), "TMPDIR": str(temporary)}
        )
        with trace.open(encoding="utf-8", errors="replace") as lines:
            seen = read_trace(lines, os.getcwd())
        folders = {os.path.realpath(folder): f"`{folder}`" for folder in options.may_write}
        folders |= {os.path.realpath("."): "the working directory", str(temporary): "temporary files"}
        folders |= {str(home): "the home folder", "/dev": "devices, shared memory", "/proc": "/proc"}
        left = sorted(path.name for path in temporary.iterdir())
        caches = [
            f"| cache in the home folder: {path.relative_to(home)} | |" for path in sorted(home.glob("*/*"))
        ]
        table, clean = report(seen, folders, left)
        print("\n".join([table, *caches]))
    if done.returncode:
        return 2
    return 0 if clean else 1


if __name__ == "__main__":
    sys.exit(main())
