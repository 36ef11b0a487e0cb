"""A graph that scales boxes back itself is refused for an input that lies inside its padding."""

from dataclasses import replace

import pytest
from tiny import input_recipe, model_spec, peaks_head

from cutpoint.errors import UserError
from cutpoint.export.e2e import write_e2e
from cutpoint.records.image import Pad
from cutpoint.records.model import write_spec


def test_clip_image_is_refused_before_the_trace_is_read(tmp_path):
    pad = Pad(divisor=32, beyond=True)
    recipe = replace(input_recipe(), scale=None, pad=pad, place="middle")
    write_spec(tmp_path / "spec.json", replace(model_spec(peaks_head()), input=recipe))
    files = {"trace": "nowhere.onnx", "spec": str(tmp_path / "spec.json"), "out": "out.onnx"}
    with pytest.raises(UserError, match=r"its input lies inside its padding.*; use clip: tensor"):
        write_e2e(**files)
    with pytest.raises(FileNotFoundError, match="nowhere"):
        write_e2e(**files, clip="tensor")
