"""Where a relative path leads: below the working directory, or else beside the Snakefile."""

import copy
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cutpoint.errors import Gathered, UserError

# The keys of the config that hold paths, by what they belong to.
PATH_KEYS = {
    "models": ("config", "checkpoint", "classes"),
    "datasets": ("images", "annotations", "slices"),
    "variants": ("onnx", "results"),
}
LONGEST_SHOWN = 100


def find_beside(path: str, clone: str | Path) -> str:
    """A path as it is; if nothing is there, and something is at the same place in the clone, that.

    Args:
        path: relative to the working directory, or absolute.
        clone: the folder of the Snakefile.
    """
    beside = os.path.join(clone, path)
    return beside if not os.path.exists(path) and os.path.exists(beside) else path


def locate_config(config: dict[str, Any], clone: str | Path) -> dict[str, Any]:
    """A copy of a completed config, each path of it as ``find_beside`` finds it.

    So the config of the demo can be run from any working directory.

    Raises:
        UserErrors: the paths at which the system does not look: too long, or in a folder that is closed to
            this user.
    """
    located, found = copy.deepcopy(config), Gathered()
    for where, entry, key in _paths(located):
        entry[key] = find_beside(entry[key], clone)
        with found.one():
            _look(f"{where}.{key}", entry[key])
    found.stop()
    return located


def _look(where: str, path: str) -> None:
    """What is not there, or cannot be (a NUL in a name), is told later, with paths that are like it."""
    try:
        os.stat(path)
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return
    except OSError as error:
        shown = path if len(path) <= LONGEST_SHOWN else f"{path[:LONGEST_SHOWN]}..."
        raise UserError(f"{where}: {shown} cannot be opened: {error.strerror}") from error


def _paths(config: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any], str]]:
    for part, keys in PATH_KEYS.items():
        for name, entry in config[part].items():
            yield from ((f"{part}.{name}", entry, key) for key in keys if isinstance(entry.get(key), str))
    if config["downloads"]["folder"] is not None:
        yield "downloads", config["downloads"], "folder"
