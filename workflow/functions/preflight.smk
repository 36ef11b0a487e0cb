import json

from cutpoint.onnx_file import external_data_files
from cutpoint.plan.checks import CLASS_LISTS
from cutpoint.plan.inspections import (
    dataset_settings,
    external_settings,
    gather_settings,
    naming_findings,
)


def get_slices_source(wildcards):
    slices = PLAN.dataset(wildcards.dataset).slices
    return {"slices": as_source(slices)} if slices else {}


def get_dataset_digests(wildcards):
    dataset = PLAN.dataset(wildcards.dataset)
    return get_digests(filter(None, [dataset.annotations, dataset.slices]))


def get_dataset_inspection(wildcards):
    return place(dataset_settings(PLAN.dataset(wildcards.dataset), CONFIG))


def list_external_files(wildcards):
    """The files of a model without mmdet: the one with its class names, and its ONNX files."""
    model = PLAN.model(wildcards.model)
    given = json.loads(model.classes)
    named = isinstance(given, str) and given not in CLASS_LISTS
    files = [export.external.path for export in PLAN.files(model.name)]
    return list(dict.fromkeys([*([given] if named else []), *files]))


def get_external_sources(wildcards):
    return {"files": [as_source(path) for path in list_external_files(wildcards)]}


def get_naming_findings(wildcards):
    return naming_findings(PLAN, PLAN.model(wildcards.model))


def get_external_model_digests(wildcards):
    """Digests of the files, and of those next to them that hold their tensors."""
    files = list_external_files(wildcards)
    beside = [
        other
        for path in files
        if Path(path).is_file()
        for other in external_data_files(path)
    ]
    return get_digests([*files, *beside])


def get_external_inspection(wildcards):
    return place(external_settings(PLAN, PLAN.model(wildcards.model)))


def list_gathered():
    return gather_settings(PLAN, CONFIG, remote=not workflow.local_exec)


def get_gathered(wildcards):
    return place(list_gathered())


def get_findings(wildcards):
    settings = list_gathered()
    return {
        kind: list(settings[kind].values()) for kind in ("datasets", "odd", "models")
    }


def list_scored_files(wildcards):
    """What gather_findings reads besides the findings: annotations and results files."""
    annotations = [dataset.annotations for dataset in PLAN.datasets]
    results = [v.results for e in PLAN.evaluations for v in e.results_variants]
    return list(dict.fromkeys(path for path in [*annotations, *results] if path))


def get_scored_sources(wildcards):
    return [as_source(path) for path in list_scored_files(wildcards)]


def get_scored_digests(wildcards):
    return get_digests(list_scored_files(wildcards))
