"""The exporter's optimiser drops constants of a graph, and the trace gives them back."""

import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime
import torch

from cutpoint.detector.trace import keep_constants


class Inverses(torch.nn.Module):
    """Two inverse sigmoids of one tensor, as a two-stage Deformable DETR has them."""

    def forward(self, x):
        scores = x.sigmoid()
        return inverse(scores) + 1, inverse(scores) * 2


def inverse(x):
    x = x.clamp(0, 1)
    return torch.log(x.clamp(min=1e-5) / (1 - x).clamp(min=1e-5))


def nodes_without_inputs(graph):
    known = {value.name for value in (*graph.input, *graph.initializer)}
    known |= {name for node in graph.node for name in node.output}
    return [node.name for node in graph.node for name in node.input if name and name not in known]


def test_limits_that_two_clips_got_under_one_name_are_kept():
    program = torch.onnx.export(
        Inverses(), (torch.zeros(2, 3),), dynamo=True, opset_version=20, verbose=False
    )
    program.optimize()
    assert nodes_without_inputs(ir.to_proto(program.model).graph), (
        "the optimiser is mended: remove the repair"
    )
    keep_constants(program.model.graph)
    model = ir.to_proto(program.model)
    assert nodes_without_inputs(model.graph) == []
    onnx.checker.check_model(model, full_check=True)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    x = np.linspace(-3, 3, 6, dtype=np.float32).reshape(2, 3)
    first, second = session.run(None, {session.get_inputs()[0].name: x})
    np.testing.assert_allclose(first, x + 1, atol=1e-5)
    np.testing.assert_allclose(second, x * 2, atol=1e-5)
