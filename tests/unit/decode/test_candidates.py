from dataclasses import replace

import numpy as np
import pytest
from tiny import (
    PAA_STEPS,
    atss_head,
    geometry,
    model_spec,
    raw_outputs,
    rows_head,
    sabl_head,
    yolov3_head,
    yolox_head,
)

from cutpoint.decode import dense
from cutpoint.decode.boxes import decode_boxes, level_priors
from cutpoint.decode.candidates import from_decoded, from_raw, from_rows
from cutpoint.decode.pairs import passes
from cutpoint.recipes.apply import apply_recipe
from cutpoint.recipes.recipe import resolve_recipe
from cutpoint.records.candidates import Candidates
from cutpoint.records.head import Floor, Part

SIZES = [(3, 4), (2, 2)]


def sigmoid(x):
    return np.float32(1) / (np.float32(1) + np.exp(-x))


def decode_everything(outputs, spec):
    """``decoded`` outputs of all images by plain loops over level, y, x, anchor."""
    batch = len(outputs["cls_0"])
    boxes, scores, factors, counts = [], [], [], []
    for level in range(spec.levels):
        _, _, height, width = outputs[f"cls_{level}"].shape
        anchors, classes = spec.anchors_per_cell(level), spec.num_classes
        counts.append(height * width * anchors)
        for y, x, a in np.ndindex(height, width, anchors):
            prior = level_priors(spec, level, np.array([y]), np.array([x]), np.array([a]))
            values = outputs[f"box_{level}"][:, a * 4 : a * 4 + 4, y, x]
            boxes.append(np.concatenate([decode_boxes(spec, level, prior, v[None])[0] for v in values]))
            scores.append(sigmoid(outputs[f"cls_{level}"][:, a * classes : (a + 1) * classes, y, x]))
            factors.append(sigmoid(outputs[f"{spec.factor.tensor}_{level}"][:, a, y, x]))
    decoded = {
        "boxes": np.stack(boxes, 1),
        "scores": np.stack(scores, 1),
        "factors": np.stack(factors, 1),
        "level_counts": np.array(counts),
    }
    assert decoded["boxes"].shape == (batch, sum(counts), 4)
    return decoded


def assert_same(a, b):
    for name, value in vars(a).items():
        assert value.dtype == getattr(b, name).dtype, name
        np.testing.assert_array_equal(value, getattr(b, name), err_msg=name)


@pytest.mark.parametrize("head", [atss_head, yolox_head])
@pytest.mark.parametrize("image", [0, 1])
def test_raw_and_decoded_give_the_same_candidates(head, image):
    spec = head()
    spec = head(floor=replace(spec.floor, value=0.3))
    outputs = raw_outputs(spec, SIZES, batch=2)
    decoded = decode_everything(outputs, spec)
    from_head, from_graph = from_raw(outputs, spec, image), from_decoded(decoded, spec, image)
    assert 10 < len(from_head) < decoded["scores"][0].size
    assert_same(from_head, from_graph)
    # against the plain definition
    value = decoded["scores"][image]
    if spec.floor.quantity == "product":
        value = value * decoded["factors"][image][:, None]
    prior, label = np.nonzero(passes(value, 0.3, spec.floor.inclusive))
    assert from_head.prior.tolist() == prior.tolist()
    assert from_head.label.tolist() == label.tolist()
    np.testing.assert_array_equal(from_head.boxes, decoded["boxes"][image][prior])
    np.testing.assert_array_equal(from_head.factor, decoded["factors"][image][prior])
    assert from_head.level.tolist() == (prior >= decoded["level_counts"][0]).astype(int).tolist()


def test_dtypes_are_those_of_the_store():
    found = from_raw(raw_outputs(atss_head(), SIZES), atss_head())
    kinds = {name: str(value.dtype) for name, value in vars(found).items()}
    assert kinds == {
        "level": "int8",
        "prior": "int32",
        "label": "int16",
        "score": "float32",
        "factor": "float32",
        "boxes": "float32",
    }


def test_one_pair_by_hand():
    # level 1 has 2 x 2 cells of 2 anchors after the 3 x 4 x 2 priors of level 0
    outputs = {k: np.full_like(v, -20) for k, v in raw_outputs(atss_head(), SIZES).items()}
    outputs["cls_1"][0, 3 + 2, 1, 0] = 0  # anchor 1, class 2, y 1, x 0
    outputs["centerness_1"][0, 1, 1, 0] = np.log(3)
    outputs["box_1"][:] = 0
    found = from_raw(outputs, atss_head())
    assert len(found) == 1
    assert (found.level[0], found.prior[0], found.label[0], found.score[0]) == (1, 24 + 4 + 1, 2, 0.5)
    assert found.factor[0] == pytest.approx(0.75)
    assert found.boxes.tolist() == [[-16, -8, 16, 24]]


