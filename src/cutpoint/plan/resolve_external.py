"""Turn an entry of the config's ``variants`` into a variant of a model without mmdet."""

import json
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from cutpoint.errors import UserError
from cutpoint.plan.choices import InputChoice, RecipeChoice
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
from cutpoint.plan.variants import (
    NOTHING,
    Dataset,
    Export,
    External,
    RunVariant,
    Trace,
    Variant,
)

RUNTIME = "onnxruntime"
# The name of a head's own recipe in Cutpoint. A file of a layout has that of the layout.
OWN_RECIPE = RecipeChoice().name


@dataclass(frozen=True)
class Layout:
    """The layout of a file: its name, the cut that it ends in, and the base of its recipe."""

    name: str
    cut: str
    recipe: str


# the layout of a file: from the config key that names the file, its path, and the name in the config or null
Recognise = Callable[[str, str, str | None], Layout]


def recognise_none(where: str, path: str, name: str | None) -> Layout:
    """Refuse every file, for plans that read none.

    Raises:
        UserError: always.
    """
    raise UserError(f"{where}: the layout of {path} is needed, and no file is read here")


def resolve_external(
    name: str,
    entry: dict[str, Any],
    model: str,
    recipes: dict[str, Any],
    datasets: dict[str, Dataset],
    device: str,
    recognise: Recognise,
) -> Variant:
    """Resolve one entry for a model without mmdet; the other arguments as in ``resolve_variant``.

    Args:
        name: of the variant.
        entry: completed with the schema's defaults.
        model: the model's name, for messages.
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
    layout = recognise(f"{where}.onnx", path, entry["layout"])
    written = {
        key: entry.get(key) for key in ("cut", "constants") if entry.get(key) not in (None, layout.cut)
    }
    outputs = drop_unwritten(entry["outputs"] or {})
    written |= {"outputs": outputs} if outputs else {}
    text = json.dumps(written, sort_keys=True) if written else NOTHING
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


def _check_keys(where: str, entry: dict[str, Any], model: str) -> None:
    """Refuse keys that only variants of mmdet models have."""
    if not entry["onnx"] or entry.get("runtime") == "pytorch":
        key = ".runtime: pytorch" if entry.get("runtime") == "pytorch" else ": it has no file, and"
        raise UserError(
            f"{where}{key} needs an mmdet model, and models.{model} has no config and checkpoint; give the "
            "variant a file with onnx or results, or the model both keys"
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
            f"{where}.input: mmdet is an mmdet model's own test pipeline, and models.{model} has none; write "
            "own, which is the layout's, or name what differs from it"
        )
    for part in ("score", "factor"):
        if "activated" in ((entry["outputs"] or {}).get(part) or {}):
            raise UserError(
                f"{where}.outputs.{part}.activated: it is for mmdet models, whose head says what is applied; "
                "write activation: none, sigmoid or softmax"
            )


def _own_recipe(recipe: RecipeChoice, layout: Layout) -> RecipeChoice:
    """``mmdet3``, the head's own recipe, is the layout's."""
    own = recipe.steps is None and recipe.name == OWN_RECIPE
    return replace(recipe, name=layout.recipe) if own else recipe
