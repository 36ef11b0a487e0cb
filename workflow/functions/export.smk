import json

from cutpoint.onnx_file import external_data_files
from cutpoint.plan.paths import export_file, manifest_file, trace_file


def get_fp32_trace(wildcards):
    """The fp32 trace that a trace in a reduced precision is made from."""
    trace = PLAN.trace(wildcards.model, wildcards.trace)
    return trace_file(wildcards.model, trace.fp32)


def get_calibration_manifest(wildcards):
    trace = PLAN.trace(wildcards.model, wildcards.trace)
    return manifest_file(trace.calibration.dataset)


def get_calibration_settings(wildcards):
    trace = PLAN.trace(wildcards.model, wildcards.trace)
    return {"images": trace.calibration.images}


def get_export(wildcards):
    return PLAN.export(wildcards.model, wildcards.export)


def get_trace(wildcards):
    return trace_file(wildcards.model, get_export(wildcards).trace)


def get_export_code(wildcards):
    """The code of an export. Only the cut e2e has post-processing in its graph."""
    e2e = get_export(wildcards).cut == "e2e"
    return get_code("cutpoint.export.e2e" if e2e else "cutpoint.export.cut")


def get_export_settings(wildcards):
    export = get_export(wildcards)
    if export.cut == "e2e":
        keys = ("clip", "count", "topk_limit")
        recipe = export.recipe.definition
        return {**{key: getattr(export, key) for key in keys}, "recipe": recipe}
    scores = {"scores": export.scores} if export.cut == "decoded" else {}
    return {"cut": export.cut, **scores}


def get_import_settings(wildcards):
    export = get_export(wildcards)
    return {"cut": export.cut, **json.loads(export.external.written)}


def get_imported_exports():
    """Matches the exports that are files of models without mmdet, as they are."""
    models = [model.name for model in PLAN.models if model.is_external]
    exports = [export for model in models for export in PLAN.files(model)]
    return match_any({export.name for export in exports if not export.is_converted})


def get_converted_exports(precision):
    """Matches the exports that are made from files of models without mmdet, in this precision."""
    models = [model.name for model in PLAN.models if model.is_external]
    exports = [
        export
        for model in models
        for export in PLAN.files(model)
        if export.is_converted
    ]
    return match_any(
        {export.name for export in exports if export.trace.precision == precision}
    )


def get_imported_file(wildcards):
    """The external file as it is, which an export in a reduced precision is made from."""
    return export_file(wildcards.model, get_export(wildcards).imported)


def get_export_calibration_manifest(wildcards):
    return manifest_file(get_export(wildcards).trace.calibration.dataset)


def get_export_calibration_settings(wildcards):
    return {"images": get_export(wildcards).trace.calibration.images}


def get_layout_settings(wildcards):
    external = get_export(wildcards).external
    return {
        "layout": external.layout,
        "written": json.loads(external.written),
        "candidate_floor": PLAN.model(wildcards.model).candidate_floor,
    }


def get_export_spec(wildcards):
    return spec_file(wildcards.model, get_export(wildcards))


def get_verify_manifest(wildcards):
    """The data set whose images are used to check an export or a reduced precision."""
    return manifest_file(PLAN.datasets_of(wildcards.model)[0])


def get_external_file(wildcards):
    return as_source(get_export(wildcards).external.path)


def get_external_digests(wildcards):
    """Digests of the file and of the files next to it that hold its tensors."""
    path = get_export(wildcards).external.path
    beside = external_data_files(path) if Path(path).is_file() else []
    return get_digests([path, *beside])
