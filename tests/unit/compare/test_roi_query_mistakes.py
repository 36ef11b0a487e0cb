"""The mistakes that proposals and queries leave room for, and what each makes of the tensors."""

from dataclasses import replace

import numpy as np
import pytest
from tiny import (
    QUERY_STEPS,
    detr_head,
    geometry,
    input_recipe,
    model_spec,
    query_head,
    query_outputs,
    roi_head,
    roi_outputs,
    sparse_head,
)

from cutpoint.compare.mistakes import mistakes_of
from cutpoint.decode.pairs import sigmoid, softmax
from cutpoint.recipes.recipe import Recipe, resolve_recipe
from cutpoint.recipes.steps.boxes import Clip
from cutpoint.recipes.steps.overlaps import Nms
from cutpoint.records.head import RoiHead

OWN_SIZE = input_recipe(scale=None, bgr_to_rgb=True, divisor=32)


def named(head, own=OWN_SIZE):
    spec = replace(model_spec(head), input=own)
    return {mistake.name: mistake for mistake in mistakes_of(spec)}


SHARED = {"none", "sizes_of_tensor", "channel_order", "unit_range", "class_plus_one", "class_minus_one"}
RANKS = {"confidence_25", "best_class"}
SOFTMAX = {"background_first", "background_dropped", "sigmoid_for_softmax"}
SIGMOID = {"double_sigmoid", "softmax_for_sigmoid"}
NMS = {"iou_45", "class_agnostic"}


@pytest.mark.parametrize(
    ("head", "own"),
    [
        (roi_head(), {"stds_forgotten", "deltas_by_side", "clip_forgotten", *SOFTMAX, *NMS, *RANKS}),
        (sparse_head(), {"stds_forgotten", "stds_of_mmdet", *SIGMOID, *RANKS}),
        (query_head(), {"corners", "padded_size", "clip_forgotten", "nms_added", *SIGMOID, *RANKS}),
        (
            detr_head(),
            {"corners", "padded_size", "clip_forgotten", "nms_added", "background_chosen", *SOFTMAX}
            | {"confidence_25", "every_class"},
        ),
    ],
    ids=["rois", "sparse", "queries", "detr"],
)
def test_a_head_has_the_mistakes_that_it_leaves_room_for(head, own):
    assert set(named(head)) == SHARED | own


def test_one_class_leaves_no_room_for_other_classes():
    found = named(roi_head(num_classes=1))
    assert not {"deltas_by_side", "class_plus_one", "best_class", "class_agnostic"} & set(found)
    assert "softmax_for_sigmoid" not in named(query_head(num_classes=1))


def test_a_tensor_without_padding_has_no_other_size():
    found = set(named(query_head())) - set(named(query_head(), replace(OWN_SIZE, divisor=1)))
    assert found == {"padded_size", "sizes_of_tensor"}


def read(head, name, outputs):
    return named(head)[name].outputs(outputs, head)


def test_the_background_is_taken_for_another_column():
    head = roi_head()
    outputs = roi_outputs(head, seed=1)
    shares = softmax(outputs["logits"][0])
    # class 0 is read from column 1 and so on, the last class from the background's
    first = softmax(read(head, "background_first", outputs)["logits"][0])[:, :-1]
    np.testing.assert_allclose(first, shares[:, 1:], rtol=1e-6)
    dropped = softmax(read(head, "background_dropped", outputs)["logits"][0])[:, :-1]
    np.testing.assert_allclose(dropped, shares[:, :-1] / shares[:, :-1].sum(1, keepdims=True), rtol=1e-5)
    mistake = named(head)["sigmoid_for_softmax"]
    changed = mistake.outputs(outputs, head)["logits"][0]
    np.testing.assert_array_equal(changed, outputs["logits"][0][:, :3])
    assert (mistake.head.score_activation, head.score_activation) == ("sigmoid", "softmax")


def test_queries_whose_background_is_best_give_nothing():
    outputs = {"logits": np.float32([[[1, 2, 0, 1.5], [1, 2, 0, 2.5]]]), "cxcywh": np.zeros((1, 2, 4))}
    scores = softmax(read(detr_head(), "background_chosen", outputs)["logits"][0])[:, :-1]
    np.testing.assert_allclose(scores[0], softmax(outputs["logits"][0])[0, :-1])
    assert not scores[1].any()


