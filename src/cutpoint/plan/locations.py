"""Where a relative path leads: below the working directory, or else beside the Snakefile."""

import copy
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

# The keys of the config that hold paths, by what they belong to.
PATH_KEYS = {
    "models": ("config", "checkpoint", "classes"),
    "datasets": ("images", "annotations", "slices"),
    "variants": ("onnx", "results"),
}


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
    """
    located = copy.deepcopy(config)
    for entry, key in _paths(located):
        entry[key] = find_beside(entry[key], clone)
    return located


def _paths(config: dict[str, Any]) -> Iterator[tuple[dict[str, Any], str]]:
    for part, keys in PATH_KEYS.items():
        for entry in config[part].values():
            yield from ((entry, key) for key in keys if isinstance(entry.get(key), str))
