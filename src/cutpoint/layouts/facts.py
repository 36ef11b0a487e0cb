"""Read what an ONNX file says of itself: its graph is looked at, no session is made."""

from collections.abc import Iterator

import onnx_ir as ir

from cutpoint.errors import UserError
from cutpoint.layouts.precision import read_precision
from cutpoint.layouts.read import read_onnx
from cutpoint.records.graph_facts import GraphFacts, Tensor
from cutpoint.records.onnx_model import WEIGHTED

TO_CHANNELS_FIRST = (0, 3, 1, 2)
# what may stand between the image input and the network: preprocessing, casts, quantisation
PREPARING = (
    *("Add", "Cast", "Clip", "Div", "Identity", "Mul", "Pad", "Reshape", "Squeeze", "Sub", "Unsqueeze"),
    *("DequantizeLinear", "DynamicQuantizeLinear", "Gather", "QuantizeLinear", "Transpose"),
)
# convolutions with smaller steps than this are stems, not patches
SMALLEST_PATCH = 8


def read_facts(path: str) -> GraphFacts:
    """Read a file's facts. The tensors that lie in files next to it are not loaded.

    Raises:
        UserError: the file is missing, is not an ONNX file, or a file that holds its tensors is missing.
    """
    model = read_onnx(path, weights=False)
    graph = model.graph
    inputs = [value for value in graph.inputs if value.name not in graph.initializers]
    opset = model.opset_imports.get("", model.opset_imports.get("ai.onnx"))
    if opset is None or not graph.outputs:
        raise UserError(f"{path}: not a network: it has no standard operators or no outputs; export it again")
    first = list(_first_nodes(inputs))
    return GraphFacts(
        inputs=tuple(_tensor(value) for value in inputs),
        outputs=tuple(_tensor(value) for value in graph.outputs),
        opset=opset,
        metadata=dict(model.metadata_props),
        precision=read_precision(model),
        tails={value.name or "": _tail(value) for value in graph.outputs},
        transposed_input=any(_permutation(node) == TO_CHANNELS_FIRST for node in first),
        patch=next((side for node in first if (side := _patch(node))), None),
    )


def _tensor(value: ir.Value) -> Tensor:
    shape = None
    if value.shape is not None:
        shape = tuple(side if isinstance(side, int) else side.value for side in value.shape)
    return Tensor(value.name or "", _dtype(value.dtype), shape)


def _dtype(dtype: ir.DataType | None) -> str:
    if dtype is None:
        return "unknown"
    try:
        return str(dtype.numpy().name)
    except TypeError:  # numpy has no such type
        return dtype.name.lower()


def _tail(output: ir.Value) -> tuple[str, ...]:
    """The kinds of nodes on the way back from an output to the nodes with weights."""
    kinds: set[str] = set()
    seen: set[ir.Node] = set()
    waiting = [output.producer()]
    while waiting:
        node = waiting.pop()
        if node is None or node in seen or _has_weights(node):
            continue
        seen.add(node)
        kinds.add(node.op_type.removeprefix("QLinear"))
        waiting.extend(value.producer() for value in node.inputs if value is not None)
    return tuple(sorted(kinds))


def _has_weights(node: ir.Node) -> bool:
    """Whether a node is a weighted operator, or scales the sum of a dynamically quantised one."""
    kind = node.op_type.removeprefix("QLinear").removesuffix("Integer").removesuffix("NBits")
    if kind in WEIGHTED:
        return True
    if node.op_type not in ("Cast", "Mul", "Add"):
        return False
    makers = [value.producer() for value in node.inputs if value is not None]
    return any(
        maker is not None and (maker.op_type in ("ConvInteger", "MatMulInteger") or _scales_sum(maker))
        for maker in makers
    )


def _scales_sum(node: ir.Node) -> bool:
    return node.op_type in ("Cast", "Mul") and _has_weights(node)


def _first_nodes(inputs: list[ir.Value]) -> Iterator[ir.Node]:
    """The nodes that prepare the inputs, and those behind them, in no order."""
    seen: set[ir.Node] = set()
    waiting = [node for value in inputs for node, _ in value.uses()]
    while waiting:
        node = waiting.pop()
        if node in seen:
            continue
        seen.add(node)
        yield node
        if node.op_type in PREPARING:
            waiting.extend(user for value in node.outputs for user, _ in value.uses())


def _ints(node: ir.Node, name: str) -> tuple[int, ...]:
    return tuple(node.attributes[name].as_ints()) if name in node.attributes else ()


def _permutation(node: ir.Node) -> tuple[int, ...]:
    return _ints(node, "perm") if node.op_type == "Transpose" else ()


def _patch(node: ir.Node) -> int | None:
    """The side of the patches if the node is a convolution whose steps are as long as its kernel."""
    steps = _ints(node, "strides") if node.op_type.endswith("Conv") else ()
    if not steps or steps[0] < SMALLEST_PATCH or steps != _ints(node, "kernel_shape"):
        return None
    return steps[0]
