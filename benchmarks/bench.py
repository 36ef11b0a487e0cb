"""Time callables side by side, and write what was found with the machine it was found on."""

import gc
import json
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from cutpoint.files import write_json, write_text
from cutpoint.machine import machine_facts

RESULTS = Path(__file__).parent / "results"
RESAMPLES = 1000


def time_in_turn(
    calls: dict[str, Callable[[], Any]],
    min_seconds: float = 1.0,
    min_runs: int = 30,
    warm_up: int = 3,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, np.ndarray]:
    """Run the calls in turn, round after round, so that what disturbs the machine disturbs all of them.

    Each round has another order, so that none always finds the caches as the same other one leaves them.

    Args:
        calls: name to a callable without arguments.
        min_seconds, min_runs: rounds go on until both are reached, warm-up not counted.
        warm_up: rounds that are thrown away.
        clock: what a call is measured with, seconds.

    Returns:
        name to ``(R,)`` float64 milliseconds; row ``r`` of all belongs to one round.
    """
    random = np.random.default_rng(0)
    samples: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(warm_up):
        for call in calls.values():
            call()
    gc.collect()
    gc.disable()
    try:
        end, runs = time.perf_counter() + min_seconds, 0
        while runs < min_runs or time.perf_counter() < end:
            for name in random.permutation(list(calls)):
                start = clock()
                calls[name]()
                samples[name].append((clock() - start) * 1000)
            runs += 1
    finally:
        gc.enable()
    return {name: np.array(values) for name, values in samples.items()}


def median(samples: np.ndarray) -> tuple[float, float, float]:
    """Median and its 95 % bootstrap interval, in the unit of the samples."""
    found = np.median(samples[_draws(len(samples))], axis=1)
    return float(np.median(samples)), *np.percentile(found, [2.5, 97.5]).tolist()


def ratio(samples: np.ndarray, others: np.ndarray) -> tuple[float, float, float]:
    """Median over median and its 95 % bootstrap interval, rounds drawn together."""
    draws = _draws(len(samples))
    found = np.median(samples[draws], axis=1) / np.median(others[draws], axis=1)
    return float(np.median(samples) / np.median(others)), *np.percentile(found, [2.5, 97.5]).tolist()


def _draws(count: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, count, (RESAMPLES, count))


def write_results(name: str, rows: list[dict[str, Any]], notes: str) -> None:
    """Write ``results/{name}.json`` and ``results/{name}.md``: machine, notes, one line a row.

    Args:
        name: of the files.
        rows: column to value, or to an estimate and the ends of its interval. The first row's columns are
            the table's; their names carry units.
        notes: what was measured and how, Markdown.
    """
    facts = {"date": date.today().isoformat()} | machine_facts()
    RESULTS.mkdir(exist_ok=True)
    write_json(RESULTS / f"{name}.json", {"machine": facts, "notes": notes, "rows": rows})
    columns = list(rows[0])
    table = [columns, ["---"] * len(columns), *([_cell(row[c]) for c in columns] for row in rows)]
    lines = ["| " + " | ".join(line) + " |" for line in table]
    machine = [f"- {key}: {_plain(value)}" for key, value in facts.items()]
    text = "\n".join([f"# {name}", "", notes.strip(), "", *lines, "", "Measured on", "", *machine, ""])
    write_text(RESULTS / f"{name}.md", text)
    print(text)


def _cell(value: Any) -> str:
    if isinstance(value, tuple | list):  # an estimate and its interval
        return "{} ({} to {})".format(*map(_cell, value))
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _plain(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {item}" for key, item in value.items())
    return ", ".join(value) if isinstance(value, list) else json.dumps(value).strip('"')
