"""What tables, page and timing get from a plan: cells, and the paths of files."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from cutpoint.plan.evaluations import Evaluation, Plan
from cutpoint.plan.paths import (
    RECOMMENDATIONS_FILE,
    conversion_file,
    detections_file,
    figures_folder,
    latency_samples_file,
    manifest_file,
    odd_folder,
    onnx_file,
    pair_file,
    precision_report,
    samples_folder,
    slice_samples_file,
    slices_file,
    spec_file,
    truth_file,
    variant_file,
    verify_file,
)
from cutpoint.plan.variants import COUNT, EXPORTER, OPSET, SCORES, ResultsVariant, Run, RunVariant, Variant
from cutpoint.providers import PROVIDERS
from cutpoint.records.json_file import as_content
from cutpoint.records.planned import PlannedRow


def table_row(evaluation: Evaluation, variant: Variant) -> PlannedRow:
    """The resolved cells of a variant's row, and the files for the other cells."""
    own, labelled = (evaluation, variant), evaluation.dataset.annotations
    row = PlannedRow(
        dataset=evaluation.dataset.name,
        model=evaluation.model.name,
        variant=variant.name,
        published_ap=evaluation.published_ap,
        manifest=manifest_file(evaluation.dataset),
        detections=detections_file(*own),
        truth=truth_file(evaluation),
        metrics=variant_file("metrics", *own) if labelled else None,
        slices=slices_file(evaluation.dataset),
        odd=odd_folder(evaluation.dataset),
        slice_samples=slice_samples_file(*own),
        comparison=None if variant == evaluation.reference else variant_file("comparisons", *own),
        remarks=tuple(_remarks(variant)),
    )
    if isinstance(variant, ResultsVariant):
        return row
    run, export = variant.run, variant.export
    return replace(
        row,
        runtime=run.runtime,
        cut=run.cut,
        precision=run.precision,
        provider=run.provider,
        input=run.input.text,
        recipe=variant.recipe_text,
        # the plan does not know the shape of an external file
        shape=None if export.external else export.trace.shape,
        batch=run.batch,
        tf32=_tf32(run),
        layout=export.external.layout if export.external else None,
        latency=variant_file("latency", *own),
        latency_samples=latency_samples_file(evaluation),
        onnx=onnx_file(row.model, run),
        verify=verify_file(row.model, run.export) if run.export else None,
        precision_report=precision_report(row.model, run),
    )


def _tf32(run: Run) -> str | None:
    """``on`` or ``off`` for providers that have tf32, in fp32; else null."""
    if not PROVIDERS[run.provider].has_tf32 or run.precision != "fp32":
        return None
    return "on" if run.tf32 else "off"


def _remarks(variant: Variant) -> list[str]:
    """Values that differ from the default and have no column."""
    if isinstance(variant, ResultsVariant):
        ids = {"category_ids": variant.category_ids, "image_ids": variant.image_ids}
        return [", ".join([f"external: {variant.results}", *(f"{k} {v}" for k, v in ids.items() if v)])]
    export, trace = variant.export, variant.export.trace
    if export.external and not export.is_converted:
        return [f"external: {export.external.path}"]
    remarks = [f"made from {export.external.path}"] if export.external else []
    remarks += [f"scores {export.scores}"] * (export.scores != SCORES)
    remarks += [f"{export.count} count"] * (export.count != COUNT)
    remarks += [f"opset {trace.opset}"] * (trace.opset != OPSET)
    remarks += [f"{trace.exporter} exporter"] * (trace.exporter != EXPORTER)
    if trace.calibration:
        remarks.append(f"calibrated on {trace.calibration.images} images of {trace.calibration.dataset.name}")
    return remarks


def table_rows(plan: Plan) -> list[dict[str, Any]]:
    """Every variant's row, in table order, as plain values, which a rule's params can hold."""
    return [as_content(table_row(e, variant)) for e in plan.evaluations for variant in e.variants]


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
            "by_hand": variant.run.keeps_candidates,
            "provider": variant.run.provider,
            "tf32": variant.run.tf32,
            "model": onnx_file(model.name, variant.run),
            "config": model.config,
            "checkpoint": model.checkpoint,
            "spec": spec_file(model.name, variant.run.export),
            "input": variant.run.input.definition,
            "imports": imports,
        }
        for variant in evaluation.run_variants
    ]


def timed_modules(jobs: Iterable[dict[str, Any]]) -> list[str]:
    """The modules that ``time_variants`` runs for the jobs of ``latency_jobs``.

    The coordinator imports the worker, and the worker everything except the post-processing after a graph.
    """
    written = any(job["by_hand"] for job in jobs)
    return ["cutpoint.latency.coordinator", *(["cutpoint.latency.handwritten"] if written else [])]


def latency_recipes(evaluation: Evaluation) -> dict[str, dict[str, Any]]:
    """The recipe that each variant is timed with: its definition, and its text for people."""
    return {
        variant.name: {"recipe": variant.recipe.definition, "recipe_text": variant.recipe_text}
        for variant in evaluation.run_variants
    }


def report_entries(plan: Plan) -> dict[str, list[dict[str, str]]]:
    """What page and figures show besides the tables: paths of files and folders, by kind."""
    entries: dict[str, list[dict[str, str]]] = {"ladders": [], "samples": [], "verifies": [], "latencies": []}
    entries |= {"checks": [], "precisions": [], "comparisons": [], "points": [], "diagnoses": []}
    entries |= {"figures": [], "recommendations": [], "slices": [], "timings": []}
    entries |= {"odd": [], "conversions": []}
    for e in plan.evaluations:
        pair = {"dataset": e.dataset.name, "model": e.model.name}
        if e.ladder:
            entries["ladders"].append({**pair, "path": pair_file("ladders", e)})
        entries["figures"].append({**pair, "path": figures_folder(e)})
        entries["recommendations"].append({**pair, "path": RECOMMENDATIONS_FILE})
        entries["samples"].append({**pair, "path": samples_folder(e)})
        if e.run_variants:
            entries["timings"].append({**pair, "path": latency_samples_file(e)})
        odd = odd_folder(e.dataset)
        # once for each data set, whatever the number of its models
        if odd and odd not in {entry["path"] for entry in entries["odd"]}:
            entries["odd"].append({**pair, "path": odd})
            conversion = conversion_file(e.dataset)
            entries["conversions"] += [{**pair, "path": conversion}] if conversion else []
        slices = slices_file(e.dataset)
        if slices:
            entries["slices"].append({**pair, "path": slices})
        for variant in e.variants:
            own = {**pair, "variant": variant.name}
            points = variant_file("operating_points", e, variant)
            entries["points"].append({**own, "reference": e.reference.name, "path": points})
            if isinstance(variant, RunVariant):
                entries["latencies"].append({**own, "path": variant_file("latency", e, variant)})
            if variant in e.diagnosed:
                entries["diagnoses"].append({**own, "path": variant_file("diagnoses", e, variant)})
            if variant != e.reference:
                entries["comparisons"].append({**own, "path": variant_file("comparisons", e, variant)})
    for model in plan.models:
        for export in plan.exports(model.name).values():
            alone = export.external and export.external.layout
            made = {"model": model.name, "path": verify_file(model.name, export)}
            entries["checks" if alone else "verifies"].append(made)
        runs = [run for e in plan.evaluations if e.model == model for run in e.runs]
        reports = dict.fromkeys(precision_report(model.name, run) for run in runs)
        entries["precisions"] += [{"model": model.name, "path": path} for path in reports if path]
    return entries
