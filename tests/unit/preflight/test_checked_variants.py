"""A variant's recipe, export and provider against its model."""

import pytest
from tiny import atss_head, model_spec, roi_head

from cutpoint.errors import UserError
from cutpoint.preflight.variants import check_variant, remark_on

MADE = {"opset": 20, "exporter": "dynamo", "clip": "image", "topk_limit": None}


def variant(cut="e2e", recipe="mmdet3", provider="cpu", **export):
    own = {"variant": "v", "spec": "spec.json", "cut": cut, "recipe": recipe, "scores": "class"}
    return own | {"provider": provider, "export": MADE | export}


def test_what_can_be_made_passes():
    for cut in ("raw", "decoded", "e2e"):
        check_variant(model_spec(atss_head()), variant(cut))
    # an external file that ends in its own post-processing
    check_variant(model_spec(atss_head()), variant(recipe=None) | {"export": None})


@pytest.mark.parametrize(
    ("head", "asked", "message"),
    [
        (atss_head(), variant("raw", {"base": "mmdet3", "score_thr": 0.01}), "recipe threshold 0.01"),
        (atss_head(), variant(exporter="torchscript", opset=21), "torchscript writes 18 to 20"),
        (roi_head(), variant("raw", exporter="torchscript"), "neither the RoIAlign nor the NMS"),
        (roi_head(), variant("raw", opset=22), "no RoiAlign of it"),
        (atss_head(), variant("e2e", {"steps": [{"step": "clip"}, {"step": "rescale"}]}), "recipe without"),
    ],
)
def test_what_cannot_be_made_is_refused(head, asked, message):
    with pytest.raises(UserError, match=message):
        check_variant(model_spec(head), asked)


def test_a_ranking_beyond_the_providers_limit_is_said():
    steps = [dict(step) for step in atss_head().recipe]
    steps[1] = {"step": "top_k", "k": 4000}
    spec = model_spec(atss_head(recipe=tuple(steps)))
    assert remark_on(spec, variant()) == []
    (remark,) = remark_on(spec, variant(provider="tensorrt"))
    assert remark == (
        "variants.v: its recipe ranks up to 4000 at once, and tensorrt at most 3840, so that another "
        "provider runs this part; topk_limit: 3840 keeps it there"
    )
    assert remark_on(spec, variant(provider="tensorrt", topk_limit=3840)) == []
