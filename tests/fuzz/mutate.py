"""Spoil sound inputs: values and keys of a tree, fields of an ONNX file, bytes."""

import json
import random
import struct
from collections.abc import Callable, Iterator
from copy import deepcopy
from typing import Any

import onnx
import yaml

NUMBERS = [0, -1, 1, 2, 91, 255, 256, 65536, 2**31, -(2**31), 2**53 + 1, 2**63, 10**30, 10**400]
NUMBERS += [0.5, -0.0, 1e-45, 1e38, 1e308, float("nan"), float("inf"), -float("inf")]
TEXTS = [
    "",
    " ",
    "0",
    "1.0",
    "null",
    "../..",
    "/etc/passwd",
    "a\0b",
    "a\nb",
    "\x1b[31m",
    "\ud7ff",
    "=1+1",
    "é" * 9,
]
TEXTS += ["x" * 3000, "<script>", "${x}", "{}", "[]", "NaN", "1e999", "..\\..", "COM1", "1.png", "~", "|x|"]
OTHERS: list[Any] = [None, True, False, [], {}, [[]], [None], {"": None}, [[[[[[[[]]]]]]]]]
BYTES = [
    b"\0",
    b"\xff",
    b"\xff\xd8",
    b"\x89PNG",
    b"\x1f\x8b",
    b"PK\x03\x04",
    b"{",
    b"[",
    b'"',
    b"\n",
    b"\xef\xbb\xbf",
]


def spoil_bytes(raw: bytes, rng: random.Random) -> bytes:
    """Change a few bytes: overwrite, insert, remove, double, swap, cut."""
    content = bytearray(raw)
    for _ in range(rng.choice([1, 1, 2, 3, 8])):
        at = rng.randrange(len(content) + 1)
        size = rng.choice([1, 2, 4, 8, rng.randrange(1, 200)])
        kind = rng.randrange(7)
        if kind == 0 and content:
            content[at % len(content)] ^= 1 << rng.randrange(8)
        elif kind == 1:
            content[at : at + size] = rng.randbytes(size)
        elif kind == 2:
            content[at:at] = rng.choice(BYTES)
        elif kind == 3:
            del content[at : at + size]
        elif kind == 4:
            content[at:at] = content[at : at + size] * rng.choice([1, 2, 50])
        elif kind == 5:
            number = rng.choice([0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, rng.getrandbits(32)])
            content[at : at + 4] = struct.pack(rng.choice("<>") + "I", number)
        else:
            del content[at:]
    return bytes(content)


def places(node: Any) -> Iterator[tuple[Any, Any]]:
    """Every container of a tree with each of its keys."""
    keys = list(node) if isinstance(node, dict) else range(len(node)) if isinstance(node, list) else ()
    for key in keys:
        yield node, key
        yield from places(node[key])


def spoil_tree(tree: Any, rng: random.Random) -> Any:
    """Change a few places of a tree of plain values."""
    for _ in range(rng.choice([1, 1, 1, 2, 4])):
        known = list(places(tree))
        if not known:
            return deepcopy(rng.choice(OTHERS))
        node, key = rng.choice(known)
        kind = rng.randrange(8)
        if kind < 3:
            # its own: what is spoiled next may be inside
            node[key] = deepcopy(rng.choice([NUMBERS, TEXTS, OTHERS][kind]))
        elif kind == 3:
            del node[key]
        elif kind == 4 and isinstance(node, dict):
            node[rng.choice([*TEXTS, *node])] = node.pop(key)
        elif kind == 4:
            node.insert(rng.randrange(len(node) + 1), node[key])
        elif kind == 5:  # another part of the tree
            other, place = rng.choice(known)
            copied = json.loads(json.dumps(other[place]))
            node[key] = copied
        elif kind == 6:
            node[key] = [node[key]] if rng.random() < 0.5 else {"a": node[key]}
        elif isinstance(node[key], bool) or node[key] is None:
            node[key] = str(node[key])
        elif isinstance(node[key], int | float):
            near = -node[key], node[key] + 1, node[key] * 10**9
            node[key] = rng.choice([str(node[key]), *near]) if abs(node[key]) < 1e300 else 0
        elif isinstance(node[key], str):
            node[key] = node[key][::-1] + rng.choice(TEXTS)
    return tree


def spoil_json(raw: bytes, rng: random.Random) -> bytes:
    """Spoil the tree of a JSON file, or now and then its bytes."""
    if rng.random() < 0.25:
        return spoil_bytes(raw, rng)
    return json.dumps(spoil_tree(json.loads(raw), rng)).encode()


def spoil_yaml(raw: bytes, rng: random.Random) -> bytes:
    """Spoil the tree of a YAML file, or now and then its bytes."""
    if rng.random() < 0.25:
        return spoil_bytes(raw, rng)
    return yaml.safe_dump(spoil_tree(yaml.safe_load(raw), rng), allow_unicode=True).encode()


