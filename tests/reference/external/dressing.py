"""What dressing a detector in other conventions needs: a writer of graphs, two detectors, their decoding.

It shares nothing with the package: what it builds is judged against the package's reading of it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, compose, helper, numpy_helper, version_converter

STRIDES = (8, 16, 32)
OPSET = 17
KINDS = {"float32": TensorProto.FLOAT, "float16": TensorProto.FLOAT16, "uint8": TensorProto.UINT8} | {
    "int32": TensorProto.INT32,
    "int64": TensorProto.INT64,
}
# post-processing inside a file, where a convention has one: objectness x class, IoU, detections
SCORE, IOU, BEST = 0.01, 0.65, 300


class Writer:
    """Nodes in order; an operand that is no name becomes a constant: floats float32, integers int64."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def name(self) -> str:
        return f"v{len(self.nodes)}_{len(self.constants)}"

    def constant(self, value: object) -> str:
        array = np.asarray(value)
        if array.dtype.kind == "f" and array.dtype != np.float16:
            array = array.astype(np.float32)
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(array, name))
        return name

    def many(self, count: int, kind: str, *operands: object, **attributes: object) -> list[str]:
        names = [operand if isinstance(operand, str) else self.constant(operand) for operand in operands]
        results = [f"{self.name()}_{index}" for index in range(count)]
        self.nodes.append(helper.make_node(kind, names, results, **attributes))
        return results

    def __call__(self, kind: str, *operands: object, **attributes: object) -> str:
        return self.many(1, kind, *operands, **attributes)[0]

    def cut(self, x: str, first: int, last: int, axis: int) -> str:
        return self("Slice", x, [first], [last], [axis])

    def cast(self, x: str, kind: str) -> str:
        return self("Cast", x, to=KINDS[kind])

    def column(self, x: str) -> str:
        """(M,) of any kind to (M, 1) float32."""
        return self("Unsqueeze", self.cast(x, "float32"), [1])

    def batched(self, x: str) -> str:
        return self("Unsqueeze", x, [0])

    def filled(self, x: str, count: int, columns: bool, value: object = 0.0) -> str:
        """The rows of (M, ...) filled up to ``count``, a batch axis in front."""
        missing = self("Sub", [count], self.cut(self("Shape", x), 0, 1, 0))
        ends = [[0], [0], missing, [0]] if columns else [[0], missing]
        return self.batched(self("Pad", x, self("Concat", *ends, axis=0), value))

    def add(self, model: onnx.ModelProto, feed: str) -> str:
        """All nodes of a model with one input and one output, fed with ``feed``; its output."""
        model = compose.add_prefix(model, "net/")
        own = model.graph.input[0].name
        for node in model.graph.node:
            node.input[:] = [feed if name == own else name for name in node.input]
            self.nodes.append(node)
        self.constants.extend(model.graph.initializer)
        return str(model.graph.output[0].name)

    def build(
        self,
        inputs: Sequence[tuple[str, str, Sequence[object]]],
        outputs: Sequence[tuple[str, str, Sequence[object], str]],
        metadata: dict[str, object] | None = None,
        opset: int = OPSET,
    ) -> onnx.ModelProto:
        """A checked file; inputs are (name, dtype, shape), outputs have their value behind."""
        for name, _, _, value in outputs:
            self.nodes.append(helper.make_node("Identity", [value], [name]))
        graph = helper.make_graph(
            self.nodes,
            "dressed",
            [helper.make_tensor_value_info(name, KINDS[kind], shape) for name, kind, shape in inputs],
            [helper.make_tensor_value_info(name, KINDS[kind], shape) for name, kind, shape, _ in outputs],
            self.constants,
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
        for key, text in (metadata or {}).items():
            entry = model.metadata_props.add()
            entry.key, entry.value = key, str(text)
        onnx.checker.check_model(model)
        return model


@dataclass(frozen=True)
class Net:
    """A detector: BGR 0..255 (1, 3, H, W) to YOLOX's undecoded rows (1, N, 5 + C)."""

    model: onnx.ModelProto
    size: tuple[int, int]
    names: tuple[str, ...]

    @property
    def classes(self) -> int:
        return len(self.names)

    @property
    def places(self) -> int:
        return sum((self.size[0] // stride) * (self.size[1] // stride) for stride in STRIDES)


def nano(real: Path, names: Sequence[str]) -> Net:
    """YOLOX-nano as its authors published it; its own 80 names are the caller's."""
    model = onnx.load(real / "weights" / "yolox_nano_official.onnx")
    return Net(version_converter.convert_version(model, OPSET), (416, 416), tuple(names))


def small(
    size: tuple[int, int] = (64, 96), names: Sequence[str] = ("disc", "bar", "ring"), seed: int = 5
) -> Net:
    """A detector of one random convolution a stride: nothing sensible, always the same, in milliseconds.

    Batch, height and width may be any, whatever ``size`` says.
    """
    w, random = Writer(), np.random.default_rng(seed)
    channels = 5 + len(names)
    x = w("Sub", w("Div", "images", 128.0), 1.0)
    rows = []
    for stride in STRIDES:
        weights = random.normal(0, 9 / stride / 3**0.5, (channels, 3, stride, stride)).astype(np.float32)
        bias = np.float32([0.0] * 4 + [-1.0] * (channels - 4))
        y = w("Conv", x, weights, bias, strides=[stride, stride])
        y = w("Concat", w("Tanh", w.cut(y, 0, 4, 1)), w("Sigmoid", w.cut(y, 4, channels, 1)), axis=1)
        rows.append(w("Reshape", y, [0, channels, -1]))
    y = w("Transpose", w("Concat", *rows, axis=2), perm=[0, 2, 1])
    inputs = [("images", "float32", ["b", 3, "h", "w"])]
    return Net(w.build(inputs, [("output", "float32", ["b", "n", channels], y)]), size, tuple(names))


@dataclass(frozen=True)
class Decoded:
    """Values: centre and size (1, N, 2) in pixels, objectness (1, N, 1), classes (1, N, C)."""

    xy: str
    wh: str
    objectness: str
    classes: str


def grid(w: Writer, net: Net, image: str | None) -> tuple[str, str]:
    """x, y in cells (1, N, 2) and the stride (1, N, 1), of ``size`` or of an image at run time."""
    if image is None:
        cells, strides = [], []
        for stride in STRIDES:
            y, x = np.mgrid[: net.size[0] // stride, : net.size[1] // stride]
            cells.append(np.stack([x.ravel(), y.ravel()], 1))
            strides.append(np.full((x.size, 1), stride))
        return (
            w.constant(np.concatenate(cells)[None].astype(np.float32)),
            w.constant(np.concatenate(strides)[None].astype(np.float32)),
        )
    parts, steps, shape = [], [], w("Shape", image)
    for stride in STRIDES:
        height, width = (w("Div", w("Gather", shape, axis, axis=0), stride) for axis in (2, 3))
        index = w("Range", 0, w("Mul", height, width), 1)
        pair = w(
            "Concat",
            w("Unsqueeze", w("Mod", index, width), [1]),
            w("Unsqueeze", w("Div", index, width), [1]),
            axis=1,
        )
        parts.append(w.cast(pair, "float32"))
        steps.append(w("Add", w("Mul", w.cut(parts[-1], 0, 1, 1), 0.0), float(stride)))
    return w.batched(w("Concat", *parts, axis=0)), w.batched(w("Concat", *steps, axis=0))


def decode(w: Writer, net: Net, rows: str, image: str | None = None) -> Decoded:
    """YOLOX's decoding; ``image`` makes the grid follow its size at run time."""
    cells, strides = grid(w, net, image)
    return Decoded(
        xy=w("Mul", w("Add", w.cut(rows, 0, 2, 2), cells), strides),
        wh=w("Mul", w("Exp", w.cut(rows, 2, 4, 2)), strides),
        objectness=w.cut(rows, 4, 5, 2),
        classes=w.cut(rows, 5, 5 + net.classes, 2),
    )


def corners(w: Writer, found: Decoded) -> str:
    half = w("Mul", found.wh, 0.5)
    return w("Concat", w("Sub", found.xy, half), w("Add", found.xy, half), axis=2)


@dataclass(frozen=True)
class Final:
    """One image's values, best first, at most 300: corners (M, 4) in pixels, scores, labels (M,) int64."""

    boxes: str
    scores: str
    labels: str


def final(w: Writer, net: Net, found: Decoded, threshold: float = SCORE) -> Final:
    """Best class of a location, objectness x class above the threshold, NMS .65 per class, the 300 best."""
    product, boxes = w("Mul", found.objectness, found.classes), corners(w, found)
    label = w("ArgMax", product, axis=2, keepdims=0)
    mask = w("OneHot", label, w.constant(np.int64(net.classes)), w.constant(np.float32([0, 1])), axis=2)
    kept = w("Transpose", w("Mul", product, mask), perm=[0, 2, 1])
    chosen = w("NonMaxSuppression", boxes, kept, [1 << 20], [IOU], [threshold])
    classes, places = (w("Squeeze", w.cut(chosen, column, column + 1, 1), [1]) for column in (1, 2))
    scores = w("GatherND", kept, chosen)
    count = w("Min", w("Shape", scores), [BEST])
    scores, order = w.many(2, "TopK", scores, count)
    boxes = w("Gather", w("Gather", w("Squeeze", boxes, [0]), places, axis=0), order, axis=0)
    return Final(boxes, scores, w("Gather", classes, order, axis=0))


def to_net(
    w: Writer,
    x: str,
    rgb: bool = True,
    times: float = 255.0,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
) -> str:
    """A convention's normalised pixels (1, 3, H, W) float32 back to BGR 0..255: (x * std + mean) * times."""
    if std is not None:
        x = w("Mul", x, np.float32(std).reshape(1, 3, 1, 1))
    if mean is not None:
        x = w("Add", x, np.float32(mean).reshape(1, 3, 1, 1))
    if times != 1:
        x = w("Mul", x, times)
    return w("Gather", x, [2, 1, 0], axis=1) if rgb else x


Builder = Callable[[Net], onnx.ModelProto]
