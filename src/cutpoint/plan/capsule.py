"""What goes into a run's capsule, and the capsule that it is held against."""

import os
from collections.abc import Iterable, Mapping
from typing import Any

from cutpoint.errors import UserError
from cutpoint.plan.checks import CLASS_LISTS
from cutpoint.plan.evaluations import Evaluation, Plan
from cutpoint.plan.paths import (
    CAPSULE_FILE,
    detections_file,
    export_file,
    latency_samples_file,
    manifest_file,
    samples_file,
    truth_file,
    variant_file,
)
from cutpoint.plan.variants import ResultsVariant, Variant

# Keys of the config that judge or show numbers, or say where files come from, and change none.
NOT_INPUTS = ("baseline", "downloads", "gate", "samples", "report")
# where a folder has its capsule: a results folder, or the folder of a run
PLACES = ("capsule.zip", CAPSULE_FILE)


def capsule_content(plan: Plan, config: dict[str, Any]) -> dict[str, Any]:
    """The arguments of ``runs.capsule.make_capsule`` that the plan knows, as plain values."""
    pairs = [(e, {"dataset": e.dataset.name, "model": e.model.name}) for e in plan.evaluations]
    truths = [(truth_file(e), own) for e, own in pairs]
    return {
        "config": {**_inputs(config), "device": plan.device},
        "manifests": {dataset.name: manifest_file(dataset) for dataset in plan.datasets},
        "truths": [{**own, "path": path} for path, own in truths if path],
        "samples": [{**own, "path": latency_samples_file(e)} for e, own in pairs if e.run_variants],
        "variants": [{**own, **_variant(e, variant)} for e, own in pairs for variant in e.variants],
    }


def _inputs(config: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in config.items() if key not in NOT_INPUTS}


def capsule_files(content: dict[str, Any]) -> list[str]:
    """The files of the workflow that the content names, each once."""
    named = [*content["manifests"].values()]
    named += [entry["path"] for kind in ("truths", "samples") for entry in content[kind]]
    kinds = ("detections", "resamples", "latency")
    named += [variant[kind] for variant in content["variants"] for kind in kinds if variant[kind]]
    return list(dict.fromkeys(named))


def _variant(evaluation: Evaluation, variant: Variant) -> dict[str, Any]:
    timed = not isinstance(variant, ResultsVariant)
    return {
        "variant": variant.name,
        "is_reference": variant == evaluation.reference,
        "detections": detections_file(evaluation, variant),
        "resamples": samples_file(evaluation, variant),
        "latency": variant_file("latency", evaluation, variant) if timed else None,
    }


def source_roles(
    plan: Plan, config: dict[str, Any], configs: Mapping[str, list[str]], modules: Iterable[str]
) -> dict[str, str]:
    """The user's files that numbers depend on, by their key in the config.

    Args:
        plan: the resolved config.
        config: the completed config, for paths that the plan does not keep.
        configs: the files of each mmdet model's config, the config itself first.
        modules: the files of the config's ``imports``.
    """
    roles: dict[str, str] = {}
    for model in plan.models:
        where, own = f"models.{model.name}", configs.get(model.name, [])
        roles |= {f"{where}.config": path for path in own[:1]}
        roles |= {f"{where}.config, {path}": path for path in own[1:]}
        roles |= {f"{where}.checkpoint": model.checkpoint} if model.checkpoint else {}
        classes = config["models"][model.name]["classes"]
        if isinstance(classes, str) and classes not in CLASS_LISTS:
            roles[f"{where}.classes"] = classes
    for dataset in plan.datasets:
        if dataset.annotations:
            roles[f"datasets.{dataset.name}.annotations"] = dataset.annotations
        if dataset.slices:
            roles[f"datasets.{dataset.name}.slices"] = dataset.slices
    for variant in dict.fromkeys(v for e in plan.evaluations for v in e.variants):
        if isinstance(variant, ResultsVariant):
            roles[f"variants.{variant.name}.results"] = variant.results
        elif variant.export.external:
            roles[f"variants.{variant.name}.onnx"] = variant.export.external.path
    return roles | {f"imports, {path}": path for path in modules}


def export_roles(plan: Plan) -> dict[str, str]:
    """The ONNX files that the run made, by model and name."""
    return {
        f"exports.{model.name}.{name}": export_file(model.name, export)
        for model in plan.models
        for name, export in plan.exports(model.name).items()
    }


def find_capsule(key: str, path: str | None) -> str:
    """The capsule that a key of the config names: a file, or the one in a folder.

    Args:
        key: for messages.
        path: the key's value.

    Raises:
        UserError: there is none, or it is this run's own.
    """
    if path is None:
        raise UserError(f"{key}: no run to compare with; add --config {key}=PATH of its capsule.zip")
    found = next((p for p in (os.path.join(path, name) for name in PLACES) if os.path.isfile(p)), path)
    if not os.path.isfile(found):
        has = "this folder has no capsule.zip" if os.path.isdir(path) else f"no file {path}"
        raise UserError(f"{key}: {has} (looked from {os.getcwd()}); name the capsule.zip of the other run")
    if os.path.realpath(found) == os.path.realpath(CAPSULE_FILE):
        raise UserError(
            f"{key}: {path} is this run's own capsule, which is written again; copy it elsewhere first"
        )
    return found
