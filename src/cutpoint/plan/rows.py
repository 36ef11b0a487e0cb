"""What the workflow's rules hand to the package of a plan: cells, and the paths of the files behind them."""

from collections.abc import Iterable
from typing import Any

from cutpoint.errors import UserError
from cutpoint.plan.evaluations import Evaluation, Plan
from cutpoint.plan.variants import COUNT, EXPORTER, OPSET, SCORES, Run, Variant, differences

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
    """A GPU's fp32 has the choice."""
    if run.provider == "cpu" or run.precision != "fp32":
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


def onnx_file(model: str, run: Run) -> str | None:
    """The ONNX file of a run; null for PyTorch."""
    return f"results/models/{model}/{run.export.name}.onnx" if run.export else None


def precision_report(model: str, run: Run) -> str | None:
    """What the reduced precision did to a run's export; null in fp32 and for a file made elsewhere."""
    if not run.export or run.export.foreign or run.precision == "fp32":
        return None
    return f"results/models/{model}/{run.export.trace.name}.precision.json"


def detections_file(evaluation: Evaluation, variant: Variant) -> str:
    """A variant's detections."""
    return f"results/detections/{evaluation.dataset.name}/{evaluation.model.name}/{variant.name}.json"


def samples_file(evaluation: Evaluation, variant: Variant) -> str | None:
    """AP of a variant on resamples of its data set; null without annotations."""
    if not evaluation.dataset.annotations:
        return None
    return f"results/resamples/{evaluation.dataset.name}/{evaluation.model.name}/{variant.name}.npz"


def shard_files(evaluation: Evaluation, run: Run, ending: str) -> list[str]:
    """The files of a run's shards that end alike: ``parquet`` or ``images.parquet``."""
    folder = f"results/predictions/{evaluation.dataset.name}/{evaluation.model.name}/{run.name}"
    return [f"{folder}/{shard}.{ending}" for shard in range(evaluation.dataset.shards)]


def check_one_store(first: Variant, second: Variant) -> None:
    """Refuse a diff of recipes that do not read the same candidates.

    Raises:
        UserError: what differs.
    """
    if first.run != second.run or first.run is None or first.run.cut == "e2e":
        raise UserError(
            f"recipe diff of {first.name} and {second.name}: both must be recipes on the candidates of one "
            "run (cut raw or decoded, all but the recipe the same)"
        )


def rungs(evaluation: Evaluation) -> list[dict[str, Any]]:
    """What ``build_ladder`` needs of each rung: files, and what differs from the rung before."""
    found, keys = [], ("variant", "metrics", "samples", "comparison", "latency", "verify")
    for index, variant in enumerate(evaluation.ladder):
        row = table_row(evaluation, variant)
        lower = evaluation.ladder[index - 1] if index else variant
        found.append(
            {key: row[key] for key in keys}
            | {
                "detections": detections_file(evaluation, variant),
                "changes": _changes(lower, variant),
                "recipe": known_recipe(variant),
                "alone": _alone(evaluation, lower, variant),
            }
        )
    return found


def ladder_files(evaluation: Evaluation) -> list[str]:
    """What ``build_ladder`` reads."""
    rows = rungs(evaluation)
    kinds = ("detections", "metrics", "samples", "comparison", "latency", "verify")
    alone = [rung["alone"]["comparison"] for rung in rows if rung["alone"]]
    base = samples_file(evaluation, evaluation.reference)
    return list(dict.fromkeys([*row_files(rows, *kinds), *alone, *([base] if base else [])]))


def _alone(evaluation: Evaluation, lower: Variant, upper: Variant) -> dict[str, str] | None:
    """The variant that differs from the reference in what this step changes, and in nothing else."""
    reference, step = evaluation.reference, differences(lower, upper)
    if reference.results or not step:
        return None
    for variant in evaluation.variants:
        same = variant.run and variant.aspects[step[0]] == upper.aspects[step[0]]
        if same and differences(reference, variant) == step:
            return {
                "variant": variant.name,
                "comparison": table_row(evaluation, variant)["comparison"],
            }
    return None


def _changes(lower: Variant, upper: Variant) -> list[str]:
    """``cut raw → decoded``."""
    found, before, after = [], lower.aspects, upper.aspects
    for key in differences(lower, upper):
        if key.startswith("recipe "):
            found.append(f"recipe {lower.recipe_text} → {upper.recipe_text}")
        elif key == "calibration":
            names = (f"{side[key].images} of {side[key].dataset.name}" for side in (before, after))
            found.append("calibration " + " → ".join(names))
        elif key == "onnx":
            names = (side[key].path if side[key] else "Cutpoint's own" for side in (before, after))
            found.append("file " + " → ".join(names))
        else:
            found.append(f"{key} {before[key]} → {after[key]}")
    return found


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


def comparison_files(evaluation: Evaluation, variant: Variant) -> dict[str, str]:
    """What ``compare`` reads of both sides; the resamples only where there are annotations."""
    sides = {"reference": evaluation.reference, "variant": variant}
    files = {side: detections_file(evaluation, chosen) for side, chosen in sides.items()}
    if evaluation.dataset.annotations:
        files |= {f"{side}_samples": samples_file(evaluation, chosen) for side, chosen in sides.items()}
    return files


def autopsy_files(evaluation: Evaluation, variant: Variant) -> dict[str, str | list[str]]:
    """What ``autopsy`` reads of both sides: detections, and the shards with candidates."""
    files: dict[str, str | list[str]] = {}
    for side, chosen in {"reference": evaluation.reference, "variant": variant}.items():
        run = chosen.run and chosen.run.candidates
        files[side] = detections_file(evaluation, chosen)
        for kind, ending in {"predictions": "parquet", "images": "images.parquet"}.items():
            files[f"{side}_{kind}"] = shard_files(evaluation, run, ending) if run else []
    return files


def autopsy_recipe(variant: Variant) -> dict[str, Any]:
    """How a variant's candidates become its detections."""
    if known_recipe(variant) is None:
        return {"recipe": None}
    export = variant.export
    return {"recipe": known_recipe(variant), "clip": export.clip, "topk_limit": export.topk_limit}


def known_recipe(variant: Variant) -> str | dict[str, Any] | None:
    """A variant's recipe as the config defines it; null where its detections were made elsewhere."""
    made_elsewhere = variant.results or (variant.export.foreign and variant.run.cut == "e2e")
    return None if made_elsewhere else variant.recipe.definition


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
