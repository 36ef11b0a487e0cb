"""Recipes and NMS against slow versions that go box by box; every recipe is the same after a file."""

import json
import math
import re

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from made_up import records
from tiny import atss_head, geometry, model_spec

from cutpoint.errors import UserError
from cutpoint.ordering import ascending, best_first
from cutpoint.recipes import nms
from cutpoint.recipes.apply import apply_recipe
from cutpoint.recipes.overlap import Overlap
from cutpoint.recipes.recipe import Recipe
from cutpoint.recipes.schema import read_step, read_steps, write_steps
from cutpoint.recipes.steps import STEPS
from cutpoint.recipes.steps.boxes import Clip, MinSize, Rescale
from cutpoint.recipes.steps.overlaps import Nms
from cutpoint.recipes.steps.ranks import MaxPerImg, TopK
from cutpoint.recipes.steps.scores import BestClass, MultiplyFactor, Threshold
from cutpoint.records.candidates import Candidates
from cutpoint.records.image import Geometry

ONE, ZERO = np.float32(1), np.float32(0)
# few values, so that scores are equal and boxes touch, share sides and are empty
COORDINATES = st.sampled_from([0.0, 1.0, 8.0, 8.5, 16.0, 31.9, 40.0]) | st.floats(-20, 90, width=32)
SCORES = st.sampled_from([0.05, 0.3, 0.30000001192092896, 0.9]) | st.floats(0, 1, width=32)
THRESHOLDS = st.sampled_from([0.0, 0.3, 0.5, 1.0]) | st.floats(0, 1)


