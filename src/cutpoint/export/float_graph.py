"""The float32 graph that a reduced precision is made from, and what it is measured with."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import onnx
import onnx_ir as ir
import onnx_ir.passes.common as passes
from onnx import TensorProto, helper
from onnxruntime import GraphOptimizationLevel, InferenceSession, SessionOptions

from cutpoint.data.image import decode, image_sizes, prepare
from cutpoint.errors import UserError, located
from cutpoint.records.image import FLOAT_CHANNELS_FIRST, TensorForm
from cutpoint.records.json_file import as_record
from cutpoint.records.manifest import Image
from cutpoint.records.model import METADATA_KEY, ModelSpec, read_spec
from cutpoint.records.onnx_model import PRECISION_KEY, Metadata, upgrade_metadata

# The converters hold a graph in one message of protobuf, which has at most 2 GiB.
LARGEST = 2_000_000_000
IMAGES, IMAGE_SIZES = "images", "image_sizes"


@dataclass(frozen=True)
class FloatGraph:
    """A float32 graph.

    ``ends``: the names of the tensors that its network leads to. ``form``: what its input ``images`` takes.
    ``metadata``: properties of the file that what is made of it keeps.
    """

    model: onnx.ModelProto
    ends: tuple[str, ...]
    spec: ModelSpec
    form: TensorForm
    metadata: dict[str, str]

    def feeds(self, images: Sequence[Image]) -> Iterator[dict[str, np.ndarray]]:
        """The images one by one, prepared by the model's own input recipe; in a fixed batch all are alike."""
        inputs = {value.name: value for value in self.model.graph.input}
        batch, *sides = (side.dim_value for side in inputs[IMAGES].type.tensor_type.shape.dim)
        height, width = sides[:2] if self.form.channels_last else sides[1:]
        shape = (height, width) if height and width else None
        for image in images:
            with located(f"calibration image {image.path}"):
                tensor, geometry = prepare(decode(image.path), self.spec.input, shape, form=self.form)
            feeds = {IMAGES: tensor, IMAGE_SIZES: image_sizes(geometry, self.spec.input)}
            copies = max(batch, 1)
            yield {
                name: np.repeat(feeds[name], copies, axis=0) if copies > 1 else feeds[name] for name in inputs
            }


def read_float_graph(path: str, spec: str, opset: int = 0) -> FloatGraph:
    """Read a trace, or an external file that was imported.

    Args:
        path: ONNX file of ``trace_model`` or of an import.
        spec: ``spec.json`` of a trace, or the specification beside the import.
        opset: an external file of an older opset is converted to this one.

    Raises:
        UserError: an external file that is not float32, or that is too large to be converted.
    """
    model_spec = read_spec(spec)
    model = ir.load(path)
    if METADATA_KEY not in model.metadata_props:
        return FloatGraph(onnx.load(path), model_spec.head.raw_names, model_spec, FLOAT_CHANNELS_FIRST, {})
    where = f"{path}: {METADATA_KEY}"
    content = json.loads(model.metadata_props[METADATA_KEY])
    metadata = as_record(content, Metadata, where, upgrade_metadata)
    precision = model.metadata_props.get(PRECISION_KEY, "fp32")
    if precision != "fp32":
        raise UserError(
            f"{metadata.external}: it is {precision} already, and only a float32 file is converted; "
            "remove precision and calibration from the variant, or name the float32 file in onnx"
        )
    tensors = (value.const_value for value in model.graph.initializers.values())
    if sum(tensor.nbytes for tensor in tensors if tensor is not None) > LARGEST:
        raise UserError(
            f"{metadata.external}: its tensors have more than {LARGEST / 1e9:g} GB, which ONNX Runtime's "
            "converters cannot hold; convert it where it was made, and name that file in onnx"
        )
    proto = _plain(model)
    if _opset(proto) < opset:
        proto = onnx.version_converter.convert_version(proto, opset)
    proto = _with_types(proto)
    ends = tuple(value.name for value in proto.graph.output)
    return FloatGraph(proto, ends, model_spec, metadata.tensor, dict(model.metadata_props))


def _plain(model: ir.Model) -> onnx.ModelProto:
    """The graph as the converters need it: no functions, constants as initializers, names that differ."""
    for change in (
        passes.InlinePass(),
        passes.RemoveInitializersFromInputsPass(),
        passes.LiftConstantsToInitializersPass(lift_all_constants=True, size_limit=0),
        passes.IdentityEliminationPass(),
        passes.NameFixPass(),
        passes.TopologicalSortPass(),
    ):
        model = change(model).model
    return ir.to_proto(model)


def _opset(model: onnx.ModelProto) -> int:
    return max(int(row.version) for row in model.opset_import if row.domain in ("", "ai.onnx"))


def _with_types(model: onnx.ModelProto) -> onnx.ModelProto:
    """The same graph with the type of every tensor, as far as ONNX or ONNX Runtime know it."""
    model = onnx.shape_inference.infer_shapes(model)
    known = {value.name for value in [*model.graph.value_info, *model.graph.output]}
    made = (name for node in model.graph.node for name in node.output)
    unknown = [name for name in made if name and name not in known]
    if not unknown:
        return model
    asked = onnx.ModelProto()
    asked.CopyFrom(model)
    asked.graph.output.extend(onnx.ValueInfoProto(name=name) for name in unknown)
    options = SessionOptions()
    options.log_severity_level = 3
    options.graph_optimization_level = GraphOptimizationLevel.ORT_DISABLE_ALL
    session = InferenceSession(asked.SerializeToString(), options, providers=["CPUExecutionProvider"])
    found = {value.name: value for value in session.get_outputs()}
    for name in unknown:
        kind = found[name].type.removeprefix("tensor(").removesuffix(")")
        if kind.isidentifier():  # neither a sequence nor an optional value
            number = TensorProto.DataType.Value(kind.upper())
            model.graph.value_info.append(helper.make_tensor_value_info(name, number, found[name].shape))
    return model
