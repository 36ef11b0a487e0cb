"""Candidates of heads whose rows are proposals or queries."""

import math
from dataclasses import replace

import numpy as np
import pytest
from tiny import detr_head, query_head, query_outputs, roi_head, roi_outputs, sparse_head

from cutpoint.decode.candidates import from_decoded, from_raw
from cutpoint.decode.pairs import activated, finish
from cutpoint.decode.queries import decode_queries
from cutpoint.decode.rois import decode_proposals
from cutpoint.records.head import Floor, RoiHead

CLIP = (32, 40)
HEADS = {
    "boxes by class": roi_head(),
    "one box": roi_head(class_boxes=False),
    "learned proposals": sparse_head(),
    "DINO": query_head(),
    "DETR": detr_head(),
}


def raw_of(spec, batch=2):
    make = roi_outputs if isinstance(spec, RoiHead) else query_outputs
    return make(spec, seed=3, batch=batch)


def decoded_of(spec, raw):
    """``decoded`` outputs of all images, with the scores of padding rows 0."""
    scores = np.stack([activated(logits, spec.score_activation) for logits in raw["logits"]])
    if isinstance(spec, RoiHead):
        boxes = decode_proposals(spec, raw["proposals"], raw["deltas"])
    else:
        boxes = decode_queries(raw["cxcywh"], np.array(CLIP[::-1], np.float32))
    named = {"boxes": boxes, "scores": scores}
    if spec.selected:
        named["priors"] = raw["priors"]
        scores[raw["priors"] < 0] = 0
    return named


def pairs(found):
    return list(zip(found.prior.tolist(), found.label.tolist(), strict=True))


@pytest.mark.parametrize("image", [0, 1])
@pytest.mark.parametrize("name", HEADS)
def test_raw_and_decoded_give_the_same_candidates(name, image):
    spec = HEADS[name]
    raw = raw_of(spec)
    decoded = decoded_of(spec, raw)
    assert list(decoded) == spec.decoded_names
    found, other = from_raw(raw, spec, image, CLIP), from_decoded(decoded, spec, image)
    assert len(found) >= 3
    for column, value in vars(found).items():
        assert value.dtype == getattr(other, column).dtype, column
        np.testing.assert_array_equal(value, getattr(other, column), err_msg=column)
    assert {name: str(value.dtype) for name, value in vars(found).items()} == {
        "level": "int8",
        "prior": "int32",
        "label": "int16",
        "score": "float32",
        "factor": "float32",
        "boxes": "float32",
    }
    assert pairs(found) == sorted(pairs(found))
    assert not found.level.any()
    assert (found.factor == 1).all()


def test_a_pair_of_a_proposal_by_hand():
    # the second of three rows; its deltas move class 1 by half a width and double its height
    spec = roi_head(proposals=3)
    raw = {
        "proposals": np.array([[[0, 0, 8, 8], [10, 20, 30, 24], [0, 0, 0, 0]]], np.float32),
        "priors": np.array([[70, 12, -1]]),
        "proposal_count": np.array([2]),
        "logits": np.full((1, 3, 4), -20, np.float32),
        "deltas": np.zeros((1, 3, 12), np.float32),
    }
    raw["logits"][0, :, 3] = 0
    raw["logits"][0, 1, 1] = math.log(3)
    raw["logits"][0, 2, 0] = 9  # padding
    means, stds = (np.array(spec.coder[key]) for key in ("means", "stds"))
    raw["deltas"][0, 1, 4:8] = (np.array([0.5, 0, 0, math.log(2)]) - means) / stds
    found = from_raw(raw, spec)
    assert pairs(found) == [(12, 1)]
    assert found.score.tolist() == pytest.approx([0.75])
    np.testing.assert_allclose(found.boxes, [[20, 18, 40, 26]], rtol=1e-6)
    # with one box for all classes the first four deltas are all there are
    one = replace(spec, class_boxes=False)
    found = from_raw(raw | {"deltas": raw["deltas"][..., 4:8]}, one)
    np.testing.assert_allclose(found.boxes, [[20, 18, 40, 26]], rtol=1e-6)


