"""The arguments of ``render_report`` for made-up records, and changes of them."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from datasets import save_labels
from report_fixtures import CLASSES, TABLES, write_autopsy, write_detections, write_results

from cutpoint.gate.check import evaluate_gate
from cutpoint.latency.notes import busy
from cutpoint.latency.paired import read_paired_times
from cutpoint.records.latency import read_latency, write_latency
from cutpoint.records.recommendation import write_recommendations
from cutpoint.records.summary import SummaryRow, by_evaluation, read_summary, write_summary
from cutpoint.records.timing import Load
from cutpoint.report.charts.draw import draw_figures
from cutpoint.report.samples import draw_samples
from cutpoint.summary.build import summarize
from cutpoint.summary.recommend import recommend

GATE_CHECKS = [
    {"dataset": "street", "model": "det", "variant": variant, "column": column}
    | {"bound": "min", "limit": limit}
    for variant, column, limit in (("raw", "agreement", 0.99), ("raw-int8", "delta_AP_lo", -0.005))
]
KINDS = ("ladders", "verifies", "precisions", "latencies", "comparisons", "points", "diagnoses")


def page_arguments(root: Path, gate: Sequence[dict] = GATE_CHECKS, **records) -> dict:
    """All files of ``report_fixtures.write_results``, what is drawn of them, and a gate that fails.

    Args:
        root: the folder of all files.
        gate: the checks of the gate; none: no gate.
        records: other arguments of ``write_results``.
    """
    made = write_results(root, **records)
    outs = {f"out_{key}": str(root / key) for key in TABLES}
    summarize(rows=made["rows"], **outs)
    judged = {f"out_{kind}": str(root / f"gate.{kind}") for kind in ("json", "xml")}
    evaluate_gate(summary=outs["out_csv"], checks=list(gate), **judged)
    samples = _samples(root, made, records.get("classes", CLASSES))
    arguments = {
        "gate": judged["out_json"] if gate else None,
        "summary": outs["out_csv"],
        "per_class": outs["out_per_class"],
        "config": {
            "device": "auto",
            "models": {"det": {"config": "</pre><script>"}},
            "comparison": {"margin": 0.001, "corner_px": 0.05, "score": 0.0001},
        },
        "entries": {
            "samples": samples,
            "checks": [],
            "recommendations": [
                {"dataset": dataset, "model": "det", "path": outs["out_recommendations"]}
                | {"latency_samples": str(root / "latency" / dataset / "det" / "samples.parquet")}
                for dataset in made["manifests"]
            ],
            "timings": [
                {"dataset": dataset, "model": "det"}
                | {"path": str(root / "latency" / dataset / "det" / "samples.parquet")}
                for dataset in made["manifests"]
            ],
            **{kind: made[kind] for kind in KINDS},
        },
    }
    return plotted(arguments, root / "figures")


def plotted(arguments: dict, root: Path) -> dict:
    """The arguments with the figures of every data set and model drawn anew."""
    drawn = []
    places = dict.fromkeys((row.dataset, row.model) for row in read_summary(arguments["summary"]))
    for number, (dataset, model) in enumerate(places):
        drawn.append({"dataset": dataset, "model": model, "path": str(root / str(number))})
        files = {key: arguments[key] for key in ("summary", "per_class", "entries")}
        draw_figures(**files, dataset=dataset, model=model, out_dir=drawn[-1]["path"])
    return shown(arguments, figures=drawn)


def _samples(root: Path, made: dict, classes: Sequence[str]) -> list[dict]:
    drawn = []
    others = [name for name in ("raw", "e2e") if name in {entry["variant"] for entry in made["comparisons"]}]
    for dataset, manifest in made["manifests"].items():
        folder = root / "samples" / dataset / "det"
        content = json.loads(Path(manifest).read_text(encoding="utf-8"))
        labelled = bool(content["annotations"])
        base = write_detections(root / "a.json", labelled)
        lost = {"raw": ((2, 1),), "e2e": ((3, 0), (3, 1))}
        found = {
            name: write_detections(root / f"drawn-{name}.json", labelled, lost=lost[name]) for name in others
        }
        causes = {"raw": {(2, 0.8): "nms"}, "e2e": {(3, 0.9): "top_k", (3, 0.8): "nms"}}
        autopsies = {
            name: write_autopsy(root / f"drawn-{name}.parquet", base, causes[name]) for name in others
        }
        draw_samples(
            manifest=manifest,
            truth=content["annotations"],
            labels=save_labels(root / "drawn-labels.json", range(len(classes)), classes),
            detections={"pytorch": base, **found},
            autopsies=autopsies,
            reference="pytorch",
            public=None,
            images=3,
            megabytes=1,
            score_thr=0.3,
            out_dir=str(folder),
        )
        drawn.append({"dataset": dataset, "model": "det", "path": str(folder)})
    return drawn


def shown(arguments: dict, **entries) -> dict:
    """The arguments with other entries of some kinds."""
    return arguments | {"entries": arguments["entries"] | entries}


def disturbed(cores: float = 1.0) -> dict:
    return {"disturbed": True, "foreign_cores": cores}


def with_flags(arguments: dict, folder: Path, dataset: str, **flags) -> dict:
    """The arguments with other flags of a data set's variants, in the summary and in their latencies."""
    rows = [
        replace(row, **flags.get(row.variant, {}) if row.dataset == dataset else {})
        for row in read_summary(arguments["summary"])
    ]
    write_summary(folder / "summary.csv", rows)
    latencies = []
    for number, entry in enumerate(arguments["entries"]["latencies"]):
        timing = read_latency(entry["path"])
        cores = flags.get(timing.variant, {}).get("foreign_cores")
        if entry["dataset"] == dataset and cores:
            load = Load(5.0, 5.0 * cores, cores)
            timing = replace(timing, load=load, disturbed=True, notes=(busy(f"{cores:.1f}"),))
        write_latency(folder / f"latency-{number}.json", timing)
        latencies.append(entry | {"path": str(folder / f"latency-{number}.json")})
    flagged = shown(arguments, latencies=latencies) | {"summary": str(folder / "summary.csv")}
    return recommended(flagged, rows, str(folder / "recommendations.json"))


def recommended(arguments: dict, rows: list[SummaryRow], out: str) -> dict:
    """The arguments with the recommendations for other rows."""
    entries = arguments["entries"]["recommendations"]
    times = {entry["dataset"]: read_paired_times(entry["latency_samples"]) for entry in entries}
    write_recommendations(out, [recommend(own, times[own[0].dataset]) for own in by_evaluation(rows)])
    return shown(arguments, recommendations=[entry | {"path": out} for entry in entries])
