import atexit
import sys
from pathlib import Path

from cutpoint.errors import UserError
from cutpoint.gate.rules import resolve_gate
from cutpoint.plan.checks import check_files
from cutpoint.plan.closure import config_files, module_files
from cutpoint.plan.code_digests import CodeDigests
from cutpoint.plan.config import check_unique_keys, complete_config
from cutpoint.plan.devices import check_providers, resolve_device
from cutpoint.plan.digests import Digests
from cutpoint.plan.ladder import ladder_files
from cutpoint.plan.old_keys import upgrade_config
from cutpoint.plan.paths import (
    autopsy_files,
    comparison_files,
    detections_file,
    onnx_file,
)
from cutpoint.plan.resolve import build_plan
from cutpoint.plan.sources import read_sources
from cutpoint.plan.tables import report_entries, row_files, table_rows

SCHEMA = Path(workflow.current_basedir) / "../schemas/config.schema.yaml"
CONFIG_FILES = workflow.overwrite_configfiles or workflow.configfiles
DIGESTS = Digests(".snakemake/cutpoint-digests.json")
atexit.register(DIGESTS.save)
get_code = CodeDigests(DIGESTS).get


def say(message):
    names = ", ".join(map(str, CONFIG_FILES))
    print(f"cutpoint: {message} (config: {names})", file=sys.stderr)


def stop(error):
    say(error)
    sys.exit(1)


try:
    for path in CONFIG_FILES:
        check_unique_keys(path)
    TODAYS, NOTICES = upgrade_config(config)
    CONFIG = complete_config(TODAYS, SCHEMA)
    SOURCES = read_sources("data/sources.tsv")
    PLAN = build_plan(
        CONFIG, resolve_device(CONFIG["device"], remote=workflow.remote_exec)
    )
    GATE = resolve_gate(CONFIG["gate"], PLAN.evaluations)
    check_files(PLAN, SOURCES)
    MODULES = module_files(CONFIG["imports"])
    CONFIGS = {model.name: config_files(model.config) for model in PLAN.models}
    # With --jobs the executor may be a remote one, which is known on start only.
    if workflow.resource_settings.nodes is None:
        check_providers(PLAN.wanted_providers)
except UserError as error:
    stop(error)
if workflow.is_main_process:
    for notice in NOTICES:
        say(notice)
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


def get_all_cores(wildcards):
    return workflow.cores


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
    """Those that the job's runs need, one after the other."""
    return max(run.gpus for run in get_runs(wildcards))


def as_source(path):
    """A file that no rule makes is stale by its digest, which is among the rule's params, not by its time."""
    return path if path in SOURCES else ancient(path)


def get_digests(paths):
    """Contents of files that a rule's result depends on; of those still to be fetched the last known."""
    return {path: DIGESTS.last_known(path, fetched=path in SOURCES) for path in paths}


def list_model_files(wildcards):
    """Those of a model that lie here: its config with all that it reaches, its checkpoint, imported modules."""
    model = PLAN.model(wildcards.model)
    return [*CONFIGS[model.name], model.checkpoint, *MODULES]


def get_model_files(wildcards):
    return [as_source(path) for path in list_model_files(wildcards)]


def get_model_digests(wildcards):
    return get_digests(list_model_files(wildcards))


def get_model_settings(wildcards):
    model = PLAN.model(wildcards.model)
    return {"config": model.config, "checkpoint": model.checkpoint}


def get_accepted(wildcards):
    """What the use of exports waits for: their verification, where that is strict."""
    runs = get_runs(wildcards) if CONFIG["verify"] == "strict" else []
    folder = f"results/models/{wildcards.model}"
    return [f"{folder}/{run.export.name}.accepted" for run in runs if run.export]


def get_variants():
    """Matches the names of all variants."""
    return "|".join(sorted({v.name for e in PLAN.evaluations for v in e.variants}))


include: "../functions/data.smk"
include: "../functions/export.smk"
include: "../functions/predict.smk"
include: "../functions/compare.smk"
include: "../functions/latency.smk"
include: "../functions/report.smk"