def spoil_csv(raw: bytes, rng: random.Random) -> bytes:
    """Spoil the cells of a CSV file, or now and then its bytes."""
    if rng.random() < 0.4:
        return spoil_bytes(raw, rng)
    lines = [line.split(",") for line in raw.decode().splitlines()]
    lines = spoil_tree(lines, rng)
    rows = [line if isinstance(line, list) else [line] for line in lines] if isinstance(lines, list) else []
    return "\n".join(",".join(map(str, row)) for row in rows).encode("utf-8", "surrogatepass")


def spoil_metadata(raw: bytes, rng: random.Random) -> bytes:
    """Spoil what an ONNX file says of itself."""
    model = onnx.load_from_string(raw)
    for entry in rng.sample(list(model.metadata_props), rng.randrange(1, len(model.metadata_props) + 1)):
        kind = rng.randrange(4)
        if kind == 0:
            entry.value = rng.choice(TEXTS)
        elif kind == 1:
            entry.value = str(rng.choice([*NUMBERS[:13], *OTHERS, list(range(300)), dict.fromkeys(range(9))]))
        elif kind == 2:
            entry.key = rng.choice(
                ["names", "imgsz", "stride", "task", "batch", "cutpoint", "cutpoint_spec", ""]
            )
        else:
            entry.value = spoil_bytes(entry.value.encode(), rng).decode("utf-8", "ignore")
    return bytes(model.SerializeToString())


def spoil_graph(raw: bytes, rng: random.Random) -> bytes:
    """Spoil the graph of an ONNX file: shapes, types, names, nodes, attributes, tensors; or its bytes."""
    if rng.random() < 0.3:
        return spoil_bytes(raw, rng)
    model = onnx.load_from_string(raw)
    graph = model.graph
    for _ in range(rng.choice([1, 1, 2, 3])):
        rng.choice(GRAPH)(model, graph, rng)
    return bytes(model.SerializeToString())


def _dim(model: Any, graph: Any, rng: random.Random) -> None:
    value = rng.choice([*graph.input, *graph.output])
    shape = value.type.tensor_type.shape
    if shape.dim and rng.random() < 0.8:
        dim = rng.choice(shape.dim)
        if rng.random() < 0.5:
            dim.dim_value = rng.choice([0, -1, 1, 3, 7, 2**31, 2**62])
        else:
            dim.dim_param = rng.choice(TEXTS[:9])
    else:
        shape.dim.add().dim_value = 1


def _type(model: Any, graph: Any, rng: random.Random) -> None:
    value = rng.choice([*graph.input, *graph.output])
    value.type.tensor_type.elem_type = rng.randrange(25)


def _name(model: Any, graph: Any, rng: random.Random) -> None:
    value = rng.choice([*graph.input, *graph.output, *graph.node, *graph.initializer])
    value.name = rng.choice([*(node.name for node in graph.node), *TEXTS[:9], "images"])


def _node(model: Any, graph: Any, rng: random.Random) -> None:
    number = rng.randrange(len(graph.node)) if graph.node else 0
    if not graph.node:
        return
    node, kind = graph.node[number], rng.randrange(5)
    if kind == 0:
        del graph.node[number]
    elif kind == 1:
        graph.node.add().CopyFrom(node)
    elif kind == 2:
        node.op_type = rng.choice(
            ["Identity", "NonZero", "Loop", "If", "Reshape", "Tile", "Mine", "", "Expand"]
        )
    elif kind == 3 and node.input:
        node.input[rng.randrange(len(node.input))] = rng.choice(["", "images", "output0", "nothing"])
    else:
        node.domain = rng.choice(["", "com.microsoft", "mine", "ai.onnx.ml"])


def _attribute(model: Any, graph: Any, rng: random.Random) -> None:
    nodes = [node for node in graph.node if node.attribute]
    if not nodes:
        return
    attribute = rng.choice(rng.choice(nodes).attribute)
    attribute.i = rng.choice([0, -1, 1, 2**31, 2**62])
    if attribute.ints:
        attribute.ints[rng.randrange(len(attribute.ints))] = rng.choice([0, -1, 3, 10**6, 2**40])


def _tensor(model: Any, graph: Any, rng: random.Random) -> None:
    if not graph.initializer:
        return
    tensor = rng.choice(graph.initializer)
    kind = rng.randrange(4)
    if kind == 0 and tensor.dims:
        tensor.dims[rng.randrange(len(tensor.dims))] = rng.choice([0, -1, 1, 5, 10**6, 2**62])
    elif kind == 1:
        tensor.raw_data = spoil_bytes(tensor.raw_data, rng)
    elif kind == 2:
        tensor.data_type = rng.randrange(25)
    else:
        tensor.data_location = 1
        entry = tensor.external_data.add()
        entry.key, entry.value = "location", rng.choice(["../x", "/etc/passwd", "small.onnx", "", "a\0"])


def _opset(model: Any, graph: Any, rng: random.Random) -> None:
    model.opset_import[0].version = rng.choice([0, 1, 6, 9, 13, 99, 2**40])
    model.ir_version = rng.choice([0, 1, 3, 8, 99])


GRAPH: list[Callable[[Any, Any, random.Random], None]] = [
    _dim,
    _type,
    _name,
    _node,
    _attribute,
    _tensor,
    _opset,
]
