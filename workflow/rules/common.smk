# What all rules share: the plan, and the functions that several stages use.
#
# Rules have literals and names of functions. They do not compute.
# - A path that varies only with the wildcards of its rule is written in the rule.
# - What the plan or the config decides (other files, settings, digests, resources) comes from a function
#   get_* in functions/<stage>.smk, or from here if several stages use it.
# - These functions take paths from cutpoint.plan.paths. They do not write paths.
import atexit
import sys

from cutpoint.errors import UserError
from cutpoint.plan.gate_rules import gate_baseline, resolve_gate
from cutpoint.plan.checks import check_files
from cutpoint.plan.closure import config_files, module_files
from cutpoint.plan.code_digests import CodeDigests
from cutpoint.plan.config import check_unique_keys, complete_config
from cutpoint.plan.devices import check_providers, resolve_device
from cutpoint.plan.digests import Digests
from cutpoint.plan.locations import find_beside, locate_config
from cutpoint.plan.old_keys import upgrade_config
from cutpoint.plan.paths import accepted_file, classes_file, spec_file
from cutpoint.plan.recognition import Recogniser
from cutpoint.plan.resolve import build_plan
from cutpoint.plan.sources import read_sources
from cutpoint.plan.tables import report_entries, table_rows

SCHEMA = CLONE / "workflow/schemas/config.schema.yaml"
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
    CONFIG = locate_config(complete_config(TODAYS, SCHEMA), CLONE)
    SOURCES = read_sources(find_beside("data/sources.tsv", CLONE))
    RECOGNISER = Recogniser(SOURCES, DIGESTS)
    PLAN = build_plan(
        CONFIG,
        resolve_device(CONFIG["device"], remote=workflow.remote_exec),
        RECOGNISER,
    )
    GATE = resolve_gate(CONFIG["gate"], PLAN.evaluations, gate_baseline(CONFIG))
    check_files(PLAN, SOURCES, DIGESTS)
    MODULES = module_files(CONFIG["imports"])
    CONFIGS = {m.name: config_files(m.config) for m in PLAN.models if m.config}
    # With --jobs the executor may be a remote one. This is known only at the start.
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
    """Check the device of the machine that runs the jobs, before the first job."""
    try:
        if workflow.local_exec:
            check_providers(PLAN.wanted_providers)
        else:
            resolve_device(CONFIG["device"], remote=True)
    except UserError as error:
        stop(error)


def get_all_cores(wildcards):
    return workflow.cores


def get_evaluation(wildcards):
    return PLAN.evaluation(wildcards.dataset, wildcards.model)


def get_variant(wildcards):
    return get_evaluation(wildcards).variant(wildcards.variant)


def match_any(names):
    """A pattern that matches these names; nothing if there are none."""
    return "|".join(sorted(names)) or "(?!)"


def get_mmdet_models():
    return match_any(model.name for model in PLAN.models if not model.is_external)


def get_external_models():
    """Matches the models without mmdet."""
    return match_any(model.name for model in PLAN.models if model.is_external)


def get_classes(wildcards):
    """The file with the class names of a model."""
    return classes_file(PLAN.model(wildcards.model))


def get_variants():
    """Matches the names of all variants."""
    return match_any({v.name for e in PLAN.evaluations for v in e.variants})


def get_reference_name(wildcards):
    return get_evaluation(wildcards).reference.name


def get_run(wildcards):
    return get_evaluation(wildcards).run(wildcards.run)


def get_runs(wildcards):
    """The run of a job, or all runs of its evaluation."""
    one = "run" in wildcards.keys()
    return [get_run(wildcards)] if one else get_evaluation(wildcards).runs


def get_gpu_count(wildcards):
    """Those that the job's runs need, one after the other."""
    return max(run.gpus for run in get_runs(wildcards))


def get_specs(wildcards):
    """The specifications of a job's runs."""
    exports = [run.export for run in get_runs(wildcards)]
    return list(dict.fromkeys(spec_file(wildcards.model, export) for export in exports))


def get_accepted(wildcards):
    """The verifications that the use of exports waits for, if they are strict."""
    runs = get_runs(wildcards) if CONFIG["verify"] == "strict" else []
    return [accepted_file(wildcards.model, run.export) for run in runs if run.export]


def as_source(path):
    """An input that no rule makes. Its digest among the rule's params decides if it changed, not its time."""
    return path if path in SOURCES else ancient(path)


def get_digests(paths):
    """Digests of files that a rule's result depends on; the last known one for files still to be fetched."""
    return {path: DIGESTS.last_known(path, fetched=path in SOURCES) for path in paths}


include: "../functions/data.smk"
include: "../functions/layouts.smk"
include: "../functions/detector.smk"
include: "../functions/export.smk"
include: "../functions/predict.smk"
include: "../functions/latency.smk"
include: "../functions/compare.smk"
include: "../functions/summary.smk"
include: "../functions/report.smk"
include: "../functions/gate.smk"
include: "../functions/golden.smk"
include: "../functions/runs.smk"
