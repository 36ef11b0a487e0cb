"""Turn one entry of the config's ``variants`` into a variant; refuse combinations without a meaning."""

import json
import os
from typing import Any

from cutpoint.data.inputs import keeps_size
from cutpoint.errors import UserError, suggest
from cutpoint.plan.variants import (
    CLIP,
    COUNT,
    EXPORTER,
    INPUT,
    OPSET,
    SCORES,
    SHAPE,
    Calibration,
    Dataset,
    Export,
    External,
    RecipeChoice,
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
KINDS = {"score_thr": float, "nms_pre": int, "iou_threshold": float, "max_per_img": int, "score_voting": bool}
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
        ids = {key: entry[key] for key in RESULTS_IDS}
        return ResultsVariant(name, os.path.normpath(entry["results"]), **ids)
    for key in RESULTS_IDS:
        if entry[key] is not None:
            raise UserError(f"variants.{name}.{key}: only a results file has it; remove it")
    where, runtime, cut = f"variants.{name}", entry["runtime"], entry["cut"]
    recipe = choose_recipe(f"{where}.recipe", entry["recipe"], recipes)
    if runtime == "pytorch":
        _check_pytorch(where, entry, recipe)
        export = None
    else:
        export = _resolve_export(where, entry, recipe, datasets)
    if keeps_size(entry["input"]) and entry["shape"] != SHAPE:
        raise UserError(f"{where}.input: {entry['input']} keeps each image's own size; use shape dynamic")
    provider = _provider(runtime, entry["provider"] or device)
    if entry["tf32"] and not PROVIDERS[provider].has_tf32:
        having = ", ".join(name for name, row in PROVIDERS.items() if row.has_tf32)
        raise UserError(f"{where}.tf32: only {having} have it, and this runs on {provider}; remove it")
    run = Run(
        runtime,
        cut,
        provider,
        export,
        entry["input"],
        entry["batch"],
        provider_overridden=provider != _provider(runtime, device),
        tf32=entry["tf32"],
    )
    return RunVariant(name, run, recipe)


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


def _check_pytorch(where: str, entry: dict[str, Any], recipe: RecipeChoice) -> None:
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
        if entry["input"] != INPUT:
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
    calibration = _resolve_calibration(where, entry, datasets)
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
    outputs = json.dumps(entry["outputs"], sort_keys=True)
    external = External(os.path.normpath(entry["onnx"]), outputs)
    return Export(entry["cut"], Trace(entry["precision"]), external=external)


def _resolve_calibration(
    where: str, entry: dict[str, Any], datasets: dict[str, Dataset]
) -> Calibration | None:
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
