"""With ``verify: strict`` an export out of tolerance stops the run."""

import pytest

from cutpoint.errors import UserError
from cutpoint.export.acceptance import accept_export
from cutpoint.records.verification import Verification, write_verification


def test_only_what_passed_is_accepted(tmp_path):
    path = tmp_path / "raw.verify.json"
    shown = {"export": "raw.onnx", "precision": "fp32", "tensors": (), "images": 3, "inputs": ()}
    write_verification(path, Verification(**shown, passed=True, failures=()))
    accept_export(verify=str(path))
    write_verification(path, Verification(**shown, passed=False, failures=("cls_0, max abs 3",)))
    with pytest.raises(UserError, match=r"raw.onnx failed its verification: cls_0, max abs 3 .*verify: note"):
        accept_export(verify=str(path))
