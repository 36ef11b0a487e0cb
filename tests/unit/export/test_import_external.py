"""A file is imported by its layout, named or recognised."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from cutpoint.errors import UserError
from cutpoint.export.import_external import import_external
from cutpoint.predict.runtime import Session
from cutpoint.records.classes import Classes, write_classes
from cutpoint.records.model import read_spec

ROWS = 84  # strides 8, 16 and 32 at 64 x 64
NAMES = ("car", "bus", "person")


@pytest.fixture
def imported(tmp_path):
    """Imports a file of one output, as Ultralytics' exporter names it."""

    def run(layout=None, names=NAMES, channels=7, floor=None, **written):
        random = np.random.default_rng(0)
        values = random.uniform(0, 1, (1, channels, ROWS)).astype(np.float32)
        values[:, :4] *= 64
        inputs = [helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, 64, 64])]
        results = [helper.make_tensor_value_info("output0", TensorProto.FLOAT, list(values.shape))]
        nodes = [helper.make_node("Mul", ["rows", "one"], ["output0"])]
        constants = [numpy_helper.from_array(values, "rows")]
        constants.append(numpy_helper.from_array(np.ones(1, np.float32), "one"))
        graph = helper.make_graph(nodes, "g", inputs, results, constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        helper.set_model_props(model, {"task": "detect", "stride": "32", "imgsz": "[64, 64]"})
        paths = {name: str(tmp_path / name) for name in ("theirs.onnx", "ours.onnx", "ours.spec.json")}
        onnx.save(model, paths["theirs.onnx"])
        write_classes(tmp_path / "classes.json", Classes("yolo", names))
        import_external(
            model="yolo",
            onnx=paths["theirs.onnx"],
            layout=layout,
            written=written,
            classes=str(tmp_path / "classes.json"),
            candidate_floor=floor,
            out=paths["ours.onnx"],
            out_spec=paths["ours.spec.json"],
        )
        return values, Session(paths["ours.onnx"], "cpu"), read_spec(paths["ours.spec.json"])

    return run


@pytest.mark.parametrize("layout", [None, "ultralytics"])
def test_a_layout_is_named_or_recognised(imported, layout):
    values, session, spec = imported(layout)
    assert session.spec == spec
    assert (spec.model, spec.classes, spec.head.layout) == ("yolo", NAMES, "ultralytics")
    found = session.run({"images": np.zeros((1, 3, 64, 64), np.float32)})
    np.testing.assert_array_equal(found["scores"], values[:, 4:].transpose(0, 2, 1))
    centre, size = values[:, :2], values[:, 2:4]
    expected = np.concatenate([centre - size / 2, centre + size / 2], axis=1).transpose(0, 2, 1)
    np.testing.assert_allclose(found["boxes"], expected, atol=1e-4)


def test_a_written_part_and_a_floor_replace_the_layouts(imported):
    score = {"tensor": "output0", "channels": [4, 7], "activation": "sigmoid"}
    values, session, spec = imported("ultralytics", floor=0.0005, outputs={"score": score})
    assert spec.head.floor.value == 0.0005
    found = session.run({"images": np.zeros((1, 3, 64, 64), np.float32)})
    expected = 1 / (1 + np.exp(-values[:, 4:].transpose(0, 2, 1)))
    np.testing.assert_allclose(found["scores"], expected, atol=1e-6)


def test_another_number_of_classes_is_refused(imported):
    with pytest.raises(UserError, match=r"theirs\.onnx: .*columns of 7 channels are not 4 and 2 classes"):
        imported("ultralytics", names=NAMES[:2])