@st.composite
def pairs(draw, most=12):
    """Candidates as decoding gives them: by prior, then label."""
    keys = draw(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 2)), max_size=most, unique=True))
    rows = []
    for prior, label in sorted(keys):
        x, y = draw(COORDINATES), draw(COORDINATES)
        size = [draw(st.sampled_from([0.0, 4.0, 20.0]) | st.floats(0, 60, width=32)) for _ in "wh"]
        factor = draw(SCORES)
        rows.append((prior // 3, prior, label, draw(SCORES), factor, (x, y, x + size[0], y + size[1])))
    columns = zip(*rows, strict=True) if rows else [[]] * 6
    kinds = (np.int8, np.int32, np.int16, np.float32, np.float32, np.float32)
    level, prior, label, score, factor, boxes = (
        np.array(list(column), dtype=kind) for column, kind in zip(columns, kinds, strict=True)
    )
    return Candidates(level, prior, label, score, factor, boxes.reshape(-1, 4))


def overlap_of(one, other, offset):
    """IoU of two boxes in float32."""
    offset = np.float32(offset)
    width = max(min(one[2], other[2]) - max(one[0], other[0]) + offset, ZERO)
    height = max(min(one[3], other[3]) - max(one[1], other[1]) + offset, ZERO)
    areas = [(box[2] - box[0] + offset) * (box[3] - box[1] + offset) for box in (one, other)]
    with np.errstate(invalid="ignore", divide="ignore"):
        return width * height / (areas[0] + areas[1] - width * height)


def slow_nms(boxes, scores, threshold, offset=0):
    kept = []
    for row in sorted(range(len(scores)), key=lambda row: -scores[row]):
        if not any(overlap_of(boxes[k], boxes[row], offset) > np.float32(threshold) for k in kept):
            kept.append(row)
    return kept


@given(found=pairs(20), threshold=THRESHOLDS, offset=st.sampled_from([0, 1]))
def test_greedy_nms_goes_box_by_box(found, threshold, offset):
    expected = slow_nms(found.boxes, found.score, threshold, offset)
    assert nms.greedy_nms(found.boxes, found.score, threshold, Overlap(offset)).tolist() == expected


@given(found=pairs(20), threshold=THRESHOLDS, most=st.none() | st.integers(0, 3))
def test_nms_of_each_class_goes_class_by_class(found, threshold, most):
    expected = []
    for label in range(3):
        rows = np.flatnonzero(found.label == label)
        expected += rows[slow_nms(found.boxes[rows], found.score[rows], threshold)][:most].tolist()
    expected.sort(key=lambda row: -found.score[row])
    kept = nms.per_class_nms(found.boxes, found.score, found.label, threshold, None, most)
    assert kept.tolist() == expected


@given(found=pairs(20), threshold=THRESHOLDS)
def test_classes_that_are_shifted_apart_are_one_nms_on_shifted_boxes(found, threshold):
    kept = nms.class_shifted_nms(found.boxes, found.score, found.label, threshold).tolist()
    if len(found):
        step = found.boxes.max() + ONE
        shifted = [
            box + np.float32(label) * step for box, label in zip(found.boxes, found.label, strict=True)
        ]
        assert kept == slow_nms(shifted, found.score, threshold)
    else:
        assert kept == []


@given(st.lists(st.floats(width=32), max_size=30))
def test_best_first_is_the_stable_order(values):
    scores = np.array(values, np.float32)
    assert best_first(scores).tolist() == np.argsort(-scores, kind="stable").tolist()


@given(st.lists(st.integers(-(2**31), 2**31 - 1), max_size=30))
def test_ascending_is_the_stable_order(values):
    assert ascending(np.array(values, np.int64)).tolist() == np.argsort(values, kind="stable").tolist()


RECIPES = st.builds(
    lambda parts: Recipe(tuple(step for step in parts if step is not None)),
    st.tuples(
        st.none() | st.builds(Threshold, st.just("class"), st.floats(0, 1), st.booleans()),
        st.none() | st.builds(TopK, st.integers(0, 9), st.sampled_from(["pair", "location"])),
        st.none() | st.just(BestClass()),
        st.none() | st.builds(MultiplyFactor, st.booleans()),
        st.none() | st.just(Clip()),
        st.none() | st.builds(Rescale, st.sampled_from(["multiply", "divide"])),
        st.none() | st.builds(MinSize, st.floats(0, 20)),
        st.builds(Nms, THRESHOLDS, st.sampled_from(["per_class", "agnostic"])),
        st.none() | st.builds(MaxPerImg, st.integers(0, 9)),
    ),
)


def slow_recipe(recipe, found, frame: Geometry):
    """The recipe on a list of rows ``[level, prior, label, score, factor, box]``, one Python loop a step."""
    columns = (found.level, found.prior, found.label, found.score, found.factor, found.boxes)
    rows = [list(row) for row in zip(*columns, strict=True)]
    for step in recipe.steps:
        if isinstance(step, Threshold):
            border = np.float32(step.value)
            rows = [r for r in rows if r[3] > border or (step.inclusive and r[3] == border)]
        elif isinstance(step, TopK):
            rows.sort(key=lambda r: (r[0], -r[3]))
            kept, count = [], {}
            best = {}
            for r in rows:
                key = id(r) if step.unit == "pair" else r[1]
                if key not in best:
                    best[key] = count.get(r[0], 0)
                    count[r[0]] = best[key] + 1
                kept += [r] if best[key] < step.k else []
            rows = kept
        elif isinstance(step, BestClass):
            chosen = {}
            for r in rows:
                if r[1] not in chosen or (-r[3], r[2]) < (-chosen[r[1]][3], chosen[r[1]][2]):
                    chosen[r[1]] = r
            rows = [chosen[prior] for prior in sorted(chosen)]
        elif isinstance(step, MultiplyFactor):
            for r in rows:
                r[3], r[4] = r[3] * r[4], ONE
                r[3] = np.sqrt(r[3]) if step.root else r[3]
        elif isinstance(step, Clip):
            limits = np.float32([frame.resized_width, frame.resized_height] * 2)
            for r in rows:
                r[5] = np.float32([min(max(v, ZERO), most) for v, most in zip(r[5], limits, strict=True)])
        elif isinstance(step, Rescale):
            for r in rows:  # the scale is 0.5 on both axes, so both operations are exact
                r[5] = r[5] * np.float32(2)
        elif isinstance(step, MinSize):
            limit = np.float32(step.value)
            rows = [r for r in rows if r[5][2] - r[5][0] > limit and r[5][3] - r[5][1] > limit]
        elif isinstance(step, Nms):
            rows.sort(key=lambda r: -r[3])
            groups = sorted({r[2] for r in rows}) if step.space == "per_class" else [None]
            kept = []
            for label in groups:
                own = [r for r in rows if label in (None, r[2])]
                kept += [
                    own[i] for i in slow_nms([r[5] for r in own], [r[3] for r in own], step.iou_threshold)
                ]
            rows = sorted(kept, key=lambda r: -r[3])
        else:
            rows = sorted(rows, key=lambda r: -r[3])[: step.k]
    return rows


@given(recipe=RECIPES, found=pairs())
def test_a_recipe_goes_pair_by_pair(recipe, found):
    # the rank of equal scores of one location is decided by labels inside the steps; it is not a property
    assume(len({float(score) for score in found.score}) == len(found))
    assume(len({float(score) for score in found.score * found.factor}) == len(found))
    frame = geometry()
    expected = slow_recipe(recipe, found, frame)
    made = apply_recipe(recipe, found, frame, model_spec(atss_head()))
    assert made.labels.tolist() == [int(r[2]) for r in expected]
    assert made.scores.tolist() == [float(r[3]) for r in expected]
    assert made.boxes.tolist() == [[float(v) for v in r[5]] for r in expected]


@given(recipe=RECIPES, found=pairs(), seed=st.integers(0, 9))
def test_a_recipe_leaves_the_candidates_as_they_are_and_gives_the_same_twice(recipe, found, seed):
    before = {name: value.copy() for name, value in vars(found).items()}
    first, second = (apply_recipe(recipe, found, geometry(), model_spec(atss_head())) for _ in "ab")
    assert all(np.array_equal(before[name], value) for name, value in vars(found).items())
    assert all(np.array_equal(value, getattr(second, name)) for name, value in vars(first).items())


@given(data=st.data(), name=st.sampled_from(sorted(STEPS)))
def test_every_step_is_the_same_after_a_file(data, name):
    step = data.draw(records(STEPS[name]))
    assume(step.problem() is None)
    assert read_steps(json.loads(json.dumps(write_steps([step])))) == (step,)


JUNK = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.lists(st.integers())


@given(
    name=st.sampled_from(sorted(STEPS)) | st.text(max_size=5),
    values=st.dictionaries(st.text(max_size=9), JUNK),
)
def test_a_wrong_step_is_one_message(name, values):
    known = {key: value for key, value in values.items() if key != "step"}
    said = []
    try:
        read_step({"step": name, **known}, "recipe step 1")
    except UserError as error:
        said.append(str(error))
    assert all(message.startswith("recipe step 1") for message in said)


@pytest.mark.parametrize("value", [10**400, -(10**400), math.inf, math.nan])
def test_a_number_that_is_none_is_refused(value):
    step = {"step": "nms", "iou_threshold": value}
    with pytest.raises(UserError, match=re.escape("(nms): iou_threshold") + ".*a finite number is expected"):
        read_step(step, "recipe step 1")
