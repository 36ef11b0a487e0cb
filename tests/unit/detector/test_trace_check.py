"""A graph that fits its example only is refused: sides that the exporter bakes in, branches that it drops."""

import numpy as np
import onnx_ir as ir
import onnxruntime
import pytest
import sympy
import torch
from tiny import detr_head, input_recipe, roi_head
from torch.utils._sympy.functions import Mod

from cutpoint.detector import trace
from cutpoint.detector.cuts import Cuts
from cutpoint.detector.dense import DenseHalves
from cutpoint.detector.kinds import KINDS, Kind
from cutpoint.detector.trace_check import Condition, check_whole, find_violated
from cutpoint.errors import UserError
from cutpoint.records.head import QueryHead, RoiHead
from cutpoint.records.model import ModelSpec, write_spec

HEIGHT, WIDTH = sympy.symbols("s1 s2", integer=True, positive=True)


def plain(x, images):
    return x


def batch_in_a_branch(x, images):
    """As DINO compares the length of a tensor with the number of its queries."""
    return x if len(images) == 5 else x + 1


def batch_in_a_number(x, images):
    return x * int(images.shape[0])


def height_in_a_number(x, images):
    return x * int(images.shape[2])


def a_branch_of_multiples(x, images):
    return x * 2 if images.shape[2] % 64 == 0 else x


def a_branch_of_areas(x, images):
    return x * 2 if images.shape[2] * images.shape[3] < 90_000 else x


class Toy(Cuts):
    """A convolution, then what ``spoil``, a model's own code, does to its output."""

    spoil = staticmethod(plain)

    def __init__(self, detector, spec):
        super().__init__(detector, spec)
        self.conv = torch.nn.Conv2d(3, 4, 3, 2, 1)

    def raw(self, images, image_sizes):
        x = self.spoil(self.conv(images), images).mean((2, 3)) + image_sizes
        return [x + number for number, _ in enumerate(self.spec.raw_names)]

    def decode(self, raw, images, image_sizes):
        return [raw["logits"] * 2 for _ in self.spec.decoded_names]


@pytest.fixture
def run(monkeypatch, tmp_path):
    """Trace a toy; returns the file."""
    monkeypatch.setattr(trace, "load_config", lambda config: None)
    monkeypatch.setattr(trace, "build_detector", lambda config, checkpoint: torch.nn.Identity())
    torch.manual_seed(0)

    def run(spoil=plain, head=None, divisor=32, **settings):
        head = head or detr_head()
        for kind in (QueryHead, RoiHead):
            monkeypatch.setitem(KINDS, kind, Kind(Toy, DenseHalves))
        monkeypatch.setattr(Toy, "spoil", staticmethod(spoil))
        spec, out = tmp_path / "spec.json", tmp_path / "trace.onnx"
        write_spec(spec, ModelSpec("toy", ("car", "bus", "person"), head, input_recipe(divisor=divisor)))
        try:
            trace.trace_model(
                config="", checkpoint=None, spec=str(spec), out=str(out), **{"shape": "dynamic"} | settings
            )
        except UserError:
            assert not out.exists()
            raise
        return str(out)

    return run


def inputs(path):
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return {value.name: value.shape for value in session.get_inputs()}, session


@pytest.mark.parametrize(
    ("settings", "images", "sizes"),
    [
        ({}, ["batch", 3, "32*height", "32*width"], ["batch", 4]),
        ({"divisor": 1}, ["batch", 3, "height", "width"], ["batch", 4]),
        ({"exporter": "torchscript"}, ["batch", 3, "height", "width"], ["batch", 4]),
        ({"shape": [96, 160]}, [1, 3, 96, 160], [1, 4]),
        ({"shape": [96, 160], "exporter": "torchscript"}, [1, 3, 96, 160], [1, 4]),
    ],
)
def test_a_graph_has_the_sides_that_were_asked_for(run, settings, images, sizes):
    found, session = inputs(run(**settings))
    assert found == {"images": images, "image_sizes": sizes}
    batch, (height, width) = (1, images[2:]) if images[0] == 1 else (3, (352, 96))
    feeds = {"images": np.zeros((batch, 3, height, width), np.float32)}
    feeds["image_sizes"] = np.arange(4 * batch, dtype=np.float32).reshape(batch, 4)
    found = session.run(None, feeds)
    assert {value.shape for value in found} == {(batch, 4)}
    # the sizes of each image are its own
    np.testing.assert_allclose(found[0] - found[0][:1], feeds["image_sizes"] - feeds["image_sizes"][:1])


