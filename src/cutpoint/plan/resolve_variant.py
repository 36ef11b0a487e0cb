"""Turn one entry of the config's ``variants`` into a variant; refuse combinations without a meaning."""

import json
import os
from dataclasses import replace
from typing import Any

from cutpoint.data.inputs import keeps_size
from cutpoint.errors import UserError, located, suggest
from cutpoint.plan.choices import InputChoice, RecipeChoice
from cutpoint.plan.dataset import Dataset
from cutpoint.plan.variants import (
    CLIP,
    COUNT,
    EXPORTER,
    OPSET,
    SCORES,
    SHAPE,
    Calibration,
    Export,
    External,
    ResultsVariant,
    Run,
    RunVariant,
    Trace,
    Variant,
)
from cutpoint.providers import PROVIDERS
from cutpoint.recipes.names import OVERRIDES, RECIPES
from cutpoint.recipes.schema import read_steps

# Their NMS computes another IoU than ONNX's.
NOT_IN_GRAPH = ("seed-topk-nms", "seed-per-class")
KINDS: dict[str, type[float | int | str]] = {
    **{"score_thr": float, "nms_pre": int, "iou_threshold": float, "max_per_img": int, "score_voting": bool},
    **{"gain": str, "clip": bool},
}
# Keys that say how Cutpoint makes a file, and their defaults.
MAKING = {
    "shape": SHAPE,
    "opset": OPSET,
    "exporter": EXPORTER,
    "scores": SCORES,
    "clip": CLIP,
    "count": COUNT,
    "topk_limit": None,
    "calibration": None,
}
# keys of an external results file
RESULTS_IDS = ("category_ids", "image_ids")
ONLY_OF_CUT = {"clip": "e2e", "count": "e2e", "topk_limit": "e2e", "scores": "decoded"}


def resolve_variant(
    name: str, entry: dict[str, Any], recipes: dict[str, Any], datasets: dict[str, Dataset], device: str
) -> Variant:
    """Resolve one entry.

    Args:
        name: of the variant.
        entry: completed with the schema's defaults.
        recipes: the config's ``recipes``.
        datasets: the config's data sets, for the calibration.
        device: name of the default provider.

    Raises:
        UserError: a combination that has no meaning, or a name that nothing defines.
    """
    if entry.get("results"):
        return resolve_results(name, entry)
    where = f"variants.{name}"
    check_no_results(where, entry)
    _check_keys(where, entry)
    runtime = entry["runtime"]
    recipe = choose_recipe(f"{where}.recipe", entry["recipe"] or RecipeChoice().name, recipes)
    chosen = InputChoice.read(entry["input"])
    if runtime == "pytorch":
        _check_pytorch(where, entry, recipe, chosen)
        export = None
    else:
        export = _resolve_export(where, entry, recipe, datasets)
    check_input(where, chosen)
    if keeps_size(chosen.definition) and entry["shape"] != SHAPE:
        raise UserError(f"{where}.input: {chosen.text} keeps each image's own size; use shape dynamic")
    two_inputs = export is not None and export.cut == "e2e" and not export.external and export.clip == CLIP
    if two_inputs and dict(chosen.overrides).get("place") == "centre":
        raise UserError(
            f"{where}.input.place: an e2e file with clip: image scales boxes back itself and knows no "
            "padding before the image; use clip: tensor, place: corner, or cut decoded"
        )
    return RunVariant(name, resolve_run(where, entry, runtime, export, chosen, device), recipe)


def resolve_results(name: str, entry: dict[str, Any]) -> ResultsVariant:
    """The variant of a results file."""
    return ResultsVariant(
        name, os.path.normpath(entry["results"]), **{key: entry[key] for key in RESULTS_IDS}
    )


def check_no_results(where: str, entry: dict[str, Any]) -> None:
    """Refuse the keys of a results file in another variant.

    Raises:
        UserError: names the key.
    """
    for key in RESULTS_IDS:
        if entry[key] is not None:
            raise UserError(f"{where}.{key}: only a results file has it; remove it")


