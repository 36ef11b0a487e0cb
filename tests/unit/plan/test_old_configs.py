"""Configs of the time of format 1 are still planned, and their files keep their names.

``format_1`` holds them as they were, the zoo's cut down, and in ``plans.json`` what was planned of them then.
"""

import json
import re
from pathlib import Path

import pytest
import yaml

from cutpoint.plan.config import check_unique_keys, complete_config
from cutpoint.plan.gate_rules import resolve_gate
from cutpoint.plan.old_keys import upgrade_config
from cutpoint.plan.resolve import build_plan
from cutpoint.plan.tables import report_entries, table_rows

FOLDER = Path(__file__).parent / "format_1"
SCHEMA = Path(__file__).resolve().parents[3] / "workflow/schemas/config.schema.yaml"
PLANS = json.loads((FOLDER / "plans.json").read_text())
# a recipe without a name has one of the hash of its steps, whose words are others today
HASHED = re.compile(r"steps-[0-9a-f]{8}")


def test_every_config_has_its_plan():
    assert sorted(path.stem for path in FOLDER.glob("*.yaml")) == sorted(PLANS)


@pytest.mark.parametrize("name", PLANS)
def test_an_old_config_is_planned_as_it_was(name):
    path = FOLDER / f"{name}.yaml"
    check_unique_keys(path)
    config, notices = upgrade_config(yaml.safe_load(path.read_text()))
    assert bool(notices) == (name in ("ladder", "old_keys"))
    config = complete_config(config, SCHEMA)
    plan = build_plan(config, "cpu")
    resolve_gate(config["gate"], plan.evaluations)
    assert any(report_entries(plan).values())
    runs = [f"{e.dataset.name}/{e.model.name}/{run.name}" for e in plan.evaluations for run in e.runs]
    assert runs == PLANS[name]["runs"]
    rows = table_rows(plan)
    shown = [" | ".join(str(row[key] or "") for key in ("detections", "recipe", "onnx")) for row in rows]
    assert [HASHED.sub("steps", line) for line in shown] == [
        HASHED.sub("steps", line) for line in PLANS[name]["rows"]
    ]


def test_an_old_config_says_the_words_of_its_time():
    words = set(re.findall(r'"on"|per_class_cap|step: cap', (FOLDER / "old_keys.yaml").read_text()))
    assert words == {'"on"', "per_class_cap", "step: cap"}
