"""What the workflow's rules hand to the package of a plan: cells, and the paths of the files behind them."""

from collections.abc import Iterable
from typing import Any

from cutpoint.plan import Evaluation, Plan, Run, Variant


def table_row(evaluation: Evaluation, variant: Variant, batch: int) -> dict[str, Any]:
    """The resolved cells of a variant's row, and the files that the others are read from (null: none)."""
    dataset, model, run = evaluation.dataset.name, evaluation.model.name, variant.run
    own = f"{dataset}/{model}/{variant.name}.json"
    onnx = onnx_file(model, run)
    return {
        "dataset": dataset,
        "model": model,
        "variant": variant.name,
        "runtime": run.runtime,
        "cut": run.cut,
        "precision": run.precision,
        "provider": run.provider,
        "input": run.input,
        "recipe": variant.recipe_text,
        "shape": variant.shape,
        "batch": batch,
        "tf32": None,
        "manifest": f"results/manifests/{dataset}.json",
        "metrics": f"results/metrics/{own}" if evaluation.dataset.annotations else None,
        "latency": f"results/latency/{own}",
        "comparison": None if variant == evaluation.reference else f"results/comparisons/{own}",
        "verify": onnx and onnx.replace(".onnx", ".verify.json"),
        "onnx": onnx,
    }


def table_rows(plan: Plan, batch: int) -> list[dict[str, Any]]:
    """Every variant's row, in table order."""
    return [table_row(e, variant, batch) for e in plan.evaluations for variant in e.variants]


def row_files(rows: Iterable[dict[str, Any]], *kinds: str) -> list[str]:
    """The files of some kinds that rows name, each once."""
    return list(dict.fromkeys(row[kind] for row in rows for kind in kinds if row[kind]))


def onnx_file(model: str, run: Run) -> str | None:
    """The ONNX file of a run; null for PyTorch."""
    return f"results/models/{model}/{run.export.name}.onnx" if run.export else None


def detections_file(evaluation: Evaluation, variant: Variant) -> str:
    """A variant's detections."""
    return f"results/detections/{evaluation.dataset.name}/{evaluation.model.name}/{variant.name}.json"


def shard_files(evaluation: Evaluation, run: Run, ending: str) -> list[str]:
    """The files of a run's shards that end alike: ``parquet`` or ``images.parquet``."""
    folder = f"results/predictions/{evaluation.dataset.name}/{evaluation.model.name}/{run.name}"
    return [f"{folder}/{shard}.{ending}" for shard in range(evaluation.dataset.shards)]


def latency_jobs(evaluation: Evaluation) -> list[dict[str, Any]]:
    """What ``time_variants`` times, in table order."""
    model = evaluation.model
    return [
        {
            "variant": variant.name,
            "runtime": variant.run.runtime,
            "cut": variant.run.cut,
            "provider": variant.run.provider,
            "model": onnx_file(model.name, variant.run),
            "config": model.config,
            "checkpoint": model.checkpoint,
            "spec": f"results/models/{model.name}/spec.json",
            "recipe": variant.recipe.definition,
        }
        for variant in evaluation.variants
    ]


def comparison_files(evaluation: Evaluation, variant: Variant) -> dict[str, str]:
    """What ``compare`` reads; the metrics only where there are annotations."""
    sides = {"reference": evaluation.reference, "variant": variant}
    files = {side: detections_file(evaluation, chosen) for side, chosen in sides.items()}
    if evaluation.dataset.annotations:
        files |= {f"{side}_metrics": table_row(evaluation, v, 1)["metrics"] for side, v in sides.items()}
    return files


def report_entries(plan: Plan) -> dict[str, list[dict[str, str]]]:
    """What the page shows beside the tables: ladders, sample folders, verifications, latencies."""
    entries: dict[str, list[dict[str, str]]] = {"ladders": [], "samples": [], "verifies": [], "latencies": []}
    for e in plan.evaluations:
        pair = {"dataset": e.dataset.name, "model": e.model.name}
        folder = f"{e.dataset.name}/{e.model.name}"
        if e.ladder:
            entries["ladders"].append({**pair, "path": f"results/ladders/{folder}.json"})
        for variant in e.variants:
            own = {**pair, "variant": variant.name}
            entries["latencies"].append({**own, "path": f"results/latency/{folder}/{variant.name}.json"})
            if variant != e.reference:
                picture_index = f"results/samples/{folder}/{variant.name}/index.json"
                entries["samples"].append({**own, "path": picture_index})
    for model in plan.models:
        entries["verifies"] += [
            {"model": model.name, "path": f"results/models/{model.name}/{name}.verify.json"}
            for name in plan.exports(model.name)
        ]
    return entries