def resolve_run(
    where: str, entry: dict[str, Any], runtime: str, export: Export | None, chosen: InputChoice, device: str
) -> Run:
    """The run of a variant; ``where`` is its place in the config.

    Raises:
        UserError: its provider does not have tf32.
    """
    provider = _provider(runtime, entry["provider"] or device)
    if entry["tf32"] and not PROVIDERS[provider].has_tf32:
        having = ", ".join(name for name, row in PROVIDERS.items() if row.has_tf32)
        raise UserError(f"{where}.tf32: only {having} have it, and this runs on {provider}; remove it")
    return Run(
        runtime,
        export.cut if export else entry["cut"],
        provider,
        export,
        chosen,
        entry["batch"],
        provider_overridden=provider != _provider(runtime, device),
        tf32=entry["tf32"],
    )


def check_input(where: str, chosen: InputChoice) -> None:
    """Refuse values of an input that cannot be combined, as far as the model's own recipe is not needed.

    Raises:
        UserError: names the key.
    """
    # whether mean and std are both there depends on the model's own
    placing = replace(chosen, overrides=tuple(p for p in chosen.overrides if p[0] not in ("mean", "std")))
    with located(where):
        keeps_size(placing.definition)


def choose_recipe(where: str, entry: str | dict[str, Any], named: dict[str, Any]) -> RecipeChoice:
    """Choose a recipe: a name of Cutpoint's or of the config's own, or a definition written out.

    Raises:
        UserError: an unknown name, or steps that are not valid.
    """
    name = None
    if isinstance(entry, str) and entry not in RECIPES:
        if entry not in named:
            raise UserError(f"{where}: unknown recipe {entry!r}{suggest(entry, [*RECIPES, *named])}")
        name, entry = entry, named[entry]
    if isinstance(entry, str):
        return RecipeChoice(entry)
    if "steps" in entry:
        read_steps(entry["steps"], f"{where}: recipe")
        return RecipeChoice.written_out(entry["steps"], name)
    overrides = tuple((key, KINDS[key](entry[key])) for key in OVERRIDES if key in entry)
    return RecipeChoice(entry["base"], overrides)


def drop_unwritten(outputs: dict[str, Any]) -> dict[str, Any]:
    """The description of a file's outputs without the keys of its top level that are null."""
    return {key: value for key, value in outputs.items() if value is not None}


def _check_keys(where: str, entry: dict[str, Any]) -> None:
    """Refuse what only files of models without mmdet have, and what they alone may leave out."""
    for key in ("runtime", "cut"):
        if entry.get(key) is None:
            raise UserError(
                f"{where}: the key {key!r} is missing, which a file of an mmdet model needs; add it"
            )
    for key in ("layout", "constants"):
        if entry[key] is not None:
            raise UserError(
                f"{where}.{key}: only for a file of a model without mmdet, whose models entry has no config; "
                "remove it"
            )


def _check_pytorch(where: str, entry: dict[str, Any], recipe: RecipeChoice, chosen: InputChoice) -> None:
    for key, default in {**MAKING, "precision": "fp32", "onnx": None, "outputs": None}.items():
        if entry[key] != default:
            raise UserError(
                f"{where}.{key}: only an exported file has it; remove it, or use runtime onnxruntime"
            )
    if entry["cut"] == "decoded":
        raise UserError(
            f"{where}.cut: pytorch has the cuts raw and e2e; use one of them, or runtime onnxruntime"
        )
    if entry["cut"] == "e2e":
        if recipe != RecipeChoice():
            raise UserError(
                f"{where}.recipe: pytorch e2e is mmdet's own predict with its recipe mmdet3; "
                "remove the recipe, or use cut raw"
            )
        if chosen != InputChoice():
            raise UserError(
                f"{where}.input: pytorch e2e is mmdet's own test pipeline; remove the input, or use cut raw"
            )


