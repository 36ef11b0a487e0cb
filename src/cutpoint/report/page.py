"""The report: one HTML file that opens offline, with figures and pictures inside."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml
from markupsafe import Markup

from cutpoint.files import write_text
from cutpoint.records.figures import read_figures
from cutpoint.records.gate import Gate, read_gate
from cutpoint.records.latency import Latency
from cutpoint.records.per_class import read_per_class
from cutpoint.records.precision import Overflow, Saturation, read_precision
from cutpoint.records.summary import (
    COLUMNS,
    OF_DETECTIONS,
    OF_TIMES,
    SummaryRow,
    by_evaluation,
    read_summary,
)
from cutpoint.records.verification import Verification, read_verification
from cutpoint.report.assets import embed_json, libraries, scripts, styles
from cutpoint.report.class_table import class_table
from cutpoint.report.environment import open_templates
from cutpoint.report.first import CARDS, card
from cutpoint.report.group import Group, groups
from cutpoint.report.odd import in_words
from cutpoint.report.section import Entry, show
from cutpoint.report.sections import SECTIONS
from cutpoint.report.timings import TimedVariant, conditions, proof_table, read_timings, stage_table
from cutpoint.report.variant_table import variant_table
from cutpoint.summary.advice import RULE
from cutpoint.summary.flags import doubts
from cutpoint.summary.numbers import NUMBERS, Number, number_of, obstacles
from cutpoint.summary.words import fixed, interval, signed

BROKEN_SHOWN = 10


def render_report(
    *,
    summary: str,
    per_class: str,
    entries: dict[str, list[Entry]],
    gate: str | None,
    config: dict[str, Any],
    out: str,
) -> None:
    """Write the report.

    Args:
        summary: path of summary.csv.
        per_class: path of per_class.csv.
        entries: the files that the page shows, by kind; see ``plan.tables.report_entries``.
        gate: path of gate.json; null if the config has no gate.
        config: the resolved config, shown as YAML.
        out: path of the HTML file.
    """
    table, classes = read_summary(summary), read_per_class(per_class)
    timings = read_timings(entries["latencies"])
    environment = open_templates()
    environment.filters |= {"fixed4": fixed(4), "fixed2": fixed(2), "signed": signed}
    environment.filters |= {"facts": _facts, "interval": lambda limits: interval(*(limits or (None, None)))}
    judged = read_gate(gate) if gate else None
    asked = _Numbers()
    environment.filters["number_of"] = asked.key
    environment.filters["in_words"] = in_words
    every = groups(by_evaluation(table), classes, entries)
    page = environment.get_template("report.html.j2").render(
        styles=styles(),
        libraries=libraries(),
        scripts=scripts(),
        groups=[_group(number, group, config) for number, group in enumerate(every)],
        cards=len(every) <= CARDS,
        rule=RULE,
        variants=list(dict.fromkeys(row.variant for row in table)),
        gate=judged,
        doubted_checks=_doubted_checks(judged, table) if judged else [],
        mmdet=any(model.get("config") for model in config["models"].values()),
        exports=_judged(entries["verifies"]),
        checks=_judged(entries["checks"]),
        precisions=[_precision(entry) for entry in entries["precisions"]],
        timing=_timing(timings) if timings else None,
        time_doubts={
            (f"{row.dataset}, {row.model}", row.variant): ", ".join(doubts(row, OF_TIMES)) for row in table
        },
        comparison=config["comparison"],
        numbers=asked.shown,
        config=yaml.safe_dump(json.loads(json.dumps(config)), sort_keys=False, allow_unicode=True),
    )
    write_text(out, page)


class _Numbers:
    """The numbers that the heads of the page's tables ask about."""

    def __init__(self) -> None:
        self._keys = set[str]()

    def key(self, head: str) -> str | None:
        """The key in ``NUMBERS`` of a head."""
        key = number_of(head)
        if key:
            self._keys.add(key)
        return key

    def shown(self) -> dict[str, Number]:
        """Those that were asked about so far, in the order of ``NUMBERS``."""
        return {key: number for key, number in NUMBERS.items() if key in self._keys}


def _doubted_checks(gate: Gate, table: list[SummaryRow]) -> list[str]:
    """What makes the value of each check doubtful, in words."""
    rows = {(row.dataset, row.model, row.variant): row for row in table}
    flags = {name: column.doubted_by for name, column in COLUMNS.items()}
    return [
        ", ".join(doubts(rows[check.dataset, check.model, check.variant], flags.get(check.column, ())))
        for check in gate.checks
    ]


def _judged(entries: list[Entry]) -> list[tuple[str, Verification]]:
    """The judgement of each file, with its model."""
    return [(entry["model"], read_verification(entry["path"])) for entry in entries]


