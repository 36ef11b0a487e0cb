"""A recipe's graph alone, run on tensors in the place of a network's."""

import numpy as np
import onnx_ir as ir
import onnxruntime
from tiny import geometry, input_recipe

from cutpoint.data.image import clip_size
from cutpoint.export.graph import Graph
from cutpoint.export.graph_rows import sizes_from_input, sizes_from_tensor
from cutpoint.export.ingraph import append_recipe, check_in_graph
from cutpoint.predict.pipeline import image_sizes

COUNTS = np.array([60, 20])


def decoded_tensors(spec, batch, seed=0):
    """Crowded boxes, distinct scores; the last image of three has nothing."""
    random = np.random.default_rng(seed)
    count = COUNTS.sum()
    centre, size = random.uniform(0, 60, (batch, count, 2)), random.uniform(2, 30, (batch, count, 2))
    tensors = {
        "boxes": np.concatenate([centre - size / 2, centre + size / 2], 2).astype(np.float32),
        "scores": random.uniform(0, 1, (batch, count, spec.num_classes)).astype(np.float32) ** 3,
        "factors": random.uniform(0.2, 1, (batch, count)).astype(np.float32),
        "level_counts": COUNTS,
    }
    if batch == 3:
        tensors["scores"][2] = 0.001
    return {name: tensors[name] for name in spec.decoded_names}


def sizes_of(batch):
    """Geometry and ``image_sizes`` of images of different sizes in tensors of 64 x 96."""
    padded = {"padded_height": 64, "padded_width": 96}
    found = [
        geometry(**padded),
        geometry(resized_height=64, resized_width=50, scale_x=0.7, scale_y=0.72, **padded),
        geometry(**padded),
    ][:batch]
    recipe = input_recipe()
    assert clip_size(found[0], recipe) == (32, 40)
    return found, np.concatenate([image_sizes(size, recipe) for size in found])


def run_in_graph(spec, recipe, tensors, sizes, fixed=True):
    """Build the graph of one recipe and run it; ``sizes`` null is the one-input form."""
    kinds = {np.dtype("float32"): ir.DataType.FLOAT, np.dtype("int64"): ir.DataType.INT64}
    feeds = {"images": np.zeros((len(tensors["boxes"]), 3, 64, 96), np.float32), **tensors}
    feeds |= {} if sizes is None else {"image_sizes": sizes}
    values = {
        name: ir.Value(name=name, type=ir.TensorType(kinds[array.dtype]), shape=ir.Shape([None] * array.ndim))
        for name, array in feeds.items()
    }
    graph = ir.Graph(list(values.values()), [], nodes=[], opset_imports={"": 20}, name="recipe")
    g = Graph(graph)
    if sizes is None:
        known = sizes_from_tensor(g, values["images"])
    else:
        known = sizes_from_input(g, values["images"], values["image_sizes"])
    check_in_graph(recipe.steps)
    decoded = {name: values[name] for name in tensors}
    outputs = append_recipe(g, decoded, known, recipe.steps, spec, fixed)
    for name, value in outputs.items():
        kind = ir.DataType.INT64 if name in ("labels", "count") else ir.DataType.FLOAT
        value.name, value.type = f"out_{name}", ir.TensorType(kind)
        graph.outputs.append(value)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    model = ir.to_proto(ir.Model(graph, ir_version=10)).SerializeToString()
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    used = {value.name for value in session.get_inputs()}
    found = session.run(None, {name: array for name, array in feeds.items() if name in used})
    return dict(zip(outputs, found, strict=True))


def assert_rows(outputs, image, expected):
    count = outputs["count"][image]
    assert count == len(expected)
    np.testing.assert_array_equal(outputs["labels"][image, :count], expected.labels)
    np.testing.assert_allclose(outputs["scores"][image, :count], expected.scores, rtol=0, atol=1e-6)
    np.testing.assert_allclose(outputs["boxes"][image, :count], expected.boxes, rtol=1e-6, atol=1e-4)
    assert (outputs["labels"][image, count:] == -1).all()
    assert (outputs["scores"][image, count:] == 0).all()
    assert (outputs["boxes"][image, count:] == 0).all()
