"""Mistakes planted by other code, on other images than the fingerprints were taken on, are found."""

import json

import cv2
import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from cutpoint.export.precision import to_fp16

pytestmark = pytest.mark.slow

SIDE = 320  # of the network's input
CLASSES = 4
MEAN, STD = np.array([123.675, 116.28, 103.53]), np.array([58.395, 57.12, 57.375])


def graph_of(bed, *edits):
    """The raw file with nodes put in."""
    graph = onnx.load(bed.raw)
    for edit in edits:
        edit(graph)
    return graph


def behind(kind, operator, constant=None):
    """An edit: an operator behind each of the head's outputs of a kind."""

    def edit(model):
        for output in [o for o in model.graph.output if o.name.startswith(f"{kind}_")]:
            inner = f"{output.name}_before"
            for node in model.graph.node:
                node.output[:] = [inner if name == output.name else name for name in node.output]
                node.input[:] = [inner if name == output.name else name for name in node.input]
            inputs = [inner]
            if constant is not None:
                value = np.array(constant, dtype=np.float32).reshape(1, -1, 1, 1)
                model.graph.initializer.append(numpy_helper.from_array(value, f"{output.name}_by"))
                inputs.append(f"{output.name}_by")
            model.graph.node.append(helper.make_node(operator, inputs, [output.name]))

    return edit


def normalised_by(mean, std):
    """An edit: other numbers in the file's description of its input."""

    def edit(model):
        entry = next(entry for entry in model.metadata_props if entry.key == "cutpoint")
        content = json.loads(entry.value)
        content["spec"]["input"] |= {"mean": list(mean), "std": list(std)}
        entry.value = json.dumps(content)

    return edit


def resized(image, interpolation=cv2.INTER_LINEAR):
    """Longer side ``SIDE``."""
    factor = SIDE / max(image.shape[:2])
    height, width = (int(side * factor + 0.5) for side in image.shape[:2])
    small = cv2.resize(image, (width, height), interpolation=interpolation)
    return small, (width / image.shape[1], height / image.shape[0])


def swap(image):
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB), (1, 1)


def stretch(image):
    return cv2.resize(image, (SIDE, SIDE)), (SIDE / image.shape[1], SIDE / image.shape[0])


def nearest(image):
    return resized(image, cv2.INTER_NEAREST)


def pad(image):
    small, scale = resized(image)
    height, width = small.shape[:2]
    bottom, right = (-side % 32 for side in (height, width))
    return cv2.copyMakeBorder(small, 0, bottom, 0, right, cv2.BORDER_CONSTANT), scale


def relabel(shift):
    """Category ids moved; what leaves the list comes in on its other side."""

    def change(results, images):
        return [d | {"category_id": (d["category_id"] - 1 + shift) % CLASSES + 1} for d in results]

    return change


def rescale(factors):
    """Boxes times what ``factors`` makes of height and width."""

    def change(results, images):
        sizes = {image.id: (image.height, image.width) for image in images}
        scales = {image: factors(*size) for image, size in sizes.items()}
        return [
            d | {"bbox": (np.array(d["bbox"]) * np.tile(scales[d["image_id"]], 2)).tolist()} for d in results
        ]

    return change


def in_network_pixels(height, width):
    return (SIDE / max(height, width),) * 2


def as_stretched(height, width):
    """Off by how much shorter the side is than the network's."""
    longest = max(height, width)
    return width / longest, height / longest


HALF = behind("box", "Add", [1.25, 1.25, 0, 0])  # half a stride, in anchors of 4 strides, in stds of 0.1
TIMES = behind("box", "Div", [0.1, 0.1, 0.2, 0.2])
NO_FACTOR = behind("centerness", "Add", [100])
TWICE = behind("cls", "Sigmoid")
BARE = normalised_by((0, 0, 0), (1, 1, 1))
UNIT = normalised_by((0, 0, 0), (255, 255, 255))
BY_225 = normalised_by(MEAN * 225 / 255, STD * 225 / 255)