@pytest.mark.parametrize("spoil", [batch_in_a_branch, batch_in_a_number])
def test_a_batch_that_the_model_fixes_is_refused(run, spoil):
    with pytest.raises(UserError, match=r"images has shape \(2, 3, 32\*height, 32\*width\) in the graph"):
        run(spoil)


def test_a_side_that_the_model_fixes_is_refused(run):
    with pytest.raises(UserError, match=r"has shape \(batch, 3, 192, width\) .* Use `shape: \[height, width"):
        run(height_in_a_number, divisor=1)
    # the exporter writes 32*height all the same
    with pytest.raises(UserError, match=r"another branch where height/32 <= 6 does not hold"):
        run(height_in_a_number)


@pytest.mark.parametrize(
    ("spoil", "text"),
    [(a_branch_of_multiples, r"Mod\(height, 64\)"), (a_branch_of_areas, r"height\*width < 90000")],
)
def test_a_branch_that_not_every_size_takes_is_refused(run, spoil, text):
    with pytest.raises(UserError, match=rf"takes another branch where .*{text}.* does not hold"):
        run(spoil)


def test_a_branch_that_every_allowed_size_takes_is_none(run):
    """Of multiples of 64 all take it."""
    assert inputs(run(a_branch_of_multiples, divisor=64))[0]["images"][2] == "64*height"


@pytest.mark.parametrize(
    ("expression", "violated"),
    [
        # SSDLite's last maps have one cell where images are small
        (sympy.Ne((HEIGHT - 1) // 256, 0), False),
        (sympy.Ne(((HEIGHT - 1) // 256 + 1) * ((WIDTH - 1) // 256 + 1), 1), False),
        (sympy.Ne(Mod(HEIGHT, 64), 0), True),
        (sympy.Ne(HEIGHT, 256), True),
        (sympy.Ge((HEIGHT - 1) // 256, 1), True),
    ],
)
def test_that_a_map_has_one_cell_is_no_branch(expression, violated):
    condition = Condition(expression, (sympy.Integer(2), HEIGHT, WIDTH))
    assert bool(find_violated([condition], 1)) is violated


@pytest.mark.parametrize("spoil", [batch_in_a_branch, height_in_a_number, a_branch_of_multiples])
def test_a_static_shape_has_one_branch_anyway(run, spoil):
    assert inputs(run(spoil, shape=[96, 160]))[0]["images"] == [1, 3, 96, 160]


def test_the_older_exporter_is_read_by_its_outputs(run):
    """It names the batch of the input whatever the graph does."""
    with pytest.raises(UserError, match=r"exporter torchscript: output logits has 2 as its first side"):
        run(lambda x, images: x.reshape(2, 4, -1, 8), exporter="torchscript")


def test_a_file_that_cannot_have_roi_align_is_refused_before_anything_is_built(run, monkeypatch):
    def build(config, checkpoint):
        raise AssertionError("built")

    monkeypatch.setattr(trace, "build_detector", build)
    with pytest.raises(UserError, match=r"^opset 22: ONNX Runtime has no RoiAlign .* Shared2FC.*opset 21"):
        run(head=roi_head(), opset=22)
    with pytest.raises(UserError, match=r"^exporter torchscript: .* RoIAlign .*Shared2FC.*; use dynamo"):
        run(head=roi_head(), exporter="torchscript")
    with pytest.raises(AssertionError, match="built"):
        run(head=roi_head(), opset=21)


def test_a_constant_that_the_exporter_loses_is_named(run):
    model = ir.load(run())
    check_whole(model, "dynamo")
    node = next(node for node in model.graph if node.op_type == "Conv")
    node.replace_input_with(1, ir.Value(name="lost"))
    with pytest.raises(UserError, match=rf"^exporter dynamo: node {node.name} reads lost, which is not in"):
        check_whole(model, "dynamo")
