import json

from cutpoint.export.onnx_file import external_data_files
from cutpoint.plan.variants import shape_value


def get_trace_settings(wildcards):
    trace = PLAN.trace(wildcards.model, wildcards.trace)
    return {
        "shape": shape_value(trace.shape),
        "opset": trace.opset,
        "exporter": trace.exporter,
    }


def get_full_trace(wildcards):
    """The fp32 trace that one in a reduced precision is made from."""
    trace = PLAN.trace(wildcards.model, wildcards.trace).fp32
    return f"results/models/{wildcards.model}/{trace.name}.onnx"


def get_calibration(wildcards):
    return PLAN.trace(wildcards.model, wildcards.trace).calibration


def get_export(wildcards):
    return PLAN.export(wildcards.model, wildcards.export)


def get_trace(wildcards):
    trace = get_export(wildcards).trace
    return f"results/models/{wildcards.model}/{trace.name}.onnx"


def get_export_module(wildcards):
    """Only the cut e2e has post-processing in its graph."""
    return f"cutpoint.export.{'e2e' if get_export(wildcards).cut == 'e2e' else 'cut'}"


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
    return {"cut": export.cut, "outputs": json.loads(export.foreign.outputs)}


def get_verify_manifest(wildcards):
    return f"results/manifests/{PLAN.datasets_of(wildcards.model)[0].name}.json"


def get_foreign_digests(wildcards):
    """Of the file and of those beside it that hold its tensors."""
    path = get_export(wildcards).foreign.path
    beside = external_data_files(path) if Path(path).is_file() else []
    return get_digests([path, *beside])