def exact_outputs(scores, factors):
    """``decoded`` outputs of one level with chosen scores; shapes ``(N, 3)`` and ``(N,)``."""
    count = len(factors)
    return {
        "boxes": np.zeros((1, count, 4), np.float32),
        "scores": np.array([scores], np.float32),
        "factors": np.array([factors], np.float32),
        "level_counts": np.array([count - 1, 1]),
    }


def test_class_floor_is_strict_and_ignores_the_factor():
    spec = atss_head()
    above = np.nextafter(np.float32(0.05), np.float32(1))
    outputs = exact_outputs([[0.05, above, 0.04], [0.9, 0.0, 0.05]], [1.0, 0.001])
    found = from_decoded(outputs, spec)
    assert list(zip(found.prior.tolist(), found.label.tolist(), strict=True)) == [(0, 1), (1, 0)]


def test_product_floor_is_inclusive():
    spec = yolox_head()
    below = np.nextafter(np.float32(0.5), np.float32(0))
    outputs = exact_outputs([[0.5, below, 0.6], [0.25, 0.26, 0.0]], [0.5, 1.0])
    found = from_decoded(outputs, spec)
    assert list(zip(found.prior.tolist(), found.label.tolist(), strict=True)) == [
        (0, 0),
        (0, 2),
        (1, 0),
        (1, 1),
    ]


@pytest.mark.parametrize("inclusive", [False, True])
@pytest.mark.parametrize("value", [0.01, 0.05, 0.5, 0.999999, 1.0])
def test_no_logit_is_lost_at_the_floor(value, inclusive):
    # All float32 logits close to the floor and a wider sample: the cheap comparison of logits must lose none
    # that the exact comparison of activated scores keeps.
    centre = np.float32(np.log(value / (1 - value))) if value < 1 else np.float32(16.6)
    near = centre + np.arange(-400, 401, dtype=np.float32) * np.spacing(centre)
    logits = np.concatenate([near, centre + np.linspace(-1, 1, 200, dtype=np.float32)]).reshape(1, 1, 1, -1)
    spec = yolox_head(num_classes=1, strides=((8, 8),), floor=Floor("class", value, inclusive))
    outputs = {
        "cls_0": logits,
        "box_0": np.zeros((1, 4, 1, logits.size), np.float32),
        "objectness_0": 0 * logits,
    }
    expected = np.flatnonzero(passes(sigmoid(logits[0, 0, 0]), value, inclusive))
    assert from_raw(outputs, spec).prior.tolist() == expected.tolist()


@pytest.mark.parametrize("head", [atss_head, yolox_head])
def test_nothing_above_the_floor(head):
    outputs = {k: np.full_like(v, -20) for k, v in raw_outputs(head(), SIZES).items()}
    for found in (from_raw(outputs, head()), from_decoded(decode_everything(outputs, head()), head())):
        assert len(found) == 0
        assert found.boxes.shape == (0, 4)


def test_floor_zero_keeps_every_pair():
    spec = atss_head(floor=Floor("class", 0.0, False))
    found = from_raw(raw_outputs(spec, SIZES), spec)
    assert len(found) == (3 * 4 + 2 * 2) * 2 * 3


def test_a_head_without_a_factor():
    spec = atss_head(factor=None)
    outputs = {k: v for k, v in raw_outputs(atss_head(), SIZES).items() if not k.startswith("centerness")}
    found = from_raw(outputs, spec)
    assert len(found) > 0
    assert (found.factor == 1).all()
    decoded = decode_everything(raw_outputs(atss_head(), SIZES), atss_head())
    decoded.pop("factors")
    assert_same(found, from_decoded(decoded, spec))


def fuse(decoded, root=False):
    scores = decoded["scores"] * decoded["factors"][..., None]
    fused = {name: value for name, value in decoded.items() if name != "factors"}
    return fused | {"scores": np.sqrt(scores) if root else scores}


def test_fused_scores_are_products_with_the_floor_on_the_product():
    spec = atss_head(floor=Floor("class", 0.3, False))
    decoded = decode_everything(raw_outputs(spec, SIZES), spec)
    fused = from_decoded(fuse(decoded), spec)
    on_product = atss_head(floor=replace(spec.floor, quantity="product"))
    expected = from_decoded(decoded, on_product)
    assert 3 < len(fused) < len(from_decoded(decoded, spec))
    np.testing.assert_array_equal(fused.score, expected.score * expected.factor)
    assert (fused.factor == 1).all()
    for name in ("level", "prior", "label", "boxes"):
        np.testing.assert_array_equal(getattr(fused, name), getattr(expected, name))


