"""A model that takes only multiples of its coarsest stride is traced, though its recipe does not say so."""

import numpy as np
import onnxruntime
import pytest
import torch
from tiny import input_recipe, peaks_head

from cutpoint.detector import trace
from cutpoint.detector.cuts import Cuts
from cutpoint.detector.dense import DenseHalves
from cutpoint.detector.kinds import KINDS, Kind
from cutpoint.errors import UserError
from cutpoint.records.head import DenseHead
from cutpoint.records.model import ModelSpec, write_spec


class Joined(Cuts):
    """As RTMDet's neck: an enlarged map is joined with the next finer one."""

    def raw(self, images, image_sizes):
        fine = torch.nn.functional.max_pool2d(images, 3, 2, 1)
        coarse = torch.nn.functional.max_pool2d(fine, 3, 2, 1)
        return self.joined(fine, coarse.repeat_interleave(2, 2).repeat_interleave(2, 3))

    def joined(self, fine, large):
        return [torch.cat([fine, large], 1)] * len(self.spec.raw_names)

    def decode(self, raw, images, image_sizes):
        return [raw["cls_0"].sum((2, 3)) for _ in self.spec.decoded_names]


class Branching(Joined):
    """Other sizes take another branch, and nothing fails."""

    def joined(self, fine, large):
        same = fine.shape[2] == large.shape[2] and fine.shape[3] == large.shape[3]
        return [fine + large if same else fine] * len(self.spec.raw_names)


@pytest.fixture
def run(monkeypatch, tmp_path):
    monkeypatch.setattr(trace, "load_config", lambda config: None)
    monkeypatch.setattr(trace, "build_detector", lambda config, checkpoint: torch.nn.Identity())

    def run(cuts):
        monkeypatch.setitem(KINDS, DenseHead, Kind(cuts, DenseHalves))
        head = peaks_head(strides=((2, 2), (4, 4)))
        spec, out = tmp_path / "spec.json", tmp_path / "trace.onnx"
        write_spec(spec, ModelSpec("toy", ("car", "bus", "person"), head, input_recipe(divisor=1)))
        trace.trace_model(config="", checkpoint=None, spec=str(spec), shape="dynamic", out=str(out))
        return onnxruntime.InferenceSession(str(out), providers=["CPUExecutionProvider"])

    return run


def test_what_fails_in_torch_too_is_no_branch(run):
    session = run(Joined)
    found = session.run(None, {"images": np.ones((3, 3, 16, 24), np.float32)})
    assert found[0].shape == (3, 6, 8, 12)


def test_another_branch_that_runs_is_refused(run):
    with pytest.raises(UserError, match="the model's code takes another branch where"):
        run(Branching)
