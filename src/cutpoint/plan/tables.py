"""What tables, page and timing get of a plan: cells, and the paths of the files behind them."""

from collections.abc import Iterable
from typing import Any

from cutpoint.plan.evaluations import Evaluation, Plan
from cutpoint.plan.paths import detections_file, onnx_file, precision_report, samples_file
from cutpoint.plan.variants import COUNT, EXPORTER, OPSET, SCORES, Run, Variant
from cutpoint.providers import PROVIDERS

RUN_CELLS = (
    *("runtime", "cut", "precision", "provider", "input"),
    *("recipe", "shape", "batch", "tf32", "onnx", "verify", "precision_report"),
)


def table_row(evaluation: Evaluation, variant: Variant) -> dict[str, Any]:
    """The resolved cells of a variant's row, and the files that the others are read from (null: none)."""
    dataset, model = evaluation.dataset.name, evaluation.model.name
    own = f"{dataset}/{model}/{variant.name}.json"
    return {
        "dataset": dataset,
        "model": model,
        "variant": variant.name,
        **(_run_cells(model, variant) if variant.run else dict.fromkeys(RUN_CELLS)),
        "published_ap": evaluation.published_ap,
        "manifest": f"results/manifests/{dataset}.json",
        "detections": detections_file(evaluation, variant),
        "truth": f"results/truth/{dataset}/{model}.json" if evaluation.dataset.annotations else None,
        "metrics": f"results/metrics/{own}" if evaluation.dataset.annotations else None,
        "samples": samples_file(evaluation, variant),
        "latency": f"results/latency/{own}" if variant.run else None,
        "comparison": None if variant == evaluation.reference else f"results/comparisons/{own}",
        "remarks": _remarks(variant),
    }


def _run_cells(model: str, variant: Variant) -> dict[str, Any]:
    run, trace = variant.run, variant.export.trace
    onnx = onnx_file(model, run)
    values = (
        *(run.runtime, run.cut, run.precision, run.provider, run.input),
        # of a file made elsewhere the plan does not know the shape
        *(variant.recipe_text, None if variant.export.foreign else trace.shape, run.batch, _tf32(run), onnx),
        onnx and onnx.replace(".onnx", ".verify.json"),
        precision_report(model, run),
    )
    return dict(zip(RUN_CELLS, values, strict=True))


def _tf32(run: Run) -> str | None:
    """In fp32 some providers have the choice."""
    if not PROVIDERS[run.provider].has_tf32 or run.precision != "fp32":
        return None
    return "on" if run.tf32 else "off"


def _remarks(variant: Variant) -> list[str]:
    """What no column says, where it is not the default."""
    if variant.results:
        return [f"made elsewhere: {variant.results}"]
    export, trace = variant.export, variant.export.trace
    if export.foreign:
        return [f"made elsewhere: {export.foreign.path}"]
    remarks = [f"scores {export.scores}"] * (export.scores != SCORES)
    remarks += [f"{export.count} count"] * (export.count != COUNT)
    remarks += [f"opset {trace.opset}"] * (trace.opset != OPSET)
    remarks += [f"{trace.exporter} exporter"] * (trace.exporter != EXPORTER)
    if trace.calibration:
        remarks.append(f"calibrated on {trace.calibration.images} images of {trace.calibration.dataset.name}")
    return remarks


def table_rows(plan: Plan) -> list[dict[str, Any]]:
    """Every variant's row, in table order."""
    return [table_row(e, variant) for e in plan.evaluations for variant in e.variants]


def row_files(rows: Iterable[dict[str, Any]], *kinds: str) -> list[str]:
    """The files of some kinds that rows name, each once."""
    return list(dict.fromkeys(row[kind] for row in rows for kind in kinds if row[kind]))


def latency_jobs(evaluation: Evaluation, imports: list[str]) -> list[dict[str, Any]]:
    """What ``time_variants`` times, in table order. ``imports``: the config's."""
    model = evaluation.model
    return [
        {
            "variant": variant.name,
            "runtime": variant.run.runtime,
            "cut": variant.run.cut,
            "provider": variant.run.provider,
            "tf32": variant.run.tf32,
            "model": onnx_file(model.name, variant.run),
            "config": model.config,
            "checkpoint": model.checkpoint,
            "spec": f"results/models/{model.name}/spec.json",
            "input": variant.run.input,
            "imports": imports,
        }
        for variant in evaluation.variants
        if variant.run
    ]


def latency_recipes(evaluation: Evaluation) -> dict[str, dict[str, Any]]:
    """With which recipe each variant is timed: its definition, and for people."""
    return {
        variant.name: {"recipe": variant.recipe.definition, "recipe_text": variant.recipe_text}
        for variant in evaluation.variants
        if variant.run
    }


def report_entries(plan: Plan) -> dict[str, list[dict[str, str]]]:
    """What page and figures show beside the tables, file by file."""
    entries: dict[str, list[dict[str, str]]] = {"ladders": [], "samples": [], "verifies": [], "latencies": []}
    entries |= {"precisions": [], "comparisons": [], "points": [], "diagnoses": []}
    for e in plan.evaluations:
        pair = {"dataset": e.dataset.name, "model": e.model.name}
        folder = f"{e.dataset.name}/{e.model.name}"
        if e.ladder:
            entries["ladders"].append({**pair, "path": f"results/ladders/{folder}.json"})
        for variant in e.variants:
            own = {**pair, "variant": variant.name}
            place = f"{folder}/{variant.name}.json"
            found = {"reference": e.reference.name, "path": f"results/operating_points/{place}"}
            entries["points"].append({**own, **found})
            if variant.run:
                entries["latencies"].append({**own, "path": f"results/latency/{place}"})
            if variant in e.diagnosed:
                entries["diagnoses"].append({**own, "path": f"results/diagnoses/{place}"})
            if variant != e.reference:
                entries["comparisons"].append({**own, "path": f"results/comparisons/{place}"})
                picture_index = f"results/samples/{folder}/{variant.name}/index.json"
                entries["samples"].append({**own, "path": picture_index})
    for model in plan.models:
        entries["verifies"] += [
            {"model": model.name, "path": f"results/models/{model.name}/{name}.verify.json"}
            for name in plan.exports(model.name)
        ]
        runs = [run for e in plan.evaluations if e.model == model for run in e.runs]
        reports = dict.fromkeys(precision_report(model.name, run) for run in runs)
        entries["precisions"] += [{"model": model.name, "path": path} for path in reports if path]
    return entries
