"""Candidates of random heads against a version that decodes every pair before it looks at the floor."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny import (
    atss_head,
    detr_head,
    query_head,
    query_outputs,
    raw_outputs,
    roi_head,
    roi_outputs,
    yolox_head,
)

from cutpoint.decode.candidates import from_decoded, from_raw
from cutpoint.records.head import Floor

SIZES = st.lists(st.tuples(st.integers(1, 5), st.integers(1, 5)), min_size=2, max_size=2)
FLOORS = st.sampled_from([0.0, 0.05, 0.5, 0.9999]) | st.floats(0, 1)


def sigmoid(x):
    return 1 / (1 + math.exp(-float(x)))


def slow_atss(outputs, spec):
    """``(prior, label)`` to score, factor, box in float64, for every pair: anchors with deltas."""
    found, prior = {}, 0
    for level in range(2):
        cls, box, centerness = (outputs[f"{kind}_{level}"][0] for kind in ("cls", "box", "centerness"))
        stride_x, stride_y = spec.strides[level]
        for y in range(cls.shape[1]):
            for x in range(cls.shape[2]):
                for anchor, base in enumerate(spec.anchors[level]):
                    x1, y1, x2, y2 = np.array(base) + [x * stride_x, y * stride_y] * 2
                    dx, dy, dw, dh = box[4 * anchor : 4 * anchor + 4, y, x] * [0.1, 0.1, 0.2, 0.2]
                    limit = spec.coder["max_ratio"]
                    w, h = x2 - x1, y2 - y1
                    cx, cy = (x1 + x2) / 2 + dx * w, (y1 + y2) / 2 + dy * h
                    w *= math.exp(min(max(dw, -limit), limit)) / 2
                    h *= math.exp(min(max(dh, -limit), limit)) / 2
                    for label in range(3):
                        score = sigmoid(cls[3 * anchor + label, y, x])
                        factor = sigmoid(centerness[anchor, y, x])
                        found[prior, label] = score, factor, (cx - w, cy - h, cx + w, cy + h)
                    prior += 1
    return found


def slow_yolox(outputs, spec):
    found, prior = {}, 0
    for level in range(2):
        cls, box, objectness = (outputs[f"{kind}_{level}"][0] for kind in ("cls", "box", "objectness"))
        stride = spec.strides[level][0]
        for y in range(cls.shape[1]):
            for x in range(cls.shape[2]):
                dx, dy, dw, dh = (float(v) for v in box[:, y, x])
                cx, cy = (x + dx) * stride, (y + dy) * stride
                w, h = math.exp(dw) * stride / 2, math.exp(dh) * stride / 2
                for label in range(3):
                    score, factor = sigmoid(cls[label, y, x]), sigmoid(objectness[0, y, x])
                    found[prior, label] = score, factor, (cx - w, cy - h, cx + w, cy + h)
                prior += 1
    return found


def check(candidates, expected, floor):
    """Pairs nearer to the floor than float32 can tell may be there or not; all others must be as expected."""
    values = {
        key: score * (factor if floor.quantity == "product" else 1)
        for key, (score, factor, _) in expected.items()
    }
    keys = list(zip(candidates.prior.tolist(), candidates.label.tolist(), strict=True))
    assert keys == sorted(set(keys))
    sure = {key for key, value in values.items() if value > floor.value + 1e-6}
    assert sure <= set(keys) <= {key for key, value in values.items() if value > floor.value - 1e-6}
    for row, key in enumerate(keys):
        score, factor, box = expected[key]
        assert candidates.score[row] == pytest.approx(score, abs=1e-6)
        assert candidates.factor[row] == pytest.approx(factor, abs=1e-6)
        assert candidates.boxes[row].tolist() == pytest.approx(list(box), rel=1e-5, abs=1e-3)


@given(sizes=SIZES, seed=st.integers(0, 10**6), floor=FLOORS, quantity=st.sampled_from(["class", "product"]))
def test_anchors_with_deltas_go_pair_by_pair(sizes, seed, floor, quantity):
    spec = atss_head(floor=Floor(quantity, floor, False))
    outputs = raw_outputs(spec, sizes, seed)
    check(from_raw(outputs, spec), slow_atss(outputs, spec), spec.floor)


@given(sizes=SIZES, seed=st.integers(0, 10**6), floor=FLOORS, quantity=st.sampled_from(["class", "product"]))
def test_points_with_sizes_go_pair_by_pair(sizes, seed, floor, quantity):
    spec = yolox_head(floor=Floor(quantity, floor, True))
    outputs = raw_outputs(spec, sizes, seed)
    check(from_raw(outputs, spec), slow_yolox(outputs, spec), spec.floor)


@given(sizes=SIZES, seed=st.integers(0, 10**6), batch=st.integers(1, 3), floor=FLOORS)
def test_an_image_of_a_batch_is_read_as_if_it_was_alone(sizes, seed, batch, floor):
    spec = atss_head(floor=Floor("class", floor, False))
    outputs = raw_outputs(spec, sizes, seed, batch)
    for image in range(batch):
        alone = {name: values[image : image + 1] for name, values in outputs.items()}
        first, second = from_raw(outputs, spec, image), from_raw(alone, spec)
        assert all(np.array_equal(value, getattr(second, name)) for name, value in vars(first).items())


@given(sizes=SIZES, seed=st.integers(0, 10**6), low=FLOORS, high=FLOORS)
def test_a_higher_floor_gives_a_part_of_the_candidates(sizes, seed, low, high):
    low, high = sorted((low, high))
    spec = atss_head(floor=Floor("class", low, False))
    outputs = raw_outputs(spec, sizes, seed)
    every, few = (from_raw(outputs, replace(spec, floor=Floor("class", at, False))) for at in (low, high))
    kept = every.take(every.score > np.float32(high))
    assert all(np.array_equal(value, getattr(few, name)) for name, value in vars(kept).items())


@given(seed=st.integers(0, 10**6), floor=FLOORS, padding=st.integers(0, 4))
def test_proposals_go_pair_by_pair(seed, floor, padding):
    spec = roi_head(floor=Floor("class", floor, False))
    outputs = roi_outputs(spec, seed, padding=padding)
    expected = {}
    for row in range(4 - padding):
        logits = [math.exp(float(v)) for v in outputs["logits"][0, row]]
        x1, y1, x2, y2 = (float(v) for v in outputs["proposals"][0, row])
        for label in range(3):
            dx, dy, dw, dh = outputs["deltas"][0, row, 4 * label : 4 * label + 4] * [0.1, 0.1, 0.2, 0.2]
            w, h = x2 - x1, y2 - y1
            cx, cy = (x1 + x2) / 2 + dx * w, (y1 + y2) / 2 + dy * h
            w, h = w * math.exp(dw) / 2, h * math.exp(dh) / 2
            box = (cx - w, cy - h, cx + w, cy + h)
            expected[int(outputs["priors"][0, row]), label] = logits[label] / sum(logits), 1.0, box
    check(from_raw(outputs, spec), expected, spec.floor)


@given(
    seed=st.integers(0, 10**6),
    most=st.integers(1, 20),
    head=st.sampled_from([query_head, detr_head]),
    clip=st.tuples(st.integers(1, 900), st.integers(1, 900)),
)
def test_queries_keep_the_best_pairs_and_the_best_of_the_best_places(seed, most, head, clip):
    spec = head(floor=Floor("class", 0.0, False, most))
    outputs = query_outputs(spec, seed)
    priors = outputs["priors"][0] if spec.selected else np.arange(5)
    pairs = []
    for row in range(5):
        values = outputs["logits"][0, row]
        powers = [math.exp(float(v)) for v in values]
        for label in range(3):
            score = sigmoid(values[label]) if spec.selected else powers[label] / sum(powers)
            pairs.append((score, int(priors[row]), label, row))
    pairs.sort(key=lambda pair: -pair[0])
    places = list(dict.fromkeys(pair[1] for pair in pairs))[:most]
    best = {next(pair for pair in pairs if pair[1] == place) for place in places}
    expected = {pair[1:3]: pair for pair in {*pairs[:most], *best}}
    found = from_raw(outputs, spec, 0, clip)
    keys = list(zip(found.prior.tolist(), found.label.tolist(), strict=True))
    assert keys == sorted(expected)
    for row, key in enumerate(keys):
        score, _, _, query = expected[key]
        cx, cy, w, h = (float(v) for v in outputs["cxcywh"][0, query])
        box = np.array([cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2]) * [
            clip[1],
            clip[0],
            clip[1],
            clip[0],
        ]
        assert found.score[row] == pytest.approx(score, abs=1e-6)
        assert found.boxes[row].tolist() == pytest.approx(box.tolist(), rel=1e-5, abs=1e-3)


@given(rows=st.integers(0, 12), seed=st.integers(0, 10**6), floor=FLOORS, fused=st.booleans())
def test_decoded_tensors_go_pair_by_pair(rows, seed, floor, fused):
    random = np.random.default_rng(seed)
    spec = yolox_head(floor=Floor("product", floor, True))
    outputs = {
        "boxes": random.normal(20, 30, (1, rows, 4)).astype(np.float32),
        "scores": random.random((1, rows, 3), dtype=np.float32),
        "factors": random.random((1, rows), dtype=np.float32),
        "level_counts": np.array([rows // 2, rows - rows // 2]),
    }
    if fused:
        del outputs["factors"]
    found = from_decoded(outputs, spec)
    keys = []
    for row in range(rows):
        for label in range(3):
            score = outputs["scores"][0, row, label]
            factor = np.float32(1) if fused else outputs["factors"][0, row]
            if score * factor >= np.float32(floor):
                keys.append((int(row >= rows // 2), row, label, score, factor, *outputs["boxes"][0, row]))
    columns = (found.level, found.prior, found.label, found.score, found.factor, *found.boxes.T)
    assert list(zip(*columns, strict=True)) == keys
