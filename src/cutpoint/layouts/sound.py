"""Whether an external ONNX file is what it says: tensors, names and functions, and the memory it asks for."""

import math
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

import onnx
import onnx_ir as ir
import psutil

from cutpoint.errors import UserError
from cutpoint.onnx_file import nodes_of, tensors_of

# A function may be made of functions. Larger graphs than this are no network, and no session opens on them.
MOST_NODES = 1_000_000
# fields of a tensor that hold its numbers one by one
TYPED = ("float_data", "int32_data", "string_data", "int64_data", "double_data", "uint64_data")
LONGEST_NAME = 80
GIB = 2**30


def check_sound(path: str, model: onnx.ModelProto) -> None:
    """Check a file before its shapes are inferred, its tensors are read, or a session opens.

    Args:
        path: of the file; tensors may lie beside it.
        model: the file, tensors of other files not loaded.

    Raises:
        UserError: a tensor has other bytes than its shape needs, a name is missing or stands for two values,
            a function contains itself, or the tensors need more memory than this machine has.
    """
    problem = next(_problems(Path(path), model), None)
    if problem:
        raise UserError(f"{path}: not an ONNX file that can be read: {problem}; export it again")


def check_memory(path: str, model: onnx.ModelProto) -> None:
    """Check the inputs, and the values between the nodes, by the sides that are known from the file.

    Args:
        path: of the file.
        model: with inferred shapes.

    Raises:
        UserError: one of them does not fit into this machine's memory.
    """
    memory = psutil.virtual_memory().total
    inputs = [(value, f"its input {_shown(value.name)} has the") for value in model.graph.input]
    made = [(value, f"its nodes make {_shown(value.name)} of") for value in model.graph.value_info]
    for value, what in inputs + made:
        kind = value.type.tensor_type
        sides = [side.dim_value for side in kind.shape.dim]
        size = _bytes(kind.elem_type, math.prod(side or 1 for side in sides))
        if size is not None and size > memory:
            shown = ", ".join(str(side or "?") for side in sides)
            raise UserError(
                f"{path}: {what} shape [{shown}], {size / GIB:.0f} GiB, "
                "which is more than this machine's memory; export it again"
            )


def _problems(path: Path, model: onnx.ModelProto) -> Iterator[str]:
    yield from _names(model.graph)
    yield from _attributes(model)
    yield from _functions(model)
    total = 0
    for tensor in tensors_of(model):
        problem, size = _tensor(path, tensor)
        if problem:
            yield f"tensor {_shown(tensor.name)} {problem}"
        total += size
    memory = psutil.virtual_memory().total
    if total > memory:
        yield f"its tensors have {total / GIB:.0f} GiB, which is more than this machine's memory"


def _tensor(path: Path, tensor: onnx.TensorProto) -> tuple[str | None, int]:
    """What is wrong with a tensor, and its bytes."""
    if any(side < 0 for side in tensor.dims):
        return f"has a side of {min(tensor.dims)}", 0
    count = math.prod(tensor.dims)
    if tensor.data_type == onnx.TensorProto.STRING:
        return None, 0
    size = _bytes(tensor.data_type, count)
    if size is None:
        return f"has the type {tensor.data_type}, which ONNX does not have", 0
    needs = f"has the shape {list(tensor.dims)}, which needs {size} bytes"
    if tensor.data_location == onnx.TensorProto.EXTERNAL:
        return _external(path, tensor, size, needs), size
    if tensor.HasField("raw_data"):
        wrong = len(tensor.raw_data) != size
        return (f"{needs}; {len(tensor.raw_data)} are there" if wrong else None), size
    numbers = sum(len(getattr(tensor, field)) for field in TYPED)
    wrong = numbers * 4 < count  # a field may hold up to four small numbers in one
    return (f"{needs}; it has {numbers} numbers" if wrong else None), size


def _external(path: Path, tensor: onnx.TensorProto, size: int, needs: str) -> str | None:
    said = {entry.key: entry.value for entry in tensor.external_data}
    for key in ("offset", "length"):
        if key in said and not (said[key].isascii() and said[key].isdigit() and len(said[key]) < 20):
            return f"has the {key} {said[key][:LONGEST_NAME]!r} in another file, which is no number of bytes"
    if "location" not in said:
        return "lies in another file, and does not say in which"
    have = (path.parent / said["location"]).stat().st_size - int(said.get("offset", 0))
    if have < size:
        return f"{needs}; {said['location']} has {max(have, 0)} of them"
    length = int(said.get("length", size))
    return f"{needs}; the file says {length}" if length not in (size, 0) else None


def _bytes(kind: int, count: int) -> int | None:
    """Bytes of so many numbers; null for a type that does not exist."""
    try:
        return math.ceil(ir.DataType(kind).bitwidth * count / 8)
    except (ValueError, TypeError):
        return None


def _names(graph: onnx.GraphProto) -> Iterator[str]:
    for what, values in (("input", graph.input), ("output", graph.output)):
        for value in values:
            if not isinstance(value.name, str):
                yield f"the name of an {what} is not UTF-8 text"
            elif not value.name:
                yield f"an {what} has no name"
    made = [name for node in graph.node for name in node.output if name]
    for what, names in (
        ("inputs", [value.name for value in graph.input]),
        ("outputs", [value.name for value in graph.output]),
        ("tensors", [tensor.name for tensor in graph.initializer]),
        ("nodes' results", made),
    ):
        twice = next((name for name, count in Counter(names).items() if count > 1), None)
        if twice is not None:
            yield f"two of its {what} are called {_shown(twice)}"


def _attributes(model: onnx.ModelProto) -> Iterator[str]:
    nodes = [*model.graph.node, *(node for function in model.functions for node in function.node)]
    for node in nodes_of(nodes):
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.UNDEFINED and not attribute.ref_attr_name:
                yield f"the attribute {_shown(attribute.name)} of a node {_shown(node.op_type)} has no type"


def _functions(model: onnx.ModelProto) -> Iterator[str]:
    """Functions that contain themselves, or that become too many nodes when a session puts them in."""
    functions = {(function.domain, function.name): function for function in model.functions}
    sizes: dict[tuple[str, str], int | None] = {}

    def size(nodes: Iterable[onnx.NodeProto]) -> int:
        return sum(one(node) for node in nodes_of(nodes))

    def one(node: onnx.NodeProto) -> int:
        key = node.domain, node.op_type
        if key not in functions:
            return 1
        if key not in sizes:
            sizes[key] = None  # it is being counted
            sizes[key] = size(functions[key].node)
        found = sizes[key]
        if found is None:
            raise _Circle(f"{node.domain}:{node.op_type}")
        return found

    try:
        nodes = size(model.graph.node)
    except _Circle as circle:
        yield f"its function {_shown(str(circle))} contains itself"
    except RecursionError:
        yield "its functions contain each other too deeply"
    else:
        if nodes > MOST_NODES:
            yield f"its functions become {nodes:.3g} nodes"


class _Circle(Exception):
    """A function that contains itself."""


def _shown(name: str) -> str:
    return repr(name if len(name) <= LONGEST_NAME else f"{name[:LONGEST_NAME]}...")
