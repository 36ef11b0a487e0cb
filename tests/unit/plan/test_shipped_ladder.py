"""The shipped ladder of an external file: what its steps change, and that each recipe is served."""

from pathlib import Path

import yaml
from tiny import yolox_head

from cutpoint.plan.choices import RecipeChoice
from cutpoint.plan.config import complete_config
from cutpoint.plan.ladder import rungs
from cutpoint.plan.resolve import build_plan
from cutpoint.plan.resolve_external import Layout
from cutpoint.recipes.bases import steps_of
from cutpoint.recipes.changes import step_changes
from cutpoint.recipes.recipe import resolve_recipe
from cutpoint.records.head import Floor

ROOT = Path(__file__).resolve().parents[3]


def evaluation():
    written = yaml.safe_load((ROOT / "config/external.yaml").read_text())
    config = complete_config(written, ROOT / "workflow/schemas/config.schema.yaml")
    yolox = Layout("yolox", "raw", RecipeChoice("yolox"))
    return build_plan(config, "cpu", lambda where, path, name, model: yolox).evaluations[0]


def test_each_rung_is_one_cause():
    shipped = evaluation()
    head = yolox_head(num_classes=80)
    planned = rungs(shipped)
    steps = [steps_of(rung["recipe"], head) for rung in planned]
    recipes = [step_changes(*pair) for pair in zip(steps[:1] + steps[:-1], steps, strict=True)]
    inputs = [change for rung in planned for change in rung["changes"] if change.startswith("input ")]
    assert planned[0]["variant"] == shipped.reference.name == "right"
    assert [text.partition(" → ")[2] for text in inputs] == [
        "yolox+colour=rgb",
        "yolox+place=centre+colour=rgb",
    ]
    assert recipes == [
        [],
        [],
        ["threshold value 0.001 → 0.25"],
        ["best_class added"],
        ["nms space per_class → agnostic"],
        ["nms iou_threshold 0.7 → 0.45"],
        ["max_per_img k 300 → 100"],
        [],
        ["rescale padding taken_back → left"],
    ]


def test_a_cause_alone_is_the_reference_with_one_change():
    shipped = evaluation()
    head = yolox_head(num_classes=80)
    right = steps_of(shipped.variant("right").recipe.definition, head)
    changes = {}
    for variant in shipped.run_variants:
        if variant.name.startswith("only_"):
            text = variant.run.input.text
            own = step_changes(right, steps_of(variant.recipe.definition, head))
            changes[variant.name] = own + ([text] if text != "yolox" else [])
    assert changes == {
        "only_stretch": ["yolox+resize=stretch"],
        "only_fill": ["yolox+fill=0"],
        "only_place": ["yolox+place=centre"],
        "only_padding_left": ["rescale padding taken_back → left", "yolox+place=centre"],
        "only_confidence_25": ["threshold value 0.001 → 0.25"],
        "only_best_class": ["best_class added"],
        "only_class_agnostic": ["nms space per_class → agnostic"],
        "only_iou_45": ["nms iou_threshold 0.7 → 0.45"],
        "only_max_100": ["max_per_img k 300 → 100"],
    }


def test_the_candidates_are_enough_for_every_recipe():
    shipped = evaluation()
    head = yolox_head(num_classes=80, floor=Floor("product", shipped.model.candidate_floor, True))
    for variant in shipped.run_variants:
        if variant.recipe.name != "yolox":
            assert resolve_recipe(variant.recipe.definition, head).steps
