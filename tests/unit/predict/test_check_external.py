"""An external file without an mmdet side is checked by what it gives on a few images."""

import cv2
import numpy as np
import onnx
import pytest
from datasets import make_image, save_manifest
from described import HEIGHT, WIDTH, external_head, import_tensors
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import quantize_dynamic
from tiny import yolox_head

from cutpoint.errors import UserError
from cutpoint.export.acceptance import accept_export
from cutpoint.predict.check_external import check_external
from cutpoint.records.image import TensorForm
from cutpoint.records.verification import read_verification

COUNT = 40


def objects(frame=(WIDTH, HEIGHT)):
    random = np.random.default_rng(0)
    corners = np.sort(random.uniform(0, 1, (1, COUNT, 2, 2)), axis=2) * frame
    corners[:, :, 1] += 1
    return corners.reshape(1, COUNT, 4).astype(np.float32)


SCORES = np.random.default_rng(1).uniform(0, 1, (1, COUNT, 3)).astype(np.float32) ** 3
DECODED = {"box": {"tensor": "b"}, "score": {"tensor": "s"}}
ROWS = {"b": objects(), "s": SCORES[..., 0], "l": np.arange(COUNT)[None] % 3}
E2E = DECODED | {"label": {"tensor": "l"}}
FRAME = (128, 160)  # height and width; offsets and fractions are told from pixels of 64 and more


@pytest.fixture
def check(tmp_path):
    """Imports tensors, checks the file, and returns what was written."""
    images = []
    for number, (height, width) in enumerate([(30, 40), (50, 40), (20, 20), (30, 40)], start=1):
        path = str(tmp_path / f"{number}.png")
        cv2.imwrite(path, np.full((height, width, 3), 40 * number, np.uint8))
        images.append(make_image(number, path, height, width))
    manifest = save_manifest(tmp_path / "manifest.json", images)

    def run(tensors, outputs, cut, **settings):
        session = import_tensors(tmp_path, tensors, outputs, cut, **settings)
        paths = {"export": str(tmp_path / "ours.onnx"), "spec": str(tmp_path / "ours.spec.json")}
        out = str(tmp_path / "verify.json")
        check_external(**paths, manifest=manifest, images=4, out=out)
        found = read_verification(out)
        assert (found.export, found.precision, found.images) == (paths["export"], session.precision, 4)
        assert found.passed == (not found.failures) == all(tensor.passed for tensor in found.tensors)
        return found

    return run


def test_a_file_that_gives_what_its_layout_says_passes(check):
    found = check({"b": objects(), "s": SCORES}, DECODED, "decoded")
    assert found.passed
    assert [(tensor.name, tensor.tolerance) for tensor in found.tensors] == [
        ("boxes", "corners within the frame"),
        ("scores", "0 to 1"),
    ]
    assert found.inputs == ((1, 3, HEIGHT, WIDTH),)
    found = check(ROWS, E2E, "e2e", form=TensorForm("uint8", True))
    assert found.passed
    assert [tensor.name for tensor in found.tensors] == ["boxes", "scores", "labels"]
    assert found.inputs == ((1, HEIGHT, WIDTH, 3),)


def test_images_of_several_sizes_are_run_where_the_file_takes_them(check):
    found = check({"b": objects(), "s": SCORES}, DECODED, "decoded", shape=["b", 3, "h", "w"])
    assert len(found.inputs) == 3
    # a file of a fixed batch gets whole batches
    pair = {"b": np.repeat(objects(), 2, axis=0), "s": np.repeat(SCORES, 2, axis=0)}
    found = check(pair, DECODED, "decoded", shape=[2, 3, HEIGHT, WIDTH])
    assert found.passed
    assert found.inputs == ((2, 3, HEIGHT, WIDTH),)


@pytest.mark.parametrize(
    ("changes", "failure"),
    [
        ({"b": objects() / 61}, "boxes, lie within 0 and 1: .*outputs.box.normalised: true"),
        ({"s": SCORES[..., 0] * 9}, "scores, lie from .* outputs.score is another tensor"),
        (
            {"l": ROWS["l"] + 1},
            "labels, lie from 1 to 3, .* are 0 to 2: write outputs.label.offset: 1",
        ),
        ({"b": objects() * np.nan}, r"boxes, has NaN on image id 1 \("),
        ({"s": SCORES[..., 0] + np.inf}, r"scores, has infinity on image id 1 \("),
    ],
)
def test_a_doubt_is_recorded_with_its_mend(check, tmp_path, changes, failure):
    tensors = ROWS | {name: value.astype(np.float32) for name, value in changes.items()}
    height, width = FRAME
    found = check(tensors, E2E, "e2e", shape=[1, 3, height, width])
    assert not found.passed
    assert len(found.failures) == 1
    with pytest.raises(UserError, match=rf"ours\.onnx failed its verification: {failure}.*verify: note"):
        accept_export(verify=str(tmp_path / "verify.json"))


