import pytest

from cutpoint.errors import UserError
from cutpoint.files import read_json, write_json
from cutpoint.records.precision import CalibrationImages, read_precision, write_precision
from cutpoint.records.verification import read_verification, write_verification

BOXES = {"name": "boxes", "max_abs": 0.5, "max_rel": None, "cosine": None, "tolerance": "98 %"}
BOXES |= {"passed": False, "reason": "only 42 %", "agreement": 0.42}
FACTORS = {"name": "factors", "max_abs": 1e-7, "max_rel": 1e-6, "cosine": 1.0, "tolerance": "1e-3"}
FACTORS |= {"passed": True, "reason": ""}
CONTENT = {
    **{"export": "raw.onnx", "precision": "fp32", "passed": False, "failures": ["boxes, only 42 %"]},
    **{"tensors": [BOXES, FACTORS], "images": 3, "inputs": [[1, 3, 64, 96]]},
}
KEPT = {"operators": {"Add": 2}, "nodes": {"first convolution": ["conv"]}}
INT8 = {
    **{"precision": "int8", "bytes": {"before": 9, "after": 4}, "kept_fp32": KEPT},
    **{"images": {"calibration": 4, "held_out": 1}, "quantised_tensors": 7},
    "saturated": [{"tensor": "x", "max_abs": 9.0, "range": [-1.0, 1.0], "share_outside": 0.25}],
}
FP16 = {"precision": "fp16", "bytes": {"before": 9, "after": 5}, "kept_fp32": KEPT, "images": 8}
FP16 |= {"overflows": [{"tensor": "x", "max_abs": 7e4}]}


def test_a_verification_of_an_older_version_comes_back(tmp_path):
    path = tmp_path / "raw.verify.json"
    write_json(path, CONTENT)
    verification = read_verification(path)
    assert [tensor.agreement for tensor in verification.tensors] == [0.42, None]
    write_verification(path, verification)
    assert read_json(path) == {"format": 2, **CONTENT}


def test_a_verification_without_a_verdict_is_refused_by_its_key(tmp_path):
    path = tmp_path / "raw.verify.json"
    write_json(path, CONTENT | {"tensors": [BOXES, FACTORS | {"passed": "yes"}]})
    with pytest.raises(UserError, match=r"verify\.json: tensors\[1\]\.passed: expected bool, got str"):
        read_verification(path)


@pytest.mark.parametrize("content", [FP16, INT8])
def test_what_a_precision_did_comes_back(tmp_path, content):
    path = tmp_path / "trace.precision.json"
    write_json(path, content)
    report = read_precision(path)
    assert report.images == (8 if content is FP16 else CalibrationImages(4, 1))
    write_precision(path, report)
    assert read_json(path) == {"format": 2, **content}
