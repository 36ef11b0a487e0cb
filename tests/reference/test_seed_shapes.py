"""ATSS-R50 exported at the shapes of the seed experiment has the seed's tensors."""

import numpy as np
import pytest
from models import write_export

from cutpoint.detector.describe import describe_model
from cutpoint.detector.trace import trace_model
from cutpoint.predict.runtime import Session

CONFIG = "mmdet::atss/atss_r50_fpn_1x_coco.py"
# side of the input: sides of the five levels, number of priors
SEED = {608: ([76, 38, 19, 10, 5], 7706), 408: ([51, 26, 13, 7, 4], 3511)}


@pytest.fixture(scope="module")
def spec(tmp_path_factory):
    out = str(tmp_path_factory.mktemp("seed") / "spec.json")
    describe_model(model="atss_r50", config=CONFIG, checkpoint=None, candidate_floor=None, out=out)
    return out


@pytest.mark.real
@pytest.mark.parametrize("side", SEED)
def test_shapes_of_the_seed(spec, tmp_path, side):
    trace = str(tmp_path / "trace.onnx")
    trace_model(config=CONFIG, checkpoint=None, spec=spec, shape=[side, side], out=trace)
    images = np.random.default_rng(0).normal(0, 1, (1, 3, side, side)).astype(np.float32)
    outputs = {}
    for cut in ("raw", "decoded"):
        path = str(tmp_path / f"{cut}.onnx")
        write_export(trace=trace, spec=spec, cut=cut, out=path)
        outputs[cut] = Session(path, "cpu").run({"images": images})
    sides, count = SEED[side]
    shapes = [(1, channels, s, s) for channels in (80, 4, 1) for s in sides]
    assert [value.shape for value in outputs["raw"].values()] == shapes
    assert list(outputs["raw"])[::5] == ["cls_0", "box_0", "centerness_0"]
    assert outputs["decoded"]["boxes"].shape == (1, count, 4)
    assert outputs["decoded"]["scores"].shape == (1, count, 80)
    assert outputs["decoded"]["factors"].shape == (1, count)
    assert outputs["decoded"]["level_counts"].tolist() == [s * s for s in sides]
    assert all(np.isfinite(value).all() for part in outputs.values() for value in part.values())