def test_rows_of_padding_give_nothing_whatever_they_hold():
    spec = roi_head(floor=Floor("class", 0.0, True))
    decoded = decoded_of(spec, raw_of(spec))
    found = from_decoded(decoded, spec)
    assert len(found) == 3 * 3
    assert (found.prior >= 0).all()


def test_the_box_of_a_query_is_a_fraction_of_the_image():
    spec = detr_head(queries=1)
    raw = {
        "logits": np.array([[[0, 0, 5, 0]]], np.float32),
        "cxcywh": np.array([[[0.5, 0.25, 0.5, 0.1]]], np.float32),
    }
    found = from_raw(raw, spec, clip=(200, 80))
    np.testing.assert_allclose(found.boxes[0], [20, 40, 60, 60], rtol=1e-6)
    with pytest.raises(ValueError, match="its size is needed"):
        from_raw(raw, spec)


def test_learned_rows_are_named_by_their_place():
    spec = detr_head(floor=Floor("class", 0.0, True, 100))
    assert sorted({prior for prior, _ in pairs(from_raw(raw_of(spec), spec, 0, CLIP))}) == [0, 1, 2, 3, 4]
    chosen = query_head(floor=Floor("class", 0.0, True, 100))
    raw = raw_of(chosen)
    found = from_raw(raw, chosen, 1, CLIP)
    assert sorted(set(found.prior.tolist())) == sorted(raw["priors"][1].tolist())


def test_a_floor_of_pairs_keeps_the_best_pairs_and_the_best_of_the_best_places():
    priors = np.array([7, 3, 3, 5, 7, 9])
    labels = np.array([0, 0, 1, 2, 1, 0])
    scores = np.array([0.9, 0.2, 0.1, 0.5, 0.8, 0.4], np.float32)
    ones, boxes = np.ones(6, np.float32), np.zeros((6, 4), np.float32)

    def kept(floor):
        return pairs(finish(np.zeros(6, int), priors, labels, scores, ones, boxes, floor))

    # two best pairs, both of place 7; best places 7 and 5
    assert kept(Floor("class", 0.0, True, 2)) == [(5, 2), (7, 0), (7, 1)]
    assert kept(Floor("class", 0.0, True, 1)) == [(7, 0)]
    assert kept(Floor("class", 0.0, True, 100)) == kept(Floor("class", 0.0, True))
    # the limit on the score comes first
    assert kept(Floor("class", 0.5, False, 2)) == [(7, 0), (7, 1)]


def test_of_equal_scores_the_first_are_kept():
    priors, labels = np.repeat([4, 2, 6], 3), np.tile([0, 1, 2], 3)
    scores = np.full(9, 0.5, np.float32)
    floor = Floor("class", 0.0, True, 2)
    ones, boxes = np.ones(9, np.float32), np.zeros((9, 4), np.float32)
    found = finish(np.zeros(9, int), priors, labels, scores, ones, boxes, floor)
    assert pairs(found) == [(2, 0), (2, 1), (4, 0)]


@pytest.mark.parametrize("pairs", [1, 4, 30, 1000])
def test_rows_keep_the_pairs_that_a_list_of_them_keeps(pairs):
    # the matrix of scores is thinned before it is sorted; scores of a few values have many ties
    spec, random = query_head(queries=40, floor=Floor("class", 0.0, False, pairs)), np.random.default_rng(0)
    for levels in (3, 20, 10**6):
        scores = (random.integers(0, levels, (40, 3)) / levels).astype(np.float32)
        decoded = {
            "boxes": random.uniform(0, 9, (1, 40, 4)).astype(np.float32),
            "scores": scores[None],
            "priors": random.permutation(100)[None, :40],
        }
        row, label = np.divmod(np.arange(120), 3)
        ones, zeros = np.ones(120, np.float32), np.zeros(120, int)
        listed = zeros, decoded["priors"][0][row], label, scores.reshape(-1), ones, decoded["boxes"][0][row]
        found, expected = from_decoded(decoded, spec), finish(*listed, spec.floor)
        assert len(found) > 0
        for column, value in vars(found).items():
            np.testing.assert_array_equal(value, getattr(expected, column), err_msg=column)