PAA = atss_head(
    head="PAAHead",
    recipe=PAA_STEPS,
    floor=Floor("product", 0.3**2 * (1 - 1e-6), True),
)


@pytest.mark.parametrize(
    ("spec", "names"),
    [
        (atss_head(), ["mmdet2-onnx", "mmdeploy", "seed-topk-nms", "seed-per-class"]),
        (PAA, ["mmdet3", "mmdet2-onnx", "mmdeploy", "seed-topk-nms", "seed-per-class", "class-agnostic"]),
    ],
)
def test_fused_scores_give_the_same_detections_where_they_are_served(spec, names):
    decoded = decode_everything(raw_outputs(spec, [(6, 6), (3, 3)], seed=2), spec)
    both = from_decoded(decoded, spec), from_decoded(fuse(decoded, root=spec.takes_root), spec)
    for name in names:
        definition = {"base": name, "score_thr": 0.35}
        usual, fused = (
            apply_recipe(resolve_recipe(definition, spec, scores), rows, geometry(), model_spec(spec))
            for scores, rows in zip(("class", "fused"), both, strict=True)
        )
        assert len(usual) > 0
        np.testing.assert_array_equal(usual.labels, fused.labels)
        np.testing.assert_array_equal(usual.boxes, fused.boxes)
        np.testing.assert_allclose(usual.scores, fused.scores, rtol=2e-7)


def test_a_head_without_a_factor_has_nothing_to_fuse():
    spec = atss_head(factor=None)
    decoded = decode_everything(raw_outputs(atss_head(), SIZES), atss_head())
    decoded.pop("factors")
    found = from_decoded(decoded, spec)
    assert spec.floor.quantity == "class"
    assert len(found) == (decoded["scores"][0] > np.float32(0.05)).sum()


POINTS = {"anchors": None, "point_offset": 0.5}
DISTANCE = {"type": "distance", "bins": None, "exp": False, "unit": [1.0, 2.0]}
HEADS = {
    "ATSS": atss_head(),
    "anchors that differ in number": atss_head(anchors=(atss_head().anchors[0], atss_head().anchors[1][:1])),
    "PAA": PAA,
    "SSD": atss_head(score=Part("cls", 0, 4), score_activation="softmax", factor=None),
    "softmax x factor": atss_head(score=Part("cls", 0, 4), score_activation="softmax"),
    "FCOS": atss_head(**POINTS, coder=DISTANCE),
    "GFL": atss_head(coder=DISTANCE | {"bins": 9}, box=(Part("box", 0, 36),), factor=None),
    "TOOD": atss_head(
        coder={"type": "corners", "from_point": False}, score_activation="none", factor_activation="none"
    ),
    "YOLOX": yolox_head(),
    "YOLOv3": yolov3_head(),
    "SABL": sabl_head(),
}


def activate(values, kind):
    """Over axis 1 of ``(A, channels, cells)``."""
    if kind == "softmax":
        powers = np.exp(values - values.max(axis=1, keepdims=True))
        return (powers / powers.sum(axis=1, keepdims=True))[:, :-1]
    return sigmoid(values) if kind == "sigmoid" else values


