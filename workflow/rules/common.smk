import json
import re
import sys
from pathlib import Path
from types import SimpleNamespace

from cutpoint.checks import check_files, config_files, module_files
from cutpoint.codes import get_code
from cutpoint.config import check_unique_keys, complete_config
from cutpoint.devices import check_providers, resolve_device
from cutpoint.errors import UserError
from cutpoint.gate_rules import resolve_gate
from cutpoint.resolve import build_plan
from cutpoint.rows import (
    autopsy_files,
    autopsy_recipe,
    check_one_store,
    comparison_files,
    detections_file,
    known_recipe,
    ladder_files,
    latency_jobs,
    latency_recipes,
    onnx_file,
    report_entries,
    row_files,
    rungs,
    samples_file,
    shard_files,
    table_rows,
)
from cutpoint.sources import read_sources
from cutpoint.variants import shape_value

SCHEMA = Path(workflow.current_basedir) / "../schemas/config.schema.yaml"
CONFIG_FILES = workflow.overwrite_configfiles or workflow.configfiles


def stop(error):
    names = ", ".join(map(str, CONFIG_FILES))
    print(f"cutpoint: {error} (config: {names})", file=sys.stderr)
    sys.exit(1)


try:
    for path in CONFIG_FILES:
        check_unique_keys(path)
    CONFIG = complete_config(config, SCHEMA)
    SOURCES = read_sources("data/sources.tsv")
    PLAN = build_plan(
        CONFIG, resolve_device(CONFIG["device"], remote=workflow.remote_exec)
    )
    GATE = resolve_gate(CONFIG["gate"], PLAN.evaluations)
    check_files(PLAN, SOURCES)
    MODULES = module_files(CONFIG["imports"])
    # With --jobs the executor may be a remote one, which is known on start only.
    if workflow.resource_settings.nodes is None:
        check_providers(PLAN.wanted_providers)
except UserError as error:
    stop(error)
ROWS = table_rows(PLAN)
ENTRIES = report_entries(PLAN)


wildcard_constraints:
    dataset=r"[A-Za-z0-9_-]+",
    model=r"[A-Za-z0-9_-]+",
    export=r"(raw|decoded|e2e)-[A-Za-z0-9_-]+",
    trace=r"trace-[A-Za-z0-9_-]+",
    run=r"[A-Za-z0-9_-]+",
    shard=r"\d+",
    variant=r"[A-Za-z0-9_-]+",


def check_executor():
    """Judge the device by where the jobs will run, before the first of them."""
    try:
        if workflow.local_exec:
            check_providers(PLAN.wanted_providers)
        else:
            resolve_device(CONFIG["device"], remote=True)
    except UserError as error:
        stop(error)


def get_all_targets():
    return ["results/report.html", "results/tables/summary.csv"]


def get_figures():
    """Those of the report; a ladder only where the config has one, operating points with ground truth."""
    labelled = any(evaluation.dataset.annotations for evaluation in PLAN.evaluations)
    names = ["ap", *(["ladder"] if ENTRIES["ladders"] else [])]
    names += [
        *(["operating_points"] if labelled else []),
        "calibration",
        "latency",
        "stages",
    ]
    return [f"results/figures/{name}.svg" for name in names]


def get_gate(wildcards):
    """What the gate came to; only where the config has one."""
    if not GATE:
        stop(UserError("gate: the config has no rule to hold variants to; add one"))
    return "results/gate.json"


def get_all_cores(wildcards):
    return workflow.cores


def get_source_pattern(is_folder):
    """Matches the paths of data/sources.tsv; where there is none, nothing."""
    paths = [
        re.escape(path)
        for path, source in SOURCES.items()
        if source.is_folder == is_folder
    ]
    return "|".join(paths) or "(?!)"


def get_source_settings(wildcards):
    source = SOURCES[wildcards.source]
    return {
        "url": source.url,
        "member": source.member,
        "sha256": source.sha256,
        "size": source.size_bytes,
    }


def get_evaluation(wildcards):
    return PLAN.evaluation(wildcards.dataset, wildcards.model)


def get_variant(wildcards):
    return get_evaluation(wildcards).variant(wildcards.variant)


def get_run(wildcards):
    return get_evaluation(wildcards).run(wildcards.run)


def get_runs(wildcards):
    """The run that a job is about, or all of its evaluation."""
    one = "run" in wildcards.keys()
    return [get_run(wildcards)] if one else get_evaluation(wildcards).runs


def get_gpu_count(wildcards):
    """1 where the job opens a session on a GPU."""
    return int(any(run.provider != "cpu" for run in get_runs(wildcards)))


