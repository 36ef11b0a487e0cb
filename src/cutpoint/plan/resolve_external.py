"""Turn an entry of the config's ``variants`` into a variant of a model without mmdet."""

import json
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal

from cutpoint.errors import UserError
from cutpoint.plan.choices import InputChoice, RecipeChoice
from cutpoint.plan.dataset import Dataset
from cutpoint.plan.evaluations import Model
from cutpoint.plan.resolve_variant import (
    MAKING,
    check_input,
    check_no_results,
    choose_recipe,
    drop_unwritten,
    resolve_calibration,
    resolve_results,
    resolve_run,
)
from cutpoint.plan.variants import Export, External, RunVariant, Trace, Variant
from cutpoint.recipes.names import OVERRIDES

RUNTIME, FLOAT = "onnxruntime", Trace().precision
# The name of a head's own recipe in Cutpoint. A file of a layout has that of the layout.
OWN_RECIPE = RecipeChoice().name


@dataclass(frozen=True)
class Layout:
    """The layout of a file: its name, the cut that it ends in, and its recipe.

    ``open_input``: what the config has to say of the input, see ``layouts.describe.open_input``; ``unseen``
    if the file may still have to be fetched, so that a size in the config may be needed. ``precision``: the
    file's; null if it may still have to be fetched.
    """

    name: str
    cut: str
    recipe: RecipeChoice
    open_input: Literal["input", "size", "unseen"] | None = None
    precision: str | None = None


# the layout of a file: from the place of the variant in the config, the file's path, the name in the config
# or null, and the model
Recognise = Callable[[str, str, str | None, Model], Layout]


def recognise_none(where: str, path: str, name: str | None, model: Model) -> Layout:
    """Refuse every file, for plans that read none.

    Raises:
        UserError: always.
    """
    raise UserError(f"{where}.onnx: the layout of {path} is needed, and no file is read here")


def resolve_external(
    name: str,
    entry: dict[str, Any],
    model: Model,
    recipes: dict[str, Any],
    datasets: dict[str, Dataset],
    device: str,
    recognise: Recognise,
) -> Variant:
    """Resolve one entry for a model without mmdet; the other arguments as in ``resolve_variant``.

    Args:
        name: of the variant.
        entry: completed with the schema's defaults.
        model: the model without mmdet.
        recipes, datasets, device: see ``resolve_variant``.
        recognise: finds the layout of a file.

    Raises:
        UserError: a combination that has no meaning, or a file whose layout is not known.
    """
    if entry.get("results"):
        return resolve_results(name, entry)
    where = f"variants.{name}"
    check_no_results(where, entry)
    _check_keys(where, entry, model)
    path = os.path.normpath(entry["onnx"])
    layout = recognise(where, path, entry["layout"], model)
    _check_open_input(where, path, entry["input"], layout)
    if entry["precision"] != FLOAT and layout.precision not in (FLOAT, None):
        raise UserError(
            f"{where}.precision: {path} is {layout.precision} already, and only a float32 file is converted; "
            "remove precision and calibration (the table shows the file's own), or name the float32 file in "
            "onnx"
        )
    text = json.dumps(_written(entry, layout), sort_keys=True)
    calibration = resolve_calibration(where, entry, datasets)
    export = Export(
        entry.get("cut") or layout.cut,
        Trace(entry["precision"], calibration=calibration),
        external=External(path, text, layout.name, layout.recipe),
    )
    chosen = InputChoice.read(entry["input"], layout.name)
    check_input(where, chosen)
    recipe = _own_recipe(choose_recipe(f"{where}.recipe", entry["recipe"] or OWN_RECIPE, recipes), layout)
    return RunVariant(name, resolve_run(where, entry, RUNTIME, export, chosen, device), recipe)


def _written(entry: dict[str, Any], layout: Layout) -> dict[str, Any]:
    """What the config writes in place of the layout's; an input only if the layout has none."""
    written = {"cut": entry.get("cut"), "constants": entry["constants"], "outputs": entry["outputs"]}
    if written["cut"] == layout.cut:
        del written["cut"]
    if written["outputs"]:
        written["outputs"] = drop_unwritten(written["outputs"])
    if layout.open_input:
        given = entry["input"] if isinstance(entry["input"], dict) else {}
        # how the image is fitted into a known size is the run's alone
        fitting = () if given.get("resize") == "none" else ("resize",)
        keys = given if layout.open_input == "input" else {"size", "resize"}.difference(fitting)
        written["input"] = {key: given[key] for key in keys if key in given}
    return {key: value for key, value in written.items() if value}


def _check_open_input(where: str, path: str, given: str | dict[str, Any], layout: Layout) -> None:
    """Refuse an input that leaves open what neither the file nor its layout says."""
    keys = given if isinstance(given, dict) else {}
    if layout.open_input == "input" and not keys:
        raise UserError(
            f"{where}.input: nothing in {path} says what an image becomes, and its layout {layout.name} does "
            "not either; write it, for example {resize: letterbox, place: corner, fill: 114, colour: bgr}"
        )
    if layout.open_input == "size" and not keys.get("size") and keys.get("resize") != "none":
        raise UserError(
            f"{where}.input.size: {path} takes images of any size and does not say which it was made for; "
            "write [height, width] in pixels"
        )


def _check_keys(where: str, entry: dict[str, Any], model: Model) -> None:
    """Refuse keys that only variants of mmdet models have."""
    if not entry["onnx"] or entry.get("runtime") == "pytorch":
        key = ".runtime: pytorch" if entry.get("runtime") == "pytorch" else ": it has no file, and"
        raise UserError(
            f"{where}{key} needs an mmdet model, and models.{model.name} has no config and checkpoint; give "
            "the variant a file with onnx or results, or the model both keys"
        )
    for key, default in MAKING.items():
        if key != "calibration" and entry[key] != default:
            raise UserError(
                f"{where}.{key}: it says how Cutpoint makes a file from an mmdet model, but this file "
                "exists; remove it"
            )
    keys = entry["input"]
    if (keys if isinstance(keys, str) else keys.get("base")) == "mmdet":
        raise UserError(
            f"{where}.input: mmdet is an mmdet model's own test pipeline, and models.{model.name} has none; "
            "write own, which is the layout's, or name what differs from it"
        )
    for part in ("score", "factor"):
        if "activated" in ((entry["outputs"] or {}).get(part) or {}):
            raise UserError(
                f"{where}.outputs.{part}.activated: it is for mmdet models, whose head says what is applied; "
                "write activation: none, sigmoid or softmax"
            )


def _own_recipe(recipe: RecipeChoice, layout: Layout) -> RecipeChoice:
    """``mmdet3``, the head's own recipe, is the layout's, with the same values changed."""
    if recipe.steps is not None or recipe.name != OWN_RECIPE:
        return recipe
    values = dict(layout.recipe.overrides) | dict(recipe.overrides)
    return replace(layout.recipe, overrides=tuple((key, values[key]) for key in OVERRIDES if key in values))
