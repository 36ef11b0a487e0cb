"""Count the nodes of a graph that each provider runs, in a profiled session that is not timed."""

import json
import tempfile
from collections import Counter
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from cutpoint.predict.runtime import Session
from cutpoint.records.timing import NodePlacement

SLOWEST = 5


def place_nodes(
    model: str, provider: str, threads: int, tf32: bool, feeds: dict[str, np.ndarray]
) -> NodePlacement:
    """Run a graph once in a profiled session and count its nodes.

    Args:
        model: ONNX file.
        provider, threads, tf32: see ``runtime.Session``.
        feeds: its inputs.
    """
    with tempfile.TemporaryDirectory() as folder:
        session = Session(model, provider, threads, tf32=tf32, profile=f"{folder}/profile")
        # the first run allocates memory and chooses kernels
        session.run(feeds)
        session.run(feeds)
        events = json.loads(Path(session.end_profiling()).read_text())
    return count_nodes(events)


def count_nodes(events: list[dict[str, Any]]) -> NodePlacement:
    """Count the nodes of the last run of a profile.

    Args:
        events: ONNX Runtime's profile, ``dur`` and ``ts`` in microseconds.
    """
    nodes = [event for event in events if event["cat"] == "Node" and "provider" in event["args"]]
    # a node may run several times, in a loop or in several runs: the last time counts
    last = {(e["name"], e["args"]["node_index"]): e for e in sorted(nodes, key=lambda event: event["ts"])}
    ran = sorted(last.values(), key=lambda event: event["ts"])
    providers = [event["args"]["provider"] for event in ran]
    total = sum(event["dur"] for event in ran) or 1
    times: Counter[str] = Counter()
    kinds: Counter[str] = Counter()
    for event, provider in zip(ran, providers, strict=True):
        times[provider] += event["dur"]
        kinds[event["args"]["op_name"]] += event["dur"]
    return NodePlacement(
        nodes=dict(Counter(providers)),
        parts=sum(1 for _ in groupby(providers)),
        copies=sum(event["args"]["op_name"].startswith("Memcpy") for event in ran),
        share={name: round(time / total, 4) for name, time in times.items()},
        slowest={name: round(time / total, 4) for name, time in kinds.most_common(SLOWEST)},
    )
