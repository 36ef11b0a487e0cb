"""With ``verify: strict`` an export out of tolerance stops the run."""

import json

import pytest

from cutpoint.errors import UserError
from cutpoint.export.acceptance import accept_export


def test_only_what_passed_is_accepted(tmp_path):
    path = tmp_path / "raw.verify.json"
    content = {"export": "raw.onnx", "passed": True, "failures": []}
    path.write_text(json.dumps(content))
    accept_export(verify=str(path))
    path.write_text(json.dumps(content | {"passed": False, "failures": ["cls_0, max abs 3"]}))
    with pytest.raises(UserError, match=r"raw.onnx is not the detector .*: cls_0, max abs 3 .* verify: note"):
        accept_export(verify=str(path))
