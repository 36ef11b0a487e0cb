"""Check that the machine has room for what is planned."""

import os
import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import psutil

from cutpoint.errors import UserError, located
from cutpoint.predict.runtime import check_session
from cutpoint.preflight.collect import Collected
from cutpoint.providers import PROVIDERS
from cutpoint.records.preflight import DatasetFindings, Findings

RESULTS = "results"
# What jobs need at least: nothing is refused that could run. Measured: 16 kB of candidates an image of
# the demo's traffic (60 kB of val2017); 320 MB in a process that describes a model of 4 MB.
CANDIDATE_BYTES = 16_000
PROCESS_BYTES = 300_000_000
# weights, their copy in a graph, and the file that is written
COPIES_IN_MEMORY = 3
CGROUP = Path("/sys/fs/cgroup")


def inspect_machine(
    datasets: Mapping[str, DatasetFindings],
    *,
    weights: Sequence[str],
    exports: Mapping[str, int],
    stores: Mapping[str, int],
    pictures: int,
    providers: Sequence[tuple[str, str]],
    remote: bool,
) -> Findings:
    """Compare free disk and memory with what the jobs need at least, and open a session with each provider.

    Args:
        datasets: findings on the data sets by name.
        weights: checkpoints and external ONNX files.
        exports: how many ONNX files are made of each of them.
        stores: how many runs keep candidates on a data set, by its name.
        pictures: bytes of all pictures.
        providers: pairs of provider and the config key that asks for it.
        remote: jobs run on other machines, whose memory and devices are not known here.
    """
    found = Collected()
    sizes = {path: os.path.getsize(path) for path in weights if os.path.isfile(path)}
    with found.one():
        images = {name: len(f.manifest.images) if f.manifest else 0 for name, f in datasets.items()}
        candidates = sum(images[name] * count * CANDIDATE_BYTES for name, count in stores.items())
        files = sum(sizes[path] * count for path, count in exports.items() if path in sizes)
        _check_disk(candidates, files, pictures)
    if not remote:
        with found.one():
            _check_memory(sizes)
        for provider, key in providers:
            if not PROVIDERS[provider].built_in:
                with found.one(), located(key):
                    check_session(provider)
    return Findings(found.problems, found.remarks)


def _check_disk(candidates: int, files: int, pictures: int) -> None:
    needed, free = candidates + files + pictures, shutil.disk_usage(".").free
    if free < needed:
        raise UserError(
            f"disk: {_megabytes(free)} MB are free below {Path.cwd()}, and {RESULTS} needs at least "
            f"{_megabytes(needed)} MB ({_megabytes(candidates)} for candidates, {_megabytes(files)} for ONNX "
            f"files, {_megabytes(pictures)} for pictures); free some, or set datasets.<name>.limit"
        )


def _check_memory(sizes: Mapping[str, int]) -> None:
    largest = max(sizes, key=lambda path: sizes[path], default=None)
    needed = PROCESS_BYTES + (COPIES_IN_MEMORY * sizes[largest] if largest else 0)
    free = free_memory()
    if free < needed:
        what = f" for {largest}" if largest else ""
        raise UserError(
            f"memory: {_megabytes(free)} MB are free, and one job{what} needs at least "
            f"{_megabytes(needed)} MB; end other programs, or run on a machine with more"
        )


def free_memory() -> int:
    """Bytes that new processes may take: of the machine, or of its control group (a container) if less."""
    free: int = psutil.virtual_memory().available
    try:
        limit, used = ((CGROUP / name).read_text().strip() for name in ("memory.max", "memory.current"))
        cached = re.search(r"^inactive_file (\d+)$", (CGROUP / "memory.stat").read_text(), re.M)
    except OSError:  # no control group, or one of version 1
        return free
    if limit == "max":
        return free
    return min(free, int(limit) - int(used) + (int(cached[1]) if cached else 0))


def _megabytes(size: int) -> str:
    return f"{size / 1e6:,.0f}".replace(",", " ")
