"""Small external files of models without mmdet, imported by a description."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from tiny import input_recipe

from cutpoint.export.external import write_described
from cutpoint.predict.runtime import Session
from cutpoint.records.description import Description
from cutpoint.records.head import ExternalHead, Floor, HeadSpec
from cutpoint.records.image import FLOAT_CHANNELS_FIRST, TensorForm
from cutpoint.records.model import read_spec

HEIGHT, WIDTH = 44, 60
CLASSES = ("car", "bus", "person")
KINDS = {"float32": TensorProto.FLOAT, "float16": TensorProto.FLOAT16, "uint8": TensorProto.UINT8}
KINDS |= {"int64": TensorProto.INT64, "int32": TensorProto.INT32}


def external_head(classes: int = 3, factor: bool = False) -> ExternalHead:
    """A head whose candidates have a class score above 0.01."""
    steps = ({"step": "threshold", "quantity": "class", "value": 0.01, "inclusive": False},)
    return ExternalHead("TinyNet", classes, (), Floor("class", 0.01, False), steps, "tiny", factor)


def import_tensors(
    folder: Path,
    tensors: dict[str, Any],
    outputs: dict[str, Any],
    cut: Literal["raw", "decoded", "e2e"],
    head: HeadSpec | None = None,
    form: TensorForm = FLOAT_CHANNELS_FIRST,
    shape: Sequence[int | str] | None = None,
    others: dict[str, Any] | None = None,
    constants: dict[str, Any] | None = None,
    opset: int = 13,
    classes: Sequence[str] = CLASSES,
    nodes: Sequence[onnx.NodeProto] = (),
    said: dict[str, Any] | None = None,
) -> Session:
    """Write a file, import it, and open the result, ``ours.onnx`` with ``ours.spec.json``.

    Args:
        folder: where the files are written.
        tensors: outputs by name that the file gives, whatever the image.
        outputs, cut, head, form, constants, classes: of the description.
        shape: of the input ``data``; by default of one image of ``HEIGHT`` x ``WIDTH``.
        others: more inputs, type and shape by name.
        opset: of the file.
        nodes: more nodes; ``tensors`` are also values named ``{name}_constant``.
        said: more outputs, type and shape by name.
    """
    head = head or external_head(len(classes))
    shape = shape or ([1, HEIGHT, WIDTH, 3] if form.channels_last else [1, 3, HEIGHT, WIDTH])
    inputs = [helper.make_tensor_value_info("data", KINDS[form.dtype], shape)]
    inputs += [helper.make_tensor_value_info(name, *value) for name, value in (others or {}).items()]
    made, values, results = list(nodes), [], []
    for name, array in tensors.items():
        array = np.asarray(array)
        values.append(numpy_helper.from_array(array, f"{name}_constant"))
        made.append(helper.make_node("Identity", [f"{name}_constant"], [name]))
        results.append(helper.make_tensor_value_info(name, values[-1].data_type, array.shape))
    results += [helper.make_tensor_value_info(name, *value) for name, value in (said or {}).items()]
    graph = helper.make_graph(made, "g", inputs, results, values)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=7)
    path, out = str(folder / "theirs.onnx"), str(folder / "ours.onnx")
    onnx.save(model, path)
    description = Description(
        layout="tiny",
        cut=cut,
        tensor=form,
        input=input_recipe(),
        outputs=outputs,
        constants=constants or {},
        head=head,
    )
    out_spec = str(folder / "ours.spec.json")
    write_described(
        model="tiny", onnx=path, description=description, classes=classes, out=out, out_spec=out_spec
    )
    onnx.checker.check_model(out)
    session = Session(out, "cpu")
    assert read_spec(out_spec) == session.spec
    assert (session.cut, session.clip, session.external) == (cut, None, "theirs.onnx")
    return session