# expected: edits of the graph, change of the images, change of the results
PLANTED = {
    "channel_order": ([], swap, None),
    "no_mean_std": ([BARE], None, None),
    "unit_range": ([UNIT], None, None),
    "divided_by_225": ([BY_225], None, None),
    "pad_before_normalising": ([], pad, None),
    "stretch": ([], stretch, None),
    "interpolation_nearest": ([], nearest, None),
    "half_pixel": ([HALF], None, None),
    "stds_forgotten": ([TIMES], None, None),
    "factor_forgotten": ([NO_FACTOR], None, None),
    "double_sigmoid": ([TWICE], None, None),
    "class_plus_one": ([], None, relabel(1)),
    "class_minus_one": ([], None, relabel(-1)),
    "no_scale_back": ([], None, rescale(in_network_pixels)),
    "scaled_as_stretched": ([], None, rescale(as_stretched)),
}
TOGETHER = {
    "half_pixel and channel_order": ([HALF], swap, None),
    "factor_forgotten and class_plus_one": ([NO_FACTOR], None, relabel(1)),
    "divided_by_225 and half_pixel": ([BY_225, HALF], None, None),
    "stretch and stds_forgotten": ([TIMES], stretch, None),
    "pad_before_normalising and double_sigmoid": ([TWICE], pad, None),
}


def plant(bed, edits, alter, change):
    results = bed.run(graph_of(bed, *edits), alter) if edits or alter else bed.plain
    return change(results, bed.images) if change else results


@pytest.fixture(scope="module")
def found(bed):
    """What is said of every planted mistake."""
    return {name: bed.diagnose(plant(bed, *how)) for name, how in PLANTED.items()}


def test_the_planted_mistake_is_ranked_first(found):
    print(*(summary(name, said) for name, said in found.items()), sep="\n")
    first = {name: said["ranking"][0]["names"] for name, said in found.items()}
    assert first == {name: [name] for name in PLANTED}


def test_a_mistake_made_exactly_so_is_named(found):
    named = {name: said["names"] for name, said in found.items() if said["verdict"] == "looks like"}
    # boxes clipped to the padded image are not quite ours
    assert named == {name: [name] for name in PLANTED if name != "pad_before_normalising"}
    padded = found["pad_before_normalising"]
    assert (padded["verdict"], padded["names"]) == ("resembles", ["pad_before_normalising"])


@pytest.mark.parametrize("name", TOGETHER)
def test_two_mistakes_are_not_named_as_one(bed, name):
    said = bed.diagnose(plant(bed, *TOGETHER[name]))
    print(summary(name, said))
    assert said["verdict"] in ("nothing fits", "resembles")


def test_without_a_mistake_there_is_nothing_to_explain(bed):
    assert bed.diagnose(bed.plain)["verdict"] == "nothing to explain"
    trace, report = str(bed.folder / "fp16.onnx"), str(bed.folder / "fp16.json")
    to_fp16(
        trace=bed.trace, spec=bed.model.spec_file, manifest=bed.manifest, out=trace, report=report, images=1
    )
    half = bed.run(onnx.load(bed.model.export(trace, "raw", name="fp16")))
    assert half != bed.plain
    said = bed.diagnose(half)
    print(summary("fp16", said))
    assert said["verdict"] == "nothing to explain"


def test_a_change_that_is_no_mistake_of_the_list_is_not_given_its_name(bed):
    # half of the boxes are lost, as by a step that no mistake has
    said = bed.diagnose(bed.plain[::2])
    print(summary("half lost", said))
    assert said["verdict"] == "nothing fits"


def summary(name, said):
    near = (f"{line['names'][0]} {line['distance']:.2f} {line['match_rate']}" for line in said["ranking"][:3])
    return f"{name}: {', '.join(near)}; limit {said['limit']:.2f}; {said['text']}"
