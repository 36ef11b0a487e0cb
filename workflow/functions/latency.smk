from types import SimpleNamespace

from cutpoint.plan.tables import (
    latency_jobs,
    latency_recipes,
    row_files,
    timed_modules,
)


def list_timed(wildcards):
    return latency_jobs(get_evaluation(wildcards), CONFIG["imports"])


def get_timed(wildcards):
    return place(list_timed(wildcards))


def get_timed_exports(wildcards):
    return row_files(list_timed(wildcards), "model")


def get_latency_settings(wildcards):
    return CONFIG["latency"]


def get_timing_code(wildcards):
    """The code that is timed. The recipes' code is part of it only if a variant post-processes by hand."""
    return {module: get_code(module) for module in timed_modules(list_timed(wildcards))}


def get_timed_recipes(wildcards):
    return SimpleNamespace(**latency_recipes(get_evaluation(wildcards)))