def test_offsets_and_logits_are_named_together(check):
    height, width = FRAME
    random = np.random.default_rng(2)
    tensors = {"b": random.normal(0, 1, (1, COUNT, 4)), "s": random.normal(-3, 2, (1, COUNT, 3))}
    tensors = {name: value.astype(np.float32) for name, value in tensors.items()}
    found = check(tensors, DECODED, "decoded", shape=[1, 3, height, width])
    boxes, scores = found.failures
    assert "offsets that are not decoded" in boxes
    assert "they are logits: write outputs.score.activation: sigmoid" in scores


def test_a_factor_is_judged_too(check):
    factor = {"factor": {"tensor": "f"}}
    tensors = {"b": objects(), "s": SCORES, "f": np.linspace(-3, -2, COUNT, dtype=np.float32)[None]}
    found = check(tensors, DECODED | factor, "decoded", head=external_head(factor=True))
    assert found.failures == (
        "factors, lie from -3 to -2, not within 0 and 1: they are logits: write "
        "outputs.factor.activation: sigmoid",
    )


def test_a_count_beyond_the_rows_is_named(check):
    tensors = ROWS | {"n": np.int64([COUNT + 1])}
    found = check(tensors, E2E | {"count": {"tensor": "n"}}, "e2e")
    assert found.failures[0].startswith("count, is 41 of 40 rows: outputs.count is another tensor")


def test_a_file_that_detects_nothing_is_not_judged_on_it(check):
    tensors = ROWS | {"s": np.zeros((1, COUNT), np.float32)}
    found = check(tensors, E2E, "e2e")
    assert found.passed
    assert all("(nothing was detected)" in tensor.tolerance for tensor in found.tensors)


@pytest.mark.parametrize("decoded", [False, True])
def test_raw_values_are_judged_after_their_decoding(check, decoded):
    head = yolox_head(score_activation="none", factor_activation="none", recipe=())
    random = np.random.default_rng(3)
    cells = [(number // 8 % 6, number % 8) for number in range(48)]
    boxes = np.concatenate([random.uniform(0, 1, (60, 2)), random.uniform(-0.5, 0, (60, 2))], axis=1)
    if decoded:
        boxes[:48] = [[x * 8, y * 8, 20, 20] for y, x in cells]
        boxes[48:] = [30, 20, 40, 40]
    tensors = {
        "b": boxes[None],
        "s": random.uniform(0.5, 1, (1, 60, 3)),
        "f": random.uniform(0.5, 1, (1, 60, 1)),
    }
    tensors = {name: value.astype(np.float32) for name, value in tensors.items()}
    described = {"box": {"tensor": "b"}, "score": {"tensor": "s", "activated": True}}
    described["factor"] = {"tensor": "f", "activated": True}
    found = check(tensors, described, "raw", head=head)
    if decoded:
        assert "decoded already (name another layout, for yolox yolox-decoded)" in found.failures[0]
    else:
        assert found.passed
        assert [tensor.name for tensor in found.tensors] == ["boxes", "scores", "factors"]


def test_a_dynamically_quantised_file_is_int8(tmp_path, check):
    weights = np.random.default_rng(0).uniform(0, 1, (64, 3)).astype(np.float32)
    features = np.random.default_rng(1).uniform(0, 0.03, (1, COUNT, 64)).astype(np.float32)
    nodes = [helper.make_node("MatMul", ["f_constant", "w_constant"], ["s"])]
    outputs = [helper.make_tensor_value_info("s", TensorProto.FLOAT, [1, COUNT, 3])]
    initial = [
        numpy_helper.from_array(features, "f_constant"),
        numpy_helper.from_array(weights, "w_constant"),
    ]
    graph = helper.make_graph(nodes, "g", [], outputs, initial)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=7)
    onnx.save(made, tmp_path / "float.onnx")
    quantize_dynamic(tmp_path / "float.onnx", tmp_path / "dynamic.onnx")
    quantised = onnx.load(tmp_path / "dynamic.onnx").graph
    tensors = {value.name: numpy_helper.to_array(value) for value in quantised.initializer}
    for node in quantised.node:
        node.input[:] = [f"{name}_constant" if name in tensors else name for name in node.input]
    said = {"s": (TensorProto.FLOAT, [1, COUNT, 3])}
    found = check(tensors | {"b": objects()}, DECODED, "decoded", nodes=list(quantised.node), said=said)
    assert (found.precision, found.passed) == ("int8", True)


def test_outputs_of_a_wrong_shape_stop_it(check):
    # the file does not say the number of its rows, so it is seen only when it runs
    nodes = [
        helper.make_node("Shape", ["data"], ["shape"]),
        helper.make_node("ConstantOfShape", ["shape"], ["image"]),
        helper.make_node("Reshape", ["image", "to_constant"], ["s"]),
    ]
    tensors = {"b": objects(), "to": np.int64([1, -1, 3])}
    said = {"s": (TensorProto.FLOAT, [1, "rows", 3])}
    with pytest.raises(
        UserError, match=r"ours\.onnx: output scores has shape \(1, 2640, 3\).* \(image id 1 "
    ):
        check(tensors, DECODED, "decoded", nodes=nodes, said=said)