def get_predict_threads(wildcards):
    """One long run takes all cores, many short ones run side by side; beside a GPU they decode."""
    if not workflow.local_exec:
        return 1
    if get_gpu_count(wildcards):
        return min(workflow.cores, 8)
    jobs = sum(len(e.runs) * e.dataset.shards for e in PLAN.evaluations)
    return max(1, workflow.cores // jobs)


def get_pytorch_threads(wildcards):
    """One on the CPU, where PyTorch's results depend on the number."""
    return get_predict_threads(wildcards) if get_gpu_count(wildcards) else 1


def get_dataset_files(wildcards):
    dataset = PLAN.dataset(wildcards.dataset)
    files = {"images": dataset.images}
    return (
        {**files, "annotations": dataset.annotations} if dataset.annotations else files
    )


def get_model_files(wildcards):
    """Those of a model that lie here: its config with all bases, its checkpoint, imported modules."""
    model = PLAN.model(wildcards.model)
    return [*config_files(model.config), model.checkpoint, *MODULES]


def get_model_settings(wildcards):
    model = PLAN.model(wildcards.model)
    return {"config": model.config, "checkpoint": model.checkpoint}


def get_trace_settings(wildcards):
    trace = PLAN.trace(wildcards.model, wildcards.trace)
    return {
        "shape": shape_value(trace.shape),
        "opset": trace.opset,
        "exporter": trace.exporter,
    }


def get_full_trace(wildcards):
    """The fp32 trace that one in a reduced precision is made from."""
    trace = PLAN.trace(wildcards.model, wildcards.trace).full
    return f"results/models/{wildcards.model}/{trace.name}.onnx"


def get_calibration(wildcards):
    return PLAN.trace(wildcards.model, wildcards.trace).calibration


def get_export(wildcards):
    return PLAN.export(wildcards.model, wildcards.export)


def get_trace(wildcards):
    trace = get_export(wildcards).trace
    return f"results/models/{wildcards.model}/{trace.name}.onnx"


def get_export_settings(wildcards):
    export = get_export(wildcards)
    recipe = export.recipe.definition if export.recipe else "mmdet3"
    keys = ("cut", "clip", "scores", "count", "topk_limit")
    return {**{key: getattr(export, key) for key in keys}, "recipe": recipe}


def get_import_settings(wildcards):
    export = get_export(wildcards)
    return {"cut": export.cut, "outputs": json.loads(export.foreign.outputs)}


def get_accepted(wildcards):
    """What the use of exports waits for: their verification, where that is strict."""
    runs = get_runs(wildcards) if CONFIG["verify"] == "strict" else []
    folder = f"results/models/{wildcards.model}"
    return [f"{folder}/{run.export.name}.accepted" for run in runs if run.export]


def get_verify_manifest(wildcards):
    return f"results/manifests/{PLAN.datasets_of(wildcards.model)[0].name}.json"


def get_run_settings(wildcards):
    run = get_run(wildcards)
    return {
        "provider": run.provider,
        "shards": get_evaluation(wildcards).dataset.shards,
        "input": run.input,
        "batch": run.batch,
        "tf32": run.tf32,
    }


def get_timed(wildcards):
    return latency_jobs(get_evaluation(wildcards), CONFIG["imports"])


def get_timed_recipes(wildcards):
    return SimpleNamespace(**latency_recipes(get_evaluation(wildcards)))


def get_variants():
    """Matches the names of all variants."""
    return "|".join(sorted({v.name for e in PLAN.evaluations for v in e.variants}))


def get_recipe_pair(wildcards):
    """Two variants whose recipes read one store."""
    evaluation = get_evaluation(wildcards)
    pair = [evaluation.variant(name) for name in (wildcards.first, wildcards.second)]
    check_one_store(*pair)
    return evaluation, pair


def get_diff_files(wildcards):
    evaluation, pair = get_recipe_pair(wildcards)
    return {
        "predictions": shard_files(evaluation, pair[0].run, "parquet"),
        "images": shard_files(evaluation, pair[0].run, "images.parquet"),
    }


def get_diff_settings(wildcards):
    first, second = get_recipe_pair(wildcards)[1]
    return {"first": first.recipe.definition, "second": second.recipe.definition}


def get_results_variants():
    """Matches the variants that are finished results files; where there is none, nothing."""
    names = {v.name for e in PLAN.evaluations for v in e.variants if v.results}
    return "|".join(sorted(names)) or "(?!)"


def get_predictions(wildcards):
    evaluation, run = get_evaluation(wildcards), get_variant(wildcards).run
    return {
        "predictions": shard_files(evaluation, run, "parquet"),
        "images": shard_files(evaluation, run, "images.parquet"),
    }


def get_recipe_settings(wildcards):
    variant = get_variant(wildcards)
    return {
        "cut": variant.run.cut,
        "recipe": variant.recipe.definition,
        "classes": get_evaluation(wildcards).dataset.class_map,
    }


def get_autopsy_settings(wildcards):
    evaluation = get_evaluation(wildcards)
    return {
        "reference": autopsy_recipe(evaluation.reference),
        "variant": autopsy_recipe(get_variant(wildcards)),
        "classes": evaluation.dataset.class_map,
    }


def get_mistake_files(wildcards):
    """The file that mistakes are made on, and what they are compared with."""
    evaluation = get_evaluation(wildcards)
    return {
        "model": onnx_file(wildcards.model, evaluation.mistaken),
        "reference": detections_file(evaluation, evaluation.reference),
    }


def get_mistake_settings(wildcards):
    evaluation = get_evaluation(wildcards)
    return {
        "provider": evaluation.mistaken.provider,
        "classes": evaluation.dataset.class_map,
        **CONFIG["fingerprints"],
    }


def get_operating_files(wildcards):
    """A variant's detections, and the reference's beside them."""
    evaluation, variant = get_evaluation(wildcards), get_variant(wildcards)
    files = {"variant": detections_file(evaluation, variant)}
    if variant != evaluation.reference:
        files["reference"] = detections_file(evaluation, evaluation.reference)
    return files


def get_comparison_settings(wildcards):
    reference = get_evaluation(wildcards).reference
    return {
        "reference_name": reference.name,
        "recipes": [known_recipe(v) for v in (reference, get_variant(wildcards))],
        **CONFIG["comparison"],
    }


def get_ladder_settings(wildcards):
    evaluation = get_evaluation(wildcards)
    reference = evaluation.reference
    return {
        "rungs": rungs(evaluation),
        "reference": {
            "variant": reference.name,
            "samples": samples_file(evaluation, reference),
        },
        "published_ap": evaluation.published_ap,
    }
