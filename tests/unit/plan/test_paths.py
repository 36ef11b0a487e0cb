"""Which files belong to a run, a variant and the comparisons of an evaluation."""

from pathlib import Path

import pytest

from cutpoint.errors import UserError
from cutpoint.plan.config import complete_config
from cutpoint.plan.paths import fingerprint_files, operating_files, prediction_files, run_files
from cutpoint.plan.resolve import build_plan

SCHEMA = Path(__file__).resolve().parents[3] / "workflow/schemas/config.schema.yaml"
ONNX = {"runtime": "onnxruntime"}
VARIANTS = {
    "pytorch": {"runtime": "pytorch", "cut": "e2e"},
    "raw": {**ONNX, "cut": "raw"},
    "e2e": {**ONNX, "cut": "e2e"},
    "theirs": {"results": "theirs.json"},
}
FOLDER = "results/predictions/d/m"


def evaluation(**changes):
    config = {
        "models": {"m": {"config": "m.py", "checkpoint": "m.pth"}},
        "datasets": {"d": {"images": "d", "annotations": None, "shards": 2}},
        "variants": VARIANTS,
        "evaluations": [{"model": "m", "dataset": "d", "variants": list(VARIANTS), **changes}],
    }
    return build_plan(complete_config(config, SCHEMA), "cpu").evaluations[0]


def test_a_run_writes_two_files_a_shard():
    e = evaluation()
    assert run_files(e, e.variant("raw").run) == {
        "predictions": [f"{FOLDER}/onnxruntime-raw-fp32/{shard}.parquet" for shard in (0, 1)],
        "images": [f"{FOLDER}/onnxruntime-raw-fp32/{shard}.images.parquet" for shard in (0, 1)],
    }


def test_a_file_with_post_processing_brings_the_tensors_that_it_hides():
    e = evaluation()
    candidates = {v.name: prediction_files(e, v)["candidates"] for v in e.run_variants}
    raw = [f"{FOLDER}/onnxruntime-raw-fp32/{shard}.parquet" for shard in (0, 1)]
    # raw has them itself, and PyTorch's own predict keeps what is NaN
    assert candidates == {"pytorch": [], "raw": [], "e2e": raw}


def test_operating_points_stand_beside_the_references():
    e = evaluation()
    files = operating_files(e, e.variant("theirs"))
    assert files == {
        "variant": "results/detections/d/m/theirs.json",
        "reference": "results/detections/d/m/pytorch.json",
    }
    assert list(operating_files(e, e.reference)) == ["variant"]


def test_fingerprints_need_a_variant_that_is_diagnosed():
    assert fingerprint_files(evaluation()) == {
        "model": "results/models/m/raw-fp32.onnx",
        "reference": "results/detections/d/m/pytorch.json",
    }
    with pytest.raises(UserError, match="no variant of m on d is diagnosed; name one under `diagnose`"):
        fingerprint_files(evaluation(diagnose=[]))
