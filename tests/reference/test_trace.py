"""Exporters, opsets and shapes: every trace gives PyTorch's tensors."""

import numpy as np
import onnx
import onnxruntime
import pytest
from models import SMALL_ATSS, make_model, noise, write_export

from cutpoint.detector.trace import trace_model
from cutpoint.errors import UserError
from cutpoint.predict.runtime import Session

SHAPES = [(1, 192, 256), (2, 96, 320), (3, 256, 64), (1, 32, 32)]


@pytest.fixture
def trace(atss, tmp_path):
    def run(**settings):
        out = str(tmp_path / "trace.onnx")
        arguments = {"config": atss.config_name, "checkpoint": atss.checkpoint, "spec": atss.spec_file}
        trace_model(**arguments, **{"shape": "dynamic", **settings}, out=out)
        return out

    return run


def opset(path):
    return next(entry.version for entry in onnx.load(path).opset_import if entry.domain == "")


@pytest.mark.parametrize("version", [18, 20])
def test_torchscript_gives_pytorchs_tensors_at_every_shape(atss, trace, version):
    path = trace(exporter="torchscript", opset=version)
    assert opset(path) == version
    # one session for all shapes: names of sides that are not equal would let it reuse a wrong buffer
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    for batch, height, width in [*SHAPES, *SHAPES[::-1]]:
        image = noise(height, width, seed=height, batch=batch)
        expected = atss.cuts(image)
        names = [value.name for value in session.get_outputs()]
        assert names == list(expected)
        for name, value in zip(names, session.run(None, {"images": image}), strict=True):
            np.testing.assert_allclose(value, expected[name], rtol=1e-4, atol=1e-3, err_msg=name)


def test_torchscript_leaves_no_name_that_two_sides_share(trace):
    model = onnx.load(trace(exporter="torchscript"))
    inner = [*model.graph.output, *model.graph.value_info]
    assert {side.dim_param for value in inner for side in value.type.tensor_type.shape.dim} == {""}
    sides = model.graph.input[0].type.tensor_type.shape.dim
    assert [side.dim_param or side.dim_value for side in sides] == ["batch", 3, "height", "width"]
    assert not any(node.op_type == "If" for node in model.graph.node)


def test_torchscript_exports_a_static_shape_and_all_cuts(atss, trace, tmp_path):
    path = trace(exporter="torchscript", shape=[96, 160])
    for cut in ("raw", "decoded", "e2e"):
        out = str(tmp_path / f"{cut}.onnx")
        write_export(trace=path, spec=atss.spec_file, cut=cut, clip="tensor", out=out)
        session = Session(out, "cpu")
        assert (session.batch, session.shape) == (1, (96, 160))
        outputs = session.run({"images": noise(96, 160)})
        assert all(np.isfinite(value).all() for value in outputs.values())


@pytest.mark.slow
@pytest.mark.parametrize("version", [18, 22])
def test_dynamo_writes_other_opsets(atss, trace, tmp_path, version):
    path = trace(opset=version)
    assert opset(path) == version
    out = str(tmp_path / "e2e.onnx")
    write_export(trace=path, spec=atss.spec_file, cut="e2e", clip="tensor", out=out)
    assert Session(out, "cpu").run({"images": noise(192, 256)})["count"][0] > 20
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    image = noise(96, 320, batch=3)
    for value, expected in zip(session.run(None, {"images": image}), atss.cuts(image).values(), strict=True):
        np.testing.assert_allclose(value, expected, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"exporter": "torchscript", "opset": 21}, "opset 21: the exporter torchscript writes 18 to 20 here"),
        ({"opset": 17}, "opset 17: the exporter dynamo writes 18 to 22 here"),
        ({"opset": 23}, "opset 23: the exporter dynamo writes 18 to 22 here"),
    ],
)
def test_an_opset_that_the_exporter_does_not_write_is_refused(trace, settings, message):
    with pytest.raises(UserError, match=message):
        trace(**settings)


@pytest.fixture(scope="module")
def deformable(tmp_path_factory):
    """The small ATSS with deformable convolutions in its head."""
    folder = tmp_path_factory.mktemp("deformable")
    convolutions = 'stacked_convs=1, conv_cfg=dict(type="DCN", deform_groups=1)'
    assert SMALL_ATSS.count("stacked_convs=1") == 1
    (folder / "config.py").write_text(SMALL_ATSS.replace("stacked_convs=1", convolutions))
    return make_model(folder, str(folder / "config.py"))


@pytest.mark.parametrize(
    ("exporter", "opset", "message"),
    [
        ("torchscript", 20, "exporter torchscript: it writes mmcv:.*Deform.*, not in the ONNX standard"),
        pytest.param(
            "dynamo", 18, "opset 18: deformable convolutions need 19 or later", marks=pytest.mark.slow
        ),
    ],
)
def test_deformable_convolutions_are_refused_where_the_standard_has_none(
    deformable, tmp_path, exporter, opset, message
):
    model = deformable
    arguments = {"config": model.config_name, "checkpoint": model.checkpoint, "spec": model.spec_file}
    out = tmp_path / "trace.onnx"
    with pytest.raises(UserError, match=message):
        trace_model(**arguments, shape="dynamic", opset=opset, exporter=exporter, out=str(out))
    assert not out.exists()