def _resolve_export(
    where: str, entry: dict[str, Any], recipe: RecipeChoice, datasets: dict[str, Dataset]
) -> Export:
    cut = entry["cut"]
    if (entry["onnx"] is None) != (entry["outputs"] is None):
        given, missing = ("onnx", "outputs") if entry["onnx"] else ("outputs", "onnx")
        raise UserError(f"{where}.{given}: an external ONNX file needs both onnx and outputs; add {missing}")
    if entry["onnx"]:
        return _resolve_external(where, entry, recipe)
    for key, owner in ONLY_OF_CUT.items():
        if entry[key] != MAKING[key] and cut != owner:
            raise UserError(
                f"{where}.{key}: {entry[key]} is a form of the cut {owner}; remove it, or use cut {owner}"
            )
    inside = recipe if cut == "e2e" else None
    if inside and inside.name in NOT_IN_GRAPH:
        raise UserError(
            f"{where}.recipe: {inside.name} cannot be part of a graph, since ONNX has no NMS with its IoU; "
            "use cut raw or decoded"
        )
    shape = "x".join(map(str, entry["shape"])) if isinstance(entry["shape"], list) else entry["shape"]
    if shape != SHAPE and entry["batch"] > 1:
        raise UserError(
            f"{where}.batch: a file of fixed shape takes one image; use shape dynamic, or batch 1"
        )
    calibration = resolve_calibration(where, entry, datasets)
    trace = Trace(entry["precision"], shape, entry["opset"], entry["exporter"], calibration)
    return Export(
        cut, trace, entry["scores"], entry["clip"], entry["count"], entry["topk_limit"], recipe=inside
    )


def _resolve_external(where: str, entry: dict[str, Any], recipe: RecipeChoice) -> Export:
    for key, default in MAKING.items():
        if entry[key] != default:
            raise UserError(
                f"{where}.{key}: it says how Cutpoint makes a file, but this file exists; remove it"
            )
    if entry["cut"] == "e2e" and recipe != RecipeChoice():
        raise UserError(f"{where}.recipe: the post-processing of an e2e file is inside it; remove the recipe")
    outputs = _complete_outputs(where, entry["outputs"])
    external = External(os.path.normpath(entry["onnx"]), json.dumps({"outputs": outputs}, sort_keys=True))
    return Export(entry["cut"], Trace(entry["precision"]), external=external)


def _complete_outputs(where: str, outputs: dict[str, Any]) -> dict[str, Any]:
    """The description of the outputs of an mmdet model's file, whose head says what the config leaves out."""
    for key in ("box", "score"):
        if key not in outputs:
            raise UserError(f"{where}.outputs: the key {key!r} is missing; add it")
    complete = {"layout": "rows", "frame": "network"} | drop_unwritten(outputs)
    for part in ("score", "factor"):
        described = dict(complete.get(part) or {})
        if not described:
            continue
        if described.pop("activation") != "none" or described.pop("background") is not None:
            raise UserError(
                f"{where}.outputs.{part}: activation and background are for models without mmdet; write "
                "activated, and the head says the rest"
            )
        if "activated" not in described:
            raise UserError(f"{where}.outputs.{part}: the key 'activated' is missing; add it")
        complete[part] = described
    return complete


def resolve_calibration(
    where: str, entry: dict[str, Any], datasets: dict[str, Dataset]
) -> Calibration | None:
    """The calibration of an int8 file; null for the other precisions.

    Raises:
        UserError: it is missing, or not allowed, or names an unknown data set.
    """
    chosen, precision = entry["calibration"], entry["precision"]
    if precision != "int8":
        if chosen:
            raise UserError(f"{where}.calibration: only int8 is calibrated, not {precision}; remove it")
        return None
    if not chosen:
        raise UserError(f"{where}: int8 takes its ranges from images; add calibration: {{dataset: NAME}}")
    if chosen["dataset"] not in datasets:
        raise UserError(
            f"{where}.calibration.dataset: {chosen['dataset']!r} is not among datasets"
            f"{suggest(chosen['dataset'], datasets)}"
        )
    return Calibration(datasets[chosen["dataset"]], chosen["images"])


def _provider(runtime: str, provider: str) -> str:
    return PROVIDERS[provider].device.pytorch if runtime == "pytorch" else provider
