from types import SimpleNamespace

from cutpoint.plan.tables import latency_jobs, latency_recipes, row_files


def get_timed(wildcards):
    return latency_jobs(get_evaluation(wildcards), CONFIG["imports"])


def get_timed_exports(wildcards):
    return row_files(get_timed(wildcards), "model")


def get_latency_settings(wildcards):
    return CONFIG["latency"]


def get_timed_recipes(wildcards):
    return SimpleNamespace(**latency_recipes(get_evaluation(wildcards)))
