"""The page about time: the stages of each variant, how they were measured, and the evidence for it."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from cutpoint.records.latency import IN_ORDER, Difference, Latency, read_latency
from cutpoint.records.timing import NodePlacement
from cutpoint.summary.words import fixed

SHOWN = ("p90", "p95", "p99", "mean")


@dataclass(frozen=True)
class TimedVariant:
    """The latency of a variant on a data set."""

    dataset: str
    model: str
    latency: Latency

    @property
    def place(self) -> str:
        """Data set and model."""
        return f"{self.dataset}, {self.model}"


def read_timings(entries: list[dict[str, str]]) -> list[TimedVariant]:
    """Read ``{dataset, model, path}`` of every variant's latency JSON."""
    return [TimedVariant(e["dataset"], e["model"], read_latency(e["path"])) for e in entries]


def stage_table(timings: list[TimedVariant]) -> dict[str, Any]:
    """Medians of the stages, the total's distribution and its difference from the reference, ms.

    Args:
        timings: the timings of all variants, in table order.

    Returns:
        ``heads`` and ``rows`` of cells as text; a column without any value is left out.
    """
    columns: dict[str, Callable[[Latency], str]] = {
        name.replace("_", " "): partial(_median, stage=name) for name in IN_ORDER
    }
    columns["total p50"] = lambda t: _number(t.stages.total.p50)
    columns["95 % interval"] = lambda t: _span(t.stages.total.p50_ci95)
    columns |= {key: partial(_of_total, statistic=key) for key in SHOWN}
    columns["n"] = lambda t: str(t.stages.total.n)
    columns["difference from the reference"] = lambda t: _difference(t.difference)
    columns["images/s"] = lambda t: fixed(1)(t.throughput.images_per_s) if t.throughput else ""
    columns["notes"] = lambda t: "; ".join(t.notes)
    return _table(timings, columns)


def proof_table(timings: list[TimedVariant]) -> dict[str, Any]:
    """The conditions of each run: providers, nodes, memory, cold start, warm-up, other processes."""
    columns: dict[str, Callable[[Latency], str]] = {
        "provider": _provider,
        "nodes": lambda t: _placed(t, lambda nodes: _by_provider(nodes.nodes, str)),
        "fraction of the nodes' time": lambda t: _placed(t, lambda n: _by_provider(n.share, "{:.1%}".format)),
        "parts": lambda t: _placed(t, lambda nodes: str(nodes.parts)),
        "copies": lambda t: _placed(t, lambda nodes: str(nodes.copies)),
        "optimisation": lambda t: t.graph_optimisation or "",
        "CUDA graph": lambda t: "yes" if t.cuda_graph else "",
        "peak memory [MiB]": lambda t: fixed(0)(t.memory.host_peak_mib),
        "on the GPU [MiB]": lambda t: _number(t.memory.device_mib),
        "opened in [s]": lambda t: _number(t.cold_start.open_s),
        "first run [ms]": lambda t: _number(t.cold_start.first_run_ms),
        "warm-up runs": lambda t: str(t.warm_up.runs),
        "input shapes": lambda t: str(len(t.warm_up.shapes)),
        "cores busy elsewhere": lambda t: _number(t.load.foreign_cores),
    }
    return _table(timings, columns)


def conditions(latency: Latency) -> dict[str, Any]:
    """How a variant was timed, and the state of the machine."""
    watch = latency.watch
    return {
        "threads": latency.threads,
        "cores it may use": list(latency.affinity),
        "batch": latency.batch,
        "images": latency.images,
        "images in a block": latency.block_images,
        **{"before it": watch.before, "during it": watch.during, "after it": watch.after},
        "throttled": list(watch.throttled),
    }


def _table(timings: list[TimedVariant], columns: dict[str, Callable[[Latency], str]]) -> dict[str, Any]:
    filled = {
        head: cells
        for head, cell in columns.items()
        if any(cells := [cell(timing.latency) for timing in timings]) or head == "notes"
    }
    return {
        "heads": list(filled),
        "rows": [
            {
                "place": timing.place,
                "variant": timing.latency.variant,
                "cells": [cells[i] for cells in filled.values()],
            }
            for i, timing in enumerate(timings)
        ],
    }


def _median(latency: Latency, stage: str) -> str:
    stages = latency.stages.in_order()
    return _number(stages[stage].p50) if stage in stages else ""


def _of_total(latency: Latency, statistic: str) -> str:
    return _number(getattr(latency.stages.total, statistic))


def _number(value: float | None) -> str:
    return "" if value is None else fixed(2)(value)


def _span(limits: tuple[float, float] | None) -> str:
    return f"{limits[0]:.2f} to {limits[1]:.2f}" if limits else ""


def _difference(difference: Difference | None) -> str:
    if difference is None:
        return ""
    limits = difference.p50_ci95
    return f"{difference.p50_ms:+.2f}" + (f" ({limits[0]:+.2f} to {limits[1]:+.2f})" if limits else "")


def _provider(latency: Latency) -> str:
    asked, got = latency.provider_asked, latency.provider_got
    return got if asked == got else f"{got} ({asked} asked)"


def _placed(latency: Latency, cell: Callable[[NodePlacement], str]) -> str:
    return cell(latency.node_placement) if latency.node_placement else ""


def _by_provider(values: dict[str, Any], style: Callable[[Any], str]) -> str:
    return ", ".join(f"{name.removesuffix('ExecutionProvider')} {style(n)}" for name, n in values.items())
