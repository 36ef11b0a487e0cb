# What all rules share: the plan, and the functions that several stages use.
#
# Rules have literals and names of functions. They do not compute.
# - A path that varies only with the wildcards of its rule is written in the rule.
# - What the plan or the config decides (other files, settings, digests, resources) comes from a function
#   get_* in functions/<stage>.smk, or from here if several stages use it.
# - These functions take paths from cutpoint.plan.paths. They do not write paths. Params with such paths go through
#   `place`, for a workflow that has this one as a module with a prefix.
import atexit
import sys

from cutpoint.errors import UserError
from cutpoint.plan.code_digests import CodeDigests
from cutpoint.plan.converted import source_digest
from cutpoint.plan.devices import check_providers, compare_gpus, resolve_device
from cutpoint.plan.digests import Digests
from cutpoint.plan.make import make_project
from cutpoint.plan.paths import accepted_file, classes_file, spec_file
from cutpoint.plan.tables import report_entries, table_rows
from cutpoint.printable import printable


include: "../functions/start.smk"


CONFIG_FILES = workflow.overwrite_configfiles or workflow.configfiles
DIGESTS = Digests(".snakemake/cutpoint-digests.json")
atexit.register(DIGESTS.save)
get_code = CodeDigests(DIGESTS).get


def say(message):
    names = ", ".join(map(str, CONFIG_FILES))
    print(printable(f"cutpoint: {message} (config: {names})"), file=sys.stderr)


def stop(error):
    say(error)
    sys.exit(1)


try:
    PROJECT = make_project(
        config,
        CONFIG_FILES,
        clone=CLONE,
        digests=DIGESTS,
        remote=workflow.remote_exec,
        # With --jobs the executor may be a remote one. This is known only at the start.
        check_machine=workflow.resource_settings.nodes is None,
    )
except UserError as error:
    stop(error)
CONFIG, PLAN, GATE = PROJECT.config, PROJECT.plan, PROJECT.gate
SOURCES, RECOGNISER = PROJECT.sources, PROJECT.recogniser
MODULES, CONFIGS = PROJECT.modules, PROJECT.model_configs
if workflow.is_main_process:
    for notice in PROJECT.notices:
        say(notice)
ROWS = table_rows(PLAN)
ENTRIES = report_entries(PLAN)
CONVERTED = {d.annotations: d for d in PLAN.datasets if d.converted_from}


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
            notice = compare_gpus(PLAN.wanted_providers, get_gpu_limit())
            if notice:
                say(notice)
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


def get_gpu_limit():
    """How many jobs on a GPU run at a time; null without a limit."""
    limit = workflow.global_resources.get("gpu")
    return limit.value if limit else None


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
    if path in CONVERTED:
        return path
    path = beside_storage(path)
    return path if path in SOURCES else ancient(path)


def get_digests(paths):
    """Digests of files that a rule's result depends on; the last known one for files still to be fetched.

    Annotations that are converted count by the user's files.
    """
    return {
        place(path): (
            source_digest(DIGESTS, CONVERTED[path])
            if path in CONVERTED
            else DIGESTS.last_known(path, fetched=path in SOURCES)
        )
        for path in paths
    }


include: "../functions/place.smk"
include: "../functions/ancient.smk"
include: "../functions/data.smk"
include: "../functions/formats.smk"
include: "../functions/preflight.smk"
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
