from cutpoint.plan.capsule import (
    capsule_content,
    capsule_files,
    export_roles,
    find_capsule,
    source_roles,
)
from cutpoint.plan.gate_rules import gate_baseline
from cutpoint.plan.tables import row_files


def get_capsule_sources():
    """The user's files that numbers depend on, by their key in the config."""
    return source_roles(PLAN, CONFIG, CONFIGS, MODULES)


def get_capsule_files(wildcards):
    return {
        "files": capsule_files(capsule_content(PLAN, CONFIG)),
        "exports": list(export_roles(PLAN).values()),
        "sources": [as_source(path) for path in get_capsule_sources().values()],
    }


def get_capsule_settings(wildcards):
    content = capsule_content(PLAN, CONFIG)
    roles = place({**get_capsule_sources(), **export_roles(PLAN)})
    return {
        **place(content),
        "config": content["config"],
        "files": [[role, path] for role, path in roles.items()],
    }


def get_capsule_digests(wildcards):
    return get_digests(get_capsule_sources().values())


def get_baseline(wildcards):
    """The capsule of the run that this one is held against, by `compare_runs` or by the gate."""
    gate = wildcards.comparison == "gate"
    try:
        if gate:
            return find_capsule("gate.baseline", gate_baseline(CONFIG))
        return find_capsule("baseline", CONFIG["baseline"] or gate_baseline(CONFIG))
    except UserError as error:
        stop(error)


def get_baseline_source(wildcards):
    return as_source(get_baseline(wildcards))


def get_baseline_digest(wildcards):
    return get_digests([get_baseline(wildcards)])
