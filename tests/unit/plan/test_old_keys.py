"""Older words of a config mean today's, and each place is told once."""

from pathlib import Path

import pytest
import yaml

from cutpoint.errors import UserError
from cutpoint.plan.config import complete_config
from cutpoint.plan.old_keys import upgrade_config
from cutpoint.recipes.schema import read_steps

SCHEMA = Path(__file__).parents[3] / "workflow/schemas/config.schema.yaml"
OLD = """
recipes:
  own:
    steps:
      - {step: threshold, on: product, value: 0.3}
      - {step: nms, iou_threshold: 0.5, space: per_class, per_class_cap: 9}
      - {step: cap, k: 5}
  deviation: {base: mmdet3, max_per_img: 5}
variants:
  inline:
    runtime: onnxruntime
    cut: raw
    recipe:
      steps:
        - {step: threshold, "on": class, value: 0.05}
        - {step: nms, iou_threshold: 0.5}
  named: {runtime: onnxruntime, cut: raw, recipe: own}
"""
NEW = OLD.replace('"on":', "quantity:").replace("on: product", "quantity: product")
NEW = NEW.replace("per_class_cap:", "max_per_class:").replace("step: cap", "step: max_per_img")


def test_older_words_become_todays_with_a_notice_for_each():
    old = yaml.safe_load(OLD)
    assert True in old["recipes"]["own"]["steps"][0]  # so does YAML read an unquoted `on`
    config, notices = upgrade_config(old)
    assert config == yaml.safe_load(NEW)
    read_steps(config["recipes"]["own"]["steps"])
    assert notices == [
        "recipes.own.steps[0]: `on: product` is an older word; write `quantity: product`",
        "recipes.own.steps[1]: `per_class_cap: 9` is an older word; write `max_per_class: 9`",
        "recipes.own.steps[2]: `step: cap` is an older word; write `step: max_per_img`",
        "variants.inline.recipe.steps[0]: `on: class` is an older word; write `quantity: class`",
    ]
    assert old == yaml.safe_load(OLD)  # the config that was read stays as it was


def test_a_config_of_today_stays_as_it_is():
    config = yaml.safe_load(NEW)
    assert upgrade_config(config) == (config, [])


def test_an_older_word_beside_todays_is_refused():
    step = {"step": "threshold", "on": "class", "quantity": "product", "value": 0.3}
    config, notices = upgrade_config({"recipes": {"own": {"steps": [step]}}})
    assert notices == []
    with pytest.raises(UserError, match="parameter 'on': unknown"):
        read_steps(config["recipes"]["own"]["steps"])


@pytest.mark.parametrize("wrong", [{"recipes": 3}, {"recipes": {"own": 3}}, {"variants": {"v": [1]}}])
def test_what_is_no_config_is_left_to_the_schema(wrong):
    assert upgrade_config(wrong) == (wrong, [])


@pytest.mark.parametrize("step", [{"step": ["nms"]}, {"k": 3}, {"step": "top_k", True: 3}])
def test_a_step_that_is_none_is_left_to_the_checks(step):
    config = {"recipes": {"own": {"steps": [step]}}}
    assert upgrade_config(config) == (config, [])
    if True in step:
        with pytest.raises(UserError, match=r"recipes.own.steps\[0\]: the name True must be text"):
            complete_config(config, SCHEMA)