def test_scores_are_activated_in_another_way():
    head = query_head()
    outputs = query_outputs(head, seed=2)
    logits = outputs["logits"]
    twice = read(head, "double_sigmoid", outputs)["logits"]
    np.testing.assert_allclose(sigmoid(twice), sigmoid(sigmoid(logits)), rtol=1e-6)
    shared = sigmoid(read(head, "softmax_for_sigmoid", outputs)["logits"][0])
    np.testing.assert_allclose(shared, softmax(logits[0]), rtol=1e-4)


def test_boxes_are_read_in_another_form():
    outputs = {"cxcywh": np.float32([[[0.2, 0.3, 0.6, 0.9]]]), "logits": np.zeros((1, 1, 3), np.float32)}
    corners = read(query_head(), "corners", outputs)["cxcywh"]
    # the box from (0.2, 0.3) to (0.6, 0.9)
    np.testing.assert_allclose(corners, [[[0.4, 0.6, 0.4, 0.6]]], rtol=1e-6)
    deltas = {"deltas": np.arange(12, dtype=np.float32).reshape(1, 1, 12)}
    moved = read(roi_head(), "deltas_by_side", deltas)["deltas"]
    # the first class's four numbers are those at 0, 3, 6, 9
    np.testing.assert_array_equal(moved[0, 0], [0, 3, 6, 9, 1, 4, 7, 10, 2, 5, 8, 11])


def test_steps_are_left_out_and_added():
    own = resolve_recipe("mmdet3", query_head())
    mistakes = named(query_head())
    assert own.get(Nms) is None
    assert mistakes["nms_added"].recipe(own) == Recipe((*own.steps, Nms(0.45)))
    assert mistakes["clip_forgotten"].recipe(own) == own.without(Clip)


def finished(head, name, outputs, seen):
    mistake, spec = named(head)[name], model_spec(head)
    return mistake.finish(outputs, seen, resolve_recipe("mmdet3", head), spec)


def test_the_padded_size_scales_the_boxes():
    # without the recipe's clip, at the scale of the network input
    head = query_head(recipe=(QUERY_STEPS[0],))
    outputs = query_outputs(head, seed=3)
    seen = geometry(padded_height=64, padded_width=48)
    own, padded = (finished(head, name, outputs, seen) for name in ("none", "padded_size"))
    np.testing.assert_array_equal(padded.scores, own.scores)
    np.testing.assert_allclose(padded.boxes, own.boxes * np.array([48 / 40, 64 / 32] * 2), rtol=1e-5)


def many(head):
    """The head with thirty rows, of which it keeps the sixty best pairs."""
    recipe = tuple(step | ({"k": 60} if "k" in step else {}) for step in head.recipe)
    rows = {"proposals" if isinstance(head, RoiHead) else "queries": 30}
    floor = head.floor if head.floor.pairs is None else replace(head.floor, pairs=60)
    return replace(head, recipe=recipe, floor=floor, **rows)


@pytest.mark.parametrize("head", [roi_head(), sparse_head(), query_head(), detr_head()], ids=lambda h: h.head)
def test_each_mistake_behind_the_network_changes_the_detections(head):
    head, seen = many(head), geometry(padded_height=64, padded_width=64)
    outputs = (roi_outputs if isinstance(head, RoiHead) else query_outputs)(head, seed=5)
    outputs["logits"] -= 1  # some of the pairs have low scores with a sigmoid too
    own = finished(head, "none", outputs, seen)
    assert len(own) >= 15
    before = ("none", "sizes_of_tensor")  # what the network itself sees
    behind = [n for n, mistake in named(head).items() if mistake.input == OWN_SIZE and n not in before]
    assert len(behind) >= 7
    for name in behind:
        other = finished(head, name, outputs, seen)
        parts = ("boxes", "scores", "labels")
        same = all(np.array_equal(getattr(other, part), getattr(own, part)) for part in parts)
        assert not same, name
