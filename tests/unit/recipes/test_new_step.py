"""A new step is one class, one emitter and one entry of words; everything else takes it from there."""

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import pytest
from graphs import assert_rows, decoded_tensors, run_in_graph, sizes_of
from tiny import atss_head, candidates, geometry, model_spec

from cutpoint.compare.recipe_diff import diff_image
from cutpoint.decode.candidates import from_decoded
from cutpoint.errors import UserError
from cutpoint.export.emitters import EMITTERS, Emitter
from cutpoint.export.graph_rows import DROPPED
from cutpoint.plan.resolve_variant import choose_recipe
from cutpoint.recipes.apply import apply_recipe
from cutpoint.recipes.changes import step_changes
from cutpoint.recipes.recipe import resolve_recipe
from cutpoint.recipes.schema import read_steps, write_steps
from cutpoint.recipes.steps import STEPS
from cutpoint.recipes.steps.step import Changing, Reason, Removing
from cutpoint.report.steps import WORDS, removed_by


@dataclass(frozen=True)
class MaxWidth(Removing):
    """Keep boxes that are no wider than ``value`` pixels."""

    name: ClassVar[str] = "max_width"
    value: float

    def apply(self, candidates, frame):
        return candidates.take(self._width(candidates) <= np.float32(self.value))

    def why(self, before, row, after):
        return Reason(self.name, float(self._width(before)[row]) - self.value)

    def _width(self, candidates):
        return candidates.boxes[:, 2] - candidates.boxes[:, 0]


def emit_max_width(g, rows, step, setting):
    left, right = (g.op("Gather", rows.boxes, g.const(i, np.int64), axis=2) for i in (0, 2))
    narrow = g.op("LessOrEqual", g.op("Sub", right, left), g.const(step.value))
    narrow = narrow if rows.labels else g.op("Unsqueeze", narrow, g.ints(2))
    return replace(rows, scores=g.op("Where", narrow, rows.scores, g.const(DROPPED)))


OTHERS = [
    {"step": "threshold", "quantity": "class", "value": 0.05},
    {"step": "nms", "iou_threshold": 0.5},
    {"step": "max_per_img", "k": 50},
]
WITH_IT = [*OTHERS[:1], {"step": "max_width", "value": 12}, *OTHERS[1:]]


@pytest.fixture
def new_step(monkeypatch):
    monkeypatch.setitem(STEPS, MaxWidth.name, MaxWidth)
    monkeypatch.setitem(EMITTERS, MaxWidth, Emitter(emit_max_width))
    monkeypatch.setitem(WORDS, MaxWidth, {"max_width": "too wide"})


def test_without_it_the_config_is_refused():
    with pytest.raises(UserError, match=r"step 2 'max_width': unknown; known: best_box"):
        read_steps(WITH_IT)


def test_the_config_is_checked(new_step):
    assert choose_recipe("variants.v.recipe", {"steps": WITH_IT}, {}).definition == {"steps": WITH_IT}
    assert write_steps(read_steps(WITH_IT))[1] == {"step": "max_width", "value": 12.0}
    for step, message in (
        ({"step": "max_widht", "value": 1}, r"step 1 'max_widht': unknown; did you mean 'max_width'"),
        (
            {"step": "max_width", "valeu": 1},
            r"\(max_width\): parameter 'valeu': unknown; did you mean 'value'",
        ),
        ({"step": "max_width"}, r"\(max_width\): value is missing"),
        ({"step": "max_width", "value": "12"}, r"\(max_width\): value '12': a number is expected"),
    ):
        with pytest.raises(UserError, match=message):
            choose_recipe("variants.v.recipe", {"steps": [step]}, {})


def test_it_runs_and_says_why_and_a_ladder_names_it(new_step):
    spec = model_spec(atss_head())
    rows = candidates((0, 0, 0, 0.9, 1, (0, 0, 15, 20)), (0, 1, 1, 0.8, 1, (0, 0, 12, 20)))
    without, with_it = (resolve_recipe({"steps": steps}, spec.head) for steps in (OTHERS, WITH_IT))
    assert apply_recipe(with_it, rows, geometry(), spec).labels.tolist() == [1]
    (row,), _ = diff_image(without, with_it, 7, rows, geometry(), spec)
    assert (row.kept_by, row.step, row.number, row.margin) == ("first", "max_width", 2, 3.0)
    assert removed_by(row.step) == "too wide"
    assert step_changes(without.steps, with_it.steps) == ["max_width added"]


@pytest.mark.parametrize("batch", [1, 3])
def test_a_graph_has_it(new_step, batch):
    head = atss_head()
    recipe = resolve_recipe({"steps": WITH_IT}, head)
    tensors, (sizes, rows) = decoded_tensors(head, batch), sizes_of(batch)
    outputs = run_in_graph(head, recipe, tensors, rows)
    usual = run_in_graph(head, resolve_recipe({"steps": OTHERS}, head), tensors, rows)
    assert 0 < outputs["count"][0] < usual["count"][0]
    for image in range(batch):
        store = from_decoded(tensors, head, image)
        assert_rows(outputs, image, apply_recipe(recipe, store, sizes[image], model_spec(head)))


@pytest.mark.parametrize("kind", STEPS.values(), ids=STEPS)
def test_every_step_has_its_place_in_the_sibling_tables(kind):
    assert issubclass(kind, Removing) != issubclass(kind, Changing)
    assert kind in EMITTERS
    assert set(WORDS[kind]) == set(kind.causes())


def test_the_sibling_tables_have_no_other_step():
    assert set(EMITTERS) == set(WORDS) == set(STEPS.values())