def _timing(timings: list[TimedVariant]) -> dict[str, Any]:
    return {
        "stages": stage_table(timings),
        "proof": proof_table(timings),
        "conditions": _facts_by_set(timings, conditions),
        "machine": _facts_by_set(timings, lambda latency: latency.machine),
    }


def _group(number: int, group: Group, config: dict[str, Any]) -> dict[str, Any]:
    """Everything on the page about one data set and model."""
    rows = group.rows
    figures = _figures(number, group)
    sections = show(SECTIONS, group.entries)
    doubtful_scores = {row.variant: ", ".join(doubts(row, OF_DETECTIONS)) for row in rows}
    return {
        "id": f"set-{number}",
        "dataset": group.dataset,
        "model": group.model,
        "images": rows[0].images,
        "labelled": group.labelled,
        "pictures": bool(group.entries.get("samples")),
        "all_run": all(row.runtime is not None for row in rows),
        "timed": any(row.latency_p50_ms is not None for row in rows),
        "card": card(rows, group.recommendation),
        "alarms": [alarm for section in sections for alarm in section.alarms],
        "tradeoff": next((figure for figure in figures if figure["name"] == "tradeoff"), None),
        "doubtful_times": {row.variant: ", ".join(doubts(row, OF_TIMES)) for row in rows},
        "doubtful_scores": doubtful_scores,
        **variant_table(rows),
        "figures": [figure for figure in figures if figure["name"] != "tradeoff"],
        "classes": class_table(group.classes, doubtful_scores),
        "obstacles": obstacles(rows, config.get("datasets", {}).get(group.dataset, {})),
        "ladders": [group.ladder] if group.ladder else [],
        "sections": sections,
    }


def _figures(number: int, group: Group) -> list[dict[str, Any]]:
    """The figures of ``charts.draw``: each with its picture, and with what makes it a live chart."""
    shown = []
    for entry in group.entries.get("figures", []):
        for figure in read_figures(Path(entry["path"]) / "index.json"):
            path, name = Path(entry["path"]) / figure.name, f"set-{number}-{figure.name}"
            spec = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
            shown.append(
                {
                    "id": name,
                    "name": figure.name,
                    "title": figure.title,
                    "caption": figure.caption,
                    "svg": _inline_svg(f"{path}.svg", name, figure.caption),
                    "data": embed_json({"group": number, "pick": figure.pick, "spec": spec}),
                }
            )
    return shown


def _precision(entry: Entry) -> dict[str, Any]:
    """The effect of a reduced precision: sizes, operators that stay in fp32, tensors that it breaks most."""
    report = read_precision(entry["path"])
    saturated = sorted(report.saturated or (), key=lambda tensor: -tensor.share_outside)
    overflows = sorted(report.overflows or (), key=lambda tensor: -tensor.max_abs)
    broken: list[Overflow] | list[Saturation] = saturated or overflows
    return {
        "model": entry["model"],
        "name": Path(entry["path"]).name.removeprefix("trace-").removesuffix(".precision.json"),
        "before": report.bytes.before / 1e6,
        "after": report.bytes.after / 1e6,
        "kept": report.kept_fp32.operators,
        "what": "overflow" if report.precision == "fp16" else "saturate",
        "count": len(broken),
        "broken": broken[:BROKEN_SHOWN],
    }


def _inline_svg(path: str, name: str, text: str) -> Markup:
    """The SVG for use inside HTML: without prolog, with a label and unique ids."""
    svg = Path(path).read_text(encoding="utf-8")
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{name}-", svg)
    svg = re.sub(r' (width|height)="[\d.]+pt"', "", svg, count=2)
    label = Markup('<svg role="img" aria-label="{}" ').format(f"{text} The numbers are in the tables.")
    return label + Markup(svg.removeprefix("<svg "))


def _facts_by_set(
    timings: list[TimedVariant], facts_of: Callable[[Latency], dict[str, Any]]
) -> dict[str, list[str]]:
    """The different values of each fact; with several values, each says where it holds."""
    facts: dict[str, dict[str, list[str]]] = {}
    for timing in timings:
        for name, value in facts_of(timing.latency).items():
            facts.setdefault(name, {}).setdefault(_facts(value), []).append(timing.place)
    return {
        name: [
            value if len(values) == 1 else f"{value} ({'; '.join(dict.fromkeys(places))})"
            for value, places in values.items()
        ]
        for name, values in facts.items()
    }


def _facts(value: Any) -> str:
    """A JSON value on one line, for people."""
    if isinstance(value, dict):
        return ", ".join(f"{key} {_facts(item)}" for key, item in value.items())
    if isinstance(value, list):
        return ", ".join(map(_facts, value)) or "none"
    return "not available" if value is None else str(value)
