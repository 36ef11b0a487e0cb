import json

from cutpoint.plan.checks import CLASS_LISTS
from cutpoint.plan.paths import manifest_file


def list_class_files(wildcards):
    """The file that names a model's classes, or the ONNX files and manifests that do if the config has none."""
    model = PLAN.model(wildcards.model)
    given = json.loads(model.classes)
    if given is not None:
        named = isinstance(given, str) and given not in CLASS_LISTS
        return {"given": [given] if named else [], "files": [], "manifests": []}
    exports = PLAN.files(model.name)
    files = list(dict.fromkeys(export.external.path for export in exports))
    datasets = [] if files else PLAN.datasets_of(model.name)
    return {
        "given": [],
        "files": files,
        "manifests": list(map(manifest_file, datasets)),
    }


def get_class_files(wildcards):
    files = list_class_files(wildcards)
    sources = {key: list(map(as_source, files[key])) for key in ("given", "files")}
    return {**files, **sources}


def get_class_digests(wildcards):
    """Digest of the file with the names, and the names in ONNX files: other weights do not change them."""
    files = list_class_files(wildcards)
    names = {path: RECOGNISER.class_text(path) for path in files["files"]}
    return {**get_digests(files["given"]), **names}


def get_class_settings(wildcards):
    return {"classes": PLAN.model(wildcards.model).classes}
