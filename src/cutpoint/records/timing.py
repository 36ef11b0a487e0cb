"""How variants were timed in turn, from image file to final boxes: every sample, and the conditions."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from cutpoint.errors import UserError
from cutpoint.files import replacing
from cutpoint.records.json_file import FORMAT, KEY, as_content, as_record

# key of the samples' metadata
METADATA = b"cutpoint"
# the note that stands for the flag in files of format 1
_UNCOMPILED = "without compiled NMS"


@dataclass(frozen=True)
class ColdStart:
    """``open_s``: seconds to open the variant. ``first_run_ms``: its first run, ms."""

    open_s: float
    first_run_ms: float


@dataclass(frozen=True)
class WarmedShape:
    """``runs``: runs of one input shape before it counts. ``stable``: whether the median became stable."""

    runs: int
    stable: bool


@dataclass(frozen=True)
class WarmUp:
    """``shapes``: by input shape, ``HxW`` in pixels. ``runs`` and ``seconds``: in total."""

    shapes: dict[str, WarmedShape]
    runs: int
    seconds: float


@dataclass(frozen=True)
class Load:
    """``seconds`` of watching; the CPU time of other processes in them, and the cores they kept busy."""

    seconds: float
    foreign_seconds: float
    foreign_cores: float


@dataclass(frozen=True)
class Throughput:
    """Images per second with the stages of several images overlapped, from ``images`` in ``seconds``."""

    images_per_s: float
    images: int
    seconds: float


@dataclass(frozen=True)
class Memory:
    """Peaks of the process, MiB; ``device_mib`` is null if the driver does not give it."""

    host_peak_mib: float
    device_mib: float | None


@dataclass(frozen=True)
class NodePlacement:
    """The nodes of a graph that each provider runs.

    ``nodes``: number of nodes of each provider, after graph optimisation. ``parts``: number of sequences of
    nodes of one provider, in the order of execution. ``copies``: nodes that copy between host and device.
    ``share``: each provider's fraction of the nodes' time. ``slowest``: the operator types that take most of
    it, as fractions.
    """

    nodes: dict[str, int]
    parts: int
    copies: int
    share: dict[str, float]
    slowest: dict[str, float]


@dataclass(frozen=True)
class Watched:
    """The machine ``before`` and ``after``, extremes ``during``, and why GPUs were ``throttled``."""

    before: dict[str, Any]
    during: dict[str, Any]
    after: dict[str, Any]
    throttled: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Timed:
    """How one variant was timed.

    ``provider_asked`` and ``provider_got``: of the job and of the session. ``recipe``: in words.
    ``without_compiled_nms``: PyTorch's NMS ran in Python, so the time does not show PyTorch's speed.
    ``affinity``: the cores that it may use. ``node_placement`` and the session's facts are null for PyTorch.
    """

    runtime: str
    cut: str
    tf32: bool
    provider_asked: str
    recipe: str
    provider_got: str
    without_compiled_nms: bool
    graph_optimisation: str | None = None
    provider_options: dict[str, Any] | None = None
    cuda_graph: bool | None = None
    pinned: bool | None = None
    affinity: tuple[int, ...]
    cold_start: ColdStart
    warm_up: WarmUp
    load: Load
    throughput: Throughput | None
    memory: Memory
    node_placement: NodePlacement | None

    @property
    def unsteady(self) -> tuple[str, ...]:
        """Input shapes (``HxW``) whose times were not stable when they began to count."""
        return tuple(name for name, shape in self.warm_up.shapes.items() if not shape.stable)


@dataclass(frozen=True, kw_only=True)
class Conditions:
    """What variants that are timed in turn share.

    ``batch``: images per run. ``images``: how many are timed, again and again. ``block_images``: how many in
    one variant's turn. ``machine``: facts from ``machine.machine_facts``.
    """

    threads: int
    batch: int
    images: int
    block_images: int
    machine: dict[str, Any]
    watch: Watched


@dataclass(frozen=True, kw_only=True)
class Timing(Conditions):
    """Metadata of ``results/latency/{dataset}/{model}/samples.parquet``; ``variants`` by name."""

    variants: dict[str, Timed]


def read_samples(path: str | Path) -> tuple[pd.DataFrame, Timing]:
    """Read the samples of variants that were timed in turn, and how they were timed.

    Returns:
        one row per run: ``variant, round, image_id`` (the first of a batch), ``shape`` (network input,
        ``HxW``) and the stages in ms; and the conditions.

    Raises:
        UserError: the file does not have samples.
    """
    try:
        table = pq.read_table(path)
        content = json.loads((table.schema.metadata or {})[METADATA])
    except (OSError, pa.ArrowException, KeyError, ValueError) as error:
        raise UserError(
            f"{path}: not a file of latency samples ({error}); remove it, and time again"
        ) from error
    return table.to_pandas(), as_record(content, Timing, str(path), _upgrade)


def write_samples(path: str | Path, rows: list[dict[str, Any]], timing: Timing) -> None:
    """Write samples, one row per run, completely or not at all; see ``read_samples``."""
    table = pa.Table.from_pandas(pd.DataFrame(rows), preserve_index=False)
    metadata = json.dumps({KEY: FORMAT, **as_content(timing)}, allow_nan=False).encode()
    with replacing(path) as temporary:
        pq.write_table(table.replace_schema_metadata({METADATA: metadata}), temporary, compression="zstd")


def upgrade_timed(content: dict[str, Any], number: int) -> dict[str, Any]:
    """A variant of format 1, which has the flag only as a note and calls the node placement census."""
    uncompiled = _UNCOMPILED in (content.get("notes") or [])
    return {"node_placement": content.get("census"), "without_compiled_nms": uncompiled} | content


def _upgrade(content: dict[str, Any], number: int) -> dict[str, Any]:
    variants = content.get("variants") or {}
    return content | {"variants": {name: upgrade_timed(timed, number) for name, timed in variants.items()}}
