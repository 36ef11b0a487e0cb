"""What the page says about time: the stages of each variant, how they were measured, and what proves it."""

from collections.abc import Callable
from typing import Any

from cutpoint.latency.statistics import COPIES, STAGES
from cutpoint.report.words import fixed

SHOWN = ("p90", "p95", "p99", "mean")


def stage_table(timings: list[dict[str, Any]]) -> dict[str, Any]:
    """Medians of the stages, the total's distribution and its difference to the reference, ms.

    Args:
        timings: the latency JSON of each variant with its ``dataset`` and ``model``, in table order.

    Returns:
        ``heads`` and ``rows`` of cells as text; a column that no variant has is left out.
    """
    used = [stage for stage in _in_order() if any(stage in timing["stages"] for timing in timings)]
    columns: dict[str, Callable[[dict[str, Any]], str]] = {
        stage.replace("_", " "): lambda t, stage=stage: _number(t["stages"].get(stage, {}).get("p50"))
        for stage in used
    }
    columns["total p50"] = lambda t: _number(t["stages"]["total"]["p50"])
    columns["95 % interval"] = lambda t: _span(t["stages"]["total"]["p50_ci95"])
    columns |= {key: lambda t, key=key: _number(t["stages"]["total"][key]) for key in SHOWN}
    columns["n"] = lambda t: str(t["stages"]["total"]["n"])
    columns["difference to the reference"] = lambda t: _difference(t["difference"])
    columns["images/s"] = lambda t: fixed(1)(t["throughput"]["images_per_s"]) if t["throughput"] else ""
    columns["notes"] = lambda t: "; ".join(t["notes"])
    return _table(timings, columns)


def proof_table(timings: list[dict[str, Any]]) -> dict[str, Any]:
    """What ran where and in what state: providers, nodes, memory, cold start, warm-up, other processes."""
    columns: dict[str, Callable[[dict[str, Any]], str]] = {
        "provider": _provider,
        "nodes": lambda t: _nodes(t["census"], "nodes", str),
        "share of the nodes' time": lambda t: _nodes(t["census"], "share", "{:.1%}".format),
        "parts": lambda t: str(t["census"]["parts"]) if t["census"] else "",
        "copies": lambda t: str(t["census"]["copies"]) if t["census"] else "",
        "optimisation": lambda t: t.get("graph_optimisation", ""),
        "CUDA graph": lambda t: "yes" if t.get("cuda_graph") else "",
        "peak memory [MiB]": lambda t: fixed(0)(t["memory"]["host_peak_mib"]),
        "on the GPU [MiB]": lambda t: _number(t["memory"]["device_mib"]),
        "opened in [s]": lambda t: _number(t["cold_start"]["open_s"]),
        "first run [ms]": lambda t: _number(t["cold_start"]["first_run_ms"]),
        "warm-up runs": lambda t: str(t["warm_up"]["runs"]),
        "input shapes": lambda t: str(len(t["warm_up"]["shapes"])),
        "cores busy elsewhere": lambda t: _number(t["load"]["foreign_cores"]),
    }
    return _table(timings, columns)


def conditions(timing: dict[str, Any]) -> dict[str, Any]:
    """How a variant was timed, and what state the machine was in."""
    watched = timing["watch"]
    return {
        "threads": timing["threads"],
        "cores it may use": timing["affinity"],
        "batch": timing["batch"],
        "images": timing["images"],
        "images in a block": timing["block_images"],
        **{f"{when} it": watched[when] for when in ("before", "during", "after")},
        "throttled": watched["throttled"],
    }


def _table(timings: list[dict[str, Any]], columns: dict[str, Callable[[dict[str, Any]], str]]) -> dict:
    filled = {
        head: cells
        for head, cell in columns.items()
        if any(cells := [cell(timing) for timing in timings]) or head == "notes"
    }
    names = [(f"{timing['dataset']}, {timing['model']}", timing["variant"]) for timing in timings]
    return {
        "heads": list(filled),
        "rows": [
            {"place": place, "variant": variant, "cells": [cells[i] for cells in filled.values()]}
            for i, (place, variant) in enumerate(names)
        ],
    }


def _in_order() -> list[str]:
    """The stages as an image meets them, without the total."""
    decode, preprocess, inference, postprocess, _ = STAGES
    there, back = COPIES
    return [decode, preprocess, there, inference, back, postprocess]


def _number(value: float | None) -> str:
    return "" if value is None else fixed(2)(value)


def _span(limits: list[float] | None) -> str:
    return f"{limits[0]:.2f} to {limits[1]:.2f}" if limits else ""


def _difference(found: dict[str, Any] | None) -> str:
    if not found:
        return ""
    limits = found["p50_ci95"]
    return f"{found['p50_ms']:+.2f}" + (f" ({limits[0]:+.2f} to {limits[1]:+.2f})" if limits else "")


def _provider(timing: dict[str, Any]) -> str:
    asked, got = timing["provider_asked"], timing["provider_got"]
    return got if asked == got else f"{got} ({asked} asked)"


def _nodes(census: dict[str, Any] | None, key: str, style: Callable[[Any], str]) -> str:
    if not census:
        return ""
    return ", ".join(
        f"{name.removesuffix('ExecutionProvider')} {style(n)}" for name, n in census[key].items()
    )