def everything_above_the_floor(outputs, spec, image):
    """The plain way: each level's every pair activated, every box decoded, then the floor and the order."""
    columns, offset = [], 0
    for level in range(spec.levels):
        anchors = spec.anchors_per_cell(level)

        def read(part, level=level, anchors=anchors):
            tensor = outputs[f"{part.tensor}_{level}"][image]
            return tensor.reshape(anchors, len(tensor) // anchors, -1)[:, part.start : part.stop]

        scores = activate(read(spec.score), spec.score_activation)
        width, cells = outputs[f"{spec.score.tensor}_{level}"].shape[3], scores.shape[2]
        cell, anchor = (index.ravel() for index in np.mgrid[:cells, :anchors])
        values = np.concatenate([read(part)[anchor, :, cell] for part in spec.box], axis=1)
        boxes, factors = decode_boxes(
            spec, level, level_priors(spec, level, *np.divmod(cell, width), anchor), values
        )
        if factors is None:
            factors = np.ones(len(cell), np.float32)
        if spec.factor:
            factors = activate(read(spec.factor), spec.factor_activation)[anchor, 0, cell]
        row, label = (index.ravel() for index in np.mgrid[: len(cell), : spec.num_classes])
        score, factor = scores[anchor[row], label, cell[row]], factors[row]
        value = score * factor if spec.floor.quantity == "product" else score
        kept = passes(value, spec.floor.value, spec.floor.inclusive)
        columns.append(
            [
                np.full(kept.sum(), level, np.int8),
                (offset + row[kept]).astype(np.int32),
                label[kept].astype(np.int16),
                score[kept],
                factor[kept],
                boxes[row[kept]],
            ]
        )
        offset += cells * anchors
    return Candidates(*map(np.concatenate, zip(*columns, strict=True)))


@pytest.mark.parametrize("inclusive", [False, True])
@pytest.mark.parametrize("on", ["class", "product"])
@pytest.mark.parametrize("name", HEADS)
@pytest.mark.parametrize("sparse", [0, 1000], ids=["gather", "read all"])
def test_equals_activating_and_decoding_everything(name, on, inclusive, sparse, monkeypatch):
    monkeypatch.setattr(dense, "SPARSE", sparse)
    counts = []
    for value in (0.0, 0.01, 0.05, 0.3, 0.8, 0.9995, 1.0):
        floor = Floor(on, value, inclusive)
        spec = HEADS[name].__class__(**vars(HEADS[name]) | {"floor": floor})
        outputs = raw_outputs(spec, [(5, 7), (3, 2)], seed=4, batch=2)
        outputs = {key: tensor * 4 for key, tensor in outputs.items()}
        if spec.score_activation == "none":
            outputs = {key: np.clip(tensor, 0, 1) for key, tensor in outputs.items()}
        for image in range(2):
            found = from_raw(outputs, spec, image)
            assert_same(found, everything_above_the_floor(outputs, spec, image))
            counts.append(len(found))
    assert counts[0] > counts[6] > 10  # floors 0 and 0.3, first image


def rows(*detections, count=None, length=6):
    """Outputs of a graph that ends in rows: ``(box, score, label)``, padded with zeros and -1."""
    padding = [((0, 0, 0, 0), 0.0, -1)] * (length - len(detections))
    boxes, scores, labels = zip(*detections, *padding, strict=True)
    return {
        "boxes": np.array([boxes], np.float32),
        "scores": np.array([scores], np.float32),
        "labels": np.array([labels], np.int64),
        "count": np.array([len(detections) if count is None else count], np.int64),
    }


def test_a_row_is_a_candidate_and_its_number_the_prior():
    outputs = rows(((1, 2, 3, 4), 0.2, 2), ((5, 6, 7, 8), 0.9, 0), ((1, 2, 3, 4), 0.5, 1))
    found = from_rows(outputs, rows_head())
    assert found.prior.tolist() == [0, 1, 2]
    assert found.label.tolist() == [2, 0, 1]
    np.testing.assert_array_equal(found.score, np.float32([0.2, 0.9, 0.5]))
    np.testing.assert_array_equal(found.factor, np.ones(3, np.float32))
    assert found.level.tolist() == [0, 0, 0]
    np.testing.assert_array_equal(found.boxes, [[1, 2, 3, 4], [5, 6, 7, 8], [1, 2, 3, 4]])
    dtypes = {name: str(value.dtype) for name, value in vars(found).items()}
    floats = dict.fromkeys(("score", "factor", "boxes"), "float32")
    assert dtypes == {"level": "int8", "prior": "int32", "label": "int16", **floats}


def test_rows_of_padding_and_below_the_floor_are_no_candidates():
    detections = ((1, 2, 3, 4), 0.2, 2), ((5, 6, 7, 8), 0.9, 0), ((5, 6, 7, 9), 0.25, 1)
    assert from_rows(rows(*detections, count=6), rows_head()).prior.tolist() == [0, 1, 2]
    assert from_rows(rows(*detections, count=2), rows_head()).prior.tolist() == [0, 1]
    strict = rows_head(floor=Floor("class", 0.25, False))
    assert from_rows(rows(*detections), strict).prior.tolist() == [1]
    assert from_rows(rows(*detections), replace(strict, floor=Floor("class", 0.25, True))).prior.tolist() == [
        1,
        2,
    ]
    assert len(from_rows(rows(), rows_head())) == 0


def test_rows_of_each_image_of_a_batch():
    one, other = rows(((1, 2, 3, 4), 0.2, 2)), rows(((5, 6, 7, 8), 0.9, 0), ((0, 0, 1, 1), 0.8, 1))
    both = {name: np.concatenate([one[name], other[name]]) for name in one}
    assert from_rows(both, rows_head(), 0).label.tolist() == [2]
    assert from_rows(both, rows_head(), 1).label.tolist() == [0, 1]
