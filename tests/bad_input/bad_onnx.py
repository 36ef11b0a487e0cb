"""Bad inputs: external ONNX files."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
from bad_input import BadInput, Change, small_model, write
from onnx import AttributeProto, ModelProto, TensorProto, ValueInfoProto, helper, numpy_helper

FILE = "small.onnx"
WHOLE = small_model().SerializeToString()


def spoil(mutate: Callable[[ModelProto], object]) -> Change:
    """Change the sound file."""

    def change(folder: Path) -> None:
        model = small_model()
        mutate(model)
        onnx.save(model, folder / FILE)

    return change


def beside(location: str, make: Callable[[Path, bytes], object] | None = None, **more: object) -> Change:
    """The weights lie in another file. ``make`` writes it."""

    def change(folder: Path) -> None:
        model = small_model()
        weights = model.graph.initializer[0]
        if make:
            make(folder, weights.raw_data)
        weights.ClearField("raw_data")
        weights.data_location = TensorProto.EXTERNAL
        for key, value in {"location": location, **more}.items():
            weights.external_data.add(key=key, value=str(value))
        onnx.save(model, folder / FILE)

    return change


def tell(key: str, value: str) -> Change:
    """The metadata says something else."""

    def mutate(model: ModelProto) -> None:
        entry = next(
            (entry for entry in model.metadata_props if entry.key == key), model.metadata_props.add()
        )
        entry.key, entry.value = key, value

    return spoil(mutate)


def behind(kind: str, value: np.ndarray) -> Change:
    """A node that makes a tensor of any size."""

    def mutate(model: ModelProto) -> None:
        model.graph.initializer.append(numpy_helper.from_array(value, "size"))
        inputs = {"ConstantOfShape": ["size"]}.get(kind, ["maps", "size"])
        model.graph.node.append(helper.make_node(kind, inputs, ["huge"]))

    return spoil(mutate)


def _link(folder: Path, weights: bytes) -> None:
    (folder.parent / "secret.bin").write_bytes(weights)
    (folder / "link.bin").symlink_to(folder.parent / "secret.bin")


def _set_sides(value: ValueInfoProto, *sides: int) -> None:
    for side, length in zip(value.type.tensor_type.shape.dim, sides, strict=True):
        side.dim_value = length


def _attribute(model: ModelProto) -> AttributeProto:
    return next(attribute for node in model.graph.node for attribute in node.attribute)


def _dims(*dims: int) -> Change:
    return spoil(lambda model: model.graph.initializer[0].dims.__setitem__(slice(None), dims))


def _function(model: ModelProto, *bodies: list[str]) -> None:
    """The scores are made by the last of these functions; each calls those that it lists."""
    model.opset_import.add(domain="own", version=1)
    imports = [helper.make_opsetid("", 17), helper.make_opsetid("own", 1)]
    for number, body in enumerate(bodies):
        names = ["a", *(f"t{step}" for step in range(len(body) - 1)), "b"]
        nodes = [
            helper.make_node(kind, [start], [end], domain="own" if kind.startswith("F") else "")
            for kind, start, end in zip(body, names[:-1], names[1:], strict=True)
        ]
        model.functions.append(helper.make_function("own", f"F{number}", ["a"], ["b"], nodes, imports))
    node = model.graph.node[3]
    node.domain, node.op_type = "own", f"F{len(bodies) - 1}"


def _wrap(number: int, inner: bytes) -> bytes:
    """A message of protobuf in a field of another one."""
    length, size = len(inner), b""
    while length > 127:
        size, length = size + bytes([length & 127 | 128]), length >> 7
    return bytes([number << 3 | 2]) + size + bytes([length]) + inner


def _nested(depth: int) -> bytes:
    """A graph in an attribute of a node of a graph, and so on."""
    inner = b""
    for number in (6, 5, 1) * depth:
        inner = _wrap(number, inner)
    return b"\x08\x08" + _wrap(7, inner)


ROWS = [
    BadInput(
        "onnx file of text",
        "ONNX file: text",
        write(FILE, "graph"),
        "variants.small.onnx: small.onnx: not an ONNX file that can be read: it is text",
    ),
    BadInput(
        "empty onnx file",
        "ONNX file: no bytes",
        write(FILE, b""),
        "variants.small.onnx: small.onnx: not an ONNX file that can be read: it is empty; copy "
        "or download it again",
    ),
    BadInput(
        "onnx web page",
        "ONNX file: a web page",
        write(FILE, "<!doctype html><html>404</html>"),
        "variants.small.onnx: small.onnx: not an ONNX file that can be read: it is a web page "
        "(HTML or XML), not the file itself; download it again from its own address",
    ),
    BadInput(
        "onnx pointer",
        "ONNX file: a Git LFS pointer",
        write(FILE, "version https://git-lfs.github.com/spec/v1\n"),
        "variants.small.onnx: small.onnx: not an ONNX file that can be read: it is a Git LFS "
        "pointer, not the file itself; run `git lfs pull`",
    ),
    BadInput(
        "onnx zip",
        "ONNX file: a PyTorch checkpoint",
        write(FILE, b"PK\x03\x04" + bytes(100)),
        "variants.small.onnx: small.onnx: not an ONNX file that can be read: it is a zip "
        "archive, as PyTorch's checkpoints are; export the model to ONNX",
    ),
    BadInput(
        "half an onnx file",
        "ONNX file: its first half",
        write(FILE, WHOLE[: len(WHOLE) // 2]),
        "variants.small.onnx: small.onnx: not an ONNX file that can be read (Error parsing "
        "message with type 'onnx.ModelProto': Wire format was corrupt); export it again",
    ),
    BadInput(
        "other protobuf",
        "ONNX file: another protobuf message",
        write(FILE, b"\x0a\x05\xff\xfello\x12\x05world" * 9),
        "variants.small.onnx: small.onnx: not a network: it has no standard operators or no "
        "outputs; export it again",
    ),
    BadInput(
        "nested onnx",
        "ONNX file: graphs nested 1000 deep",
        write(FILE, _nested(1000)),
        "variants.small.onnx: small.onnx: not an ONNX file that can be read (Error parsing "
        "message with type 'onnx.ModelProto': Exceeded upb_DecodeOptions_MaxDepth); export it "
        "again",
    ),
    BadInput(
        "onnx folder",
        "ONNX file: a folder",
        lambda folder: ((folder / FILE).unlink(), (folder / FILE).mkdir()),
        "variants.small.onnx: small.onnx is not a file",
    ),
    BadInput(
        "tensors above",
        "ONNX file: tensors in a folder above (`../x`)",
        beside("../secret.bin"),
        "variants.small.onnx: small.onnx: not an ONNX file that can be read: its tensors lie in "
        "../secret.bin, which is not in its folder; export it again, with its tensors in a file "
        "beside it",
    ),
    BadInput(
        "tensors anywhere",
        "ONNX file: tensors at an absolute path",
        beside("/etc/passwd"),
        "variants.small.onnx: small.onnx: not an ONNX file that can be read: its tensors lie in "
        "/etc/passwd, which is not in its folder; export it again, with its tensors in a file "
        "beside it",
    ),
    BadInput(
        "tensors behind a link",
        "ONNX file: tensors behind a link out of its folder",
        beside("link.bin", _link),
        "variants.small.onnx: small.onnx: not an ONNX file that can be read: its tensors lie in "
        "link.bin, which is a link, or lies behind one; put the file itself there",
    ),
    BadInput(
        "tensors gone",
        "ONNX file: tensors in a file that is missing",
        beside("gone.bin"),
        "variants.small.onnx: small.onnx: not an ONNX file that can be read: its tensors lie in "
        "gone.bin, which does not exist; the exporter wrote both, put it there",
    ),
    BadInput(
        "tensors cut",
        "ONNX file: tensors in a file that is too short",
        beside("w.bin", lambda folder, raw: (folder / "w.bin").write_bytes(raw[:5])),
        "variants.small.onnx: small.onnx: not an ONNX file that can be read: tensor 'weight' has "
        "the shape [4, 3, 1, 1], which needs 48 bytes; w.bin has 5 of them; export it again",
    ),
    BadInput(
        "tensors before",
        "ONNX file: tensors at a negative offset",
        beside("w.bin", lambda folder, raw: (folder / "w.bin").write_bytes(raw), offset=-8),
        "variants.small.onnx: small.onnx: not an ONNX file that can be read: tensor 'weight' has "
        "the offset '-8' in another file, which is no number of bytes; export it again",
    ),
    BadInput(
        "tensors of no name",
        "ONNX file: tensors in a file whose name has a NUL",
        beside("a\0b"),
        "variants.small.onnx: small.onnx: not an ONNX file that can be read: its tensors lie in "
        "'a\\x00b', which is not in its folder; export it again, with its tensors in a file "
        "beside it",
    ),
    BadInput(
        "huge weights",
        "ONNX file: a tensor of 10^12 elements and 48 bytes",
        _dims(10**12, 3, 1, 1),
        "variants.small.onnx: small.onnx: not an ONNX file that can be read: tensor 'weight' has "
        "the shape [1000000000000, 3, 1, 1], which needs 12000000000000 bytes; 48 are there; "
        "export it again",
    ),
    BadInput(
        "negative weights",
        "ONNX file: a tensor with a negative side",
        _dims(-4, 3, 1, 1),
        "variants.small.onnx: small.onnx: not an ONNX file that can be read: tensor 'weight' has "
        "a side of -4; export it again",
    ),
    BadInput(
        "endless weights",
        "ONNX file: a tensor of 2^124 elements",
        _dims(2**62, 2**62, 1, 1),
        "variants.small.onnx: small.onnx: not an ONNX file that can be read: tensor 'weight' has "
        "the shape [4611686018427387904, 4611686018427387904, 1, 1], which needs "
        "85070591730234615865843651857942052864 bytes; 48 are there; export it again",
    ),
    BadInput(
        "huge input",
        "ONNX file: an input of 2^31 rows",
        spoil(lambda model: _set_sides(model.graph.input[0], 1, 3, 2**31, 64)),
        "variants.small.onnx: small.onnx: its input 'images' has the shape [1, 3, 2147483648, 64], "
        "1536 GiB, which is more than this machine's memory; export it again",
    ),
    BadInput(
        "huge side",
        "ONNX file: an input of any batch, and of 2^62 rows",
        spoil(lambda model: _set_sides(model.graph.input[0], -1, 3, 2**62, 64)),
        "variants.small.onnx: small.onnx: its input 'images' has the shape [?, 3, "
        "4611686018427387904, 64], 3298534883328 GiB, which is more than this machine's memory; "
        "export it again",
    ),
    BadInput(
        "attribute without a type",
        "ONNX file: an attribute without a type",
        spoil(lambda model: setattr(_attribute(model), "type", 0)),
        "variants.small.onnx: small.onnx: not an ONNX file that can be read: the attribute "
        "'kernel_shape' of a node 'AveragePool' has no type; export it again",
    ),
    BadInput(
        "huge constant",
        "ONNX file: a constant of 10^12 elements",
        behind("ConstantOfShape", np.array([10**6, 10**6])),
        "variants.small.onnx: small.onnx: its nodes make 'huge' of shape [1000000, 1000000], "
        "3725 GiB, which is more than this machine's memory; export it again",
    ),
    BadInput(
        "huge expand",
        "ONNX file: a node that repeats a tensor 10^12 times",
        behind("Expand", np.array([10**12, 1, 1, 1])),
        "variants.small.onnx: small.onnx: its nodes make 'huge' of shape [1000000000000, 4, 4, "
        "4], 238419 GiB, which is more than this machine's memory; export it again",
    ),
    BadInput(
        "custom operator",
        "ONNX file: an operator of another library",
        spoil(
            lambda m: (
                setattr(m.graph.node[3], "domain", "evil.ops"),
                m.opset_import.add(domain="evil.ops", version=1),
            )
        ),
        "small.onnx: it has the operators evil.ops:Sigmoid, which ONNX Runtime lacks; export it "
        "without them (for a plugin of TensorRT: without its NMS)",
    ),
    BadInput(
        "unknown operator",
        "ONNX file: an operator that ONNX does not have",
        spoil(lambda m: setattr(m.graph.node[3], "op_type", "Sigmoyd")),
        'small.onnx: ONNX Runtime cannot load it (This is an invalid model. In Node, ("", '
        'Sigmoyd, "", -1) : ("columns": tensor(float),) -> ("external_scores",) , Error No Op '
        "registered for Sigmoyd with domain_version of 17); export it again",
    ),
    BadInput(
        "endless function",
        "ONNX file: a function that calls itself",
        spoil(lambda m: _function(m, ["F0"])),
        "variants.small.onnx: small.onnx: not an ONNX file that can be read: its function "
        "'own:F0' contains itself; export it again",
    ),
    BadInput(
        "exploding functions",
        "ONNX file: functions that become 10^12 nodes",
        spoil(lambda m: _function(m, ["Sigmoid"], *([f"F{n}", f"F{n}"] for n in range(40)))),
        "variants.small.onnx: small.onnx: not an ONNX file that can be read: its functions "
        "become 1.1e+12 nodes; export it again",
    ),
    BadInput(
        "circle of nodes",
        "ONNX file: nodes in a circle",
        spoil(lambda m: m.graph.node[1].input.__setitem__(0, "scores")),
        "small.onnx: ONNX Runtime cannot load it (This is an invalid model. Error: the graph is "
        "not acyclic.); export it again",
    ),
    BadInput(
        "ghost tensor",
        "ONNX file: a node that reads a tensor that nothing makes",
        spoil(lambda m: m.graph.node[1].input.__setitem__(1, "ghost")),
        "small.onnx: ONNX Runtime cannot load it (Invalid model. Node input 'ghost' is not a "
        "graph input, initializer, or output of a previous node.); export it again",
    ),
    BadInput(
        "new opset",
        "ONNX file: opset 999",
        spoil(lambda m: setattr(m.opset_import[0], "version", 999)),
        "small.onnx: opset 999; this ONNX Runtime reads up to 26; export it with an "
        "older opset, or use a newer onnxruntime",
    ),
    BadInput(
        "no opset",
        "ONNX file: no opset",
        spoil(lambda m: m.ClearField("opset_import")),
        "variants.small.onnx: small.onnx: not a network: it has no standard operators or no "
        "outputs; export it again",
    ),
    BadInput(
        "no outputs",
        "ONNX file: no outputs",
        spoil(lambda m: m.graph.ClearField("output")),
        "variants.small.onnx: small.onnx: not a network: it has no standard operators or no "
        "outputs; export it again",
    ),
    BadInput(
        "no inputs",
        "ONNX file: no inputs",
        spoil(lambda m: m.graph.ClearField("input")),
        "small.onnx: no input takes images, float or uint8 of (B, 3, H, W) or (B, H, W, 3); its inputs: none",
    ),
    BadInput(
        "twice the output",
        "ONNX file: two outputs of one name",
        spoil(lambda m: m.graph.output.append(m.graph.output[0])),
        "variants.small.onnx: small.onnx: not an ONNX file that can be read: two of its outputs "
        "are called 'output0'; export it again",
    ),
    BadInput(
        "twice the weights",
        "ONNX file: two tensors of one name",
        spoil(lambda m: m.graph.initializer.append(m.graph.initializer[0])),
        "variants.small.onnx: small.onnx: not an ONNX file that can be read: two of its tensors "
        "are called 'weight'; export it again",
    ),
    BadInput(
        "nameless output",
        "ONNX file: an output without a name",
        spoil(lambda m: setattr(m.graph.output[0], "name", "")),
        "variants.small.onnx: small.onnx: not an ONNX file that can be read: an output has no "
        "name; export it again",
    ),
    BadInput(
        "names of others",
        "ONNX file: metadata with names of 2 classes, and 4 channels",
        tell("names", "{0: 'a', 1: 'b'}"),
        "variants.small.onnx: small.onnx: it has the inputs images float32 (1, 3, 64, 64) and "
        "the outputs output0 float32 (1, 8, 16): no layout fits. Near are ultralytics: columns "
        "of 8 channels are not 4 and 2 classes; yolov5: rows of 5 channels and class scores, "
        "boxes are not decoded; ultralytics-end2end: rows of 6 are needed, they have 16, its "
        "rows were not chosen by NMS or top-k. Write `layout` with a name, or `layout: written` "
        "with `cut`, `outputs` and `input`",
    ),
    BadInput(
        "names that are code",
        "ONNX file: code in the metadata's class names",
        tell("names", "__import__('os').system('true')"),
        "models.theirs.classes: small.onnx: the file's metadata 'names' is no dict or list of "
        "names (\"__import__('os').system('true')\"); write `classes`: a list, {id: name}, the "
        "path of a text file with one name a line, coco80 (COCO's classes in order) or coco91 "
        "(labels are COCO's category ids)",
    ),
    BadInput(
        "nested names",
        "ONNX file: class names nested 10000 deep",
        tell("names", "[" * 10**4),
        "models.theirs.classes: small.onnx: the file's metadata 'names' is no dict or list of "
        "names ('[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[['); write "
        "`classes`: a list, {id: name}, the path of a text file with one name a line, coco80 "
        "(COCO's classes in order) or coco91 (labels are COCO's category ids)",
    ),
    BadInput(
        "endless names",
        "ONNX file: class names of 2 MB",
        tell("names", "{0: '" + "x" * 2 * 10**6 + "'}"),
        "models.theirs.classes: small.onnx: the file's metadata 'names' has 2000007 characters; "
        "write `classes`: a list, {id: name}, the path of a text file with one name a line, "
        "coco80 (COCO's classes in order) or coco91 (labels are COCO's category ids)",
    ),
    BadInput(
        "id of a class",
        "ONNX file: a class with the id 10^12",
        tell("names", "{0: 'a', 1000000000000: 'b'}"),
        "models.theirs.classes: small.onnx: the file's metadata 'names': 1000000000000: an id is "
        "a whole number from 0 to 32767",
    ),
]
