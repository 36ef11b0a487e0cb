"""Gather the findings on all inputs."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cutpoint.preflight.evaluations import inspect_evaluation
from cutpoint.preflight.machine import inspect_machine
from cutpoint.records.oddities import INDEX, read_oddities
from cutpoint.records.preflight import (
    AllFindings,
    Findings,
    read_dataset_findings,
    read_model_findings,
    write_findings,
)


def gather_findings(
    *,
    datasets: Mapping[str, str],
    odd: Mapping[str, str],
    models: Mapping[str, str],
    evaluations: Sequence[Mapping[str, Any]],
    machine: Mapping[str, Any],
    out: str,
) -> None:
    """Inspect what needs data sets and models together, and write down all that was found.

    Args:
        datasets, models: findings on each, by name.
        odd: folders of ``report.oddities.show_oddities``, by the name of the data set.
        evaluations: ``dataset, model`` and ``settings``, see ``evaluations.inspect_evaluation``.
        machine: see ``machine.inspect_machine``.
        out: JSON file to write, see ``records.preflight.AllFindings``.
    """
    data = {name: read_dataset_findings(path) for name, path in datasets.items()}
    known = {name: read_model_findings(path) for name, path in models.items()}
    found: list[Findings] = [*data.values(), *known.values()]
    for entry in evaluations:
        pair = data[entry["dataset"]], known[entry["model"]]
        found.append(inspect_evaluation(*pair, **entry["settings"]))
    found.append(inspect_machine(data, **machine))
    problems = dict.fromkeys(problem for findings in found for problem in findings.problems)
    remarks = dict.fromkeys(remark for findings in found for remark in findings.remarks)
    pictures = tuple(line for name, folder in odd.items() if (line := _tell_odd(name, folder)))
    write_findings(out, AllFindings(tuple(problems), (*remarks, *pictures), pictures))


def _tell_odd(dataset: str, folder: str) -> str | None:
    """What is odd in a data set, in one line; null if nothing is."""
    counted = [kind.counted for kind in read_oddities(Path(folder, INDEX)).kinds]
    return (
        f"datasets.{dataset}: pictures in {folder} of what is odd: {'; '.join(counted)}" if counted else None
    )
