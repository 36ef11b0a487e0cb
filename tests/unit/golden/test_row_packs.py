"""Packs of heads of proposals and queries: our own arrays agree, and planted mistakes are named."""

import numpy as np
import pytest
from golden_packs import (
    as_port,
    assert_differs,
    changed,
    check,
    finish,
    make_pack,
    port_of,
    read_pack,
    same,
    without,
    write_port,
)
from row_graphs import REAL, ROWS, write_queries, write_rois

from cutpoint.golden.checker.ranked import same_rows
from cutpoint.recipes.schema import read_steps, write_steps


@pytest.fixture(scope="module")
def queries(tmp_path_factory):
    return make_pack(tmp_path_factory.mktemp("queries"), "raw", write=write_queries)


@pytest.fixture(scope="module")
def rois(tmp_path_factory):
    return make_pack(tmp_path_factory.mktemp("rois"), "raw", write=write_rois)


@pytest.fixture(params=["queries", "rois"])
def pack(request):
    return request.getfixturevalue(request.param)


@pytest.mark.parametrize("keys", [("",), ("output",), ("candidates",), ("step1",), ("detections",)])
def test_our_own_arrays_agree(pack, tmp_path, keys):
    code, text = check(pack, port_of(tmp_path / "port", pack, keys, same))
    assert (code, "AGREES" in text, "close" in text) == (0, True, False), text
    content, arrays = read_pack(pack)
    assert min(image["detections"] for image in content["images"]) >= 5
    assert content["other_inputs"]
    assert {"input", "image_sizes"} <= set(arrays["image1"])


def reordered(outputs, order):
    """The rows of all outputs of an image in another order."""
    return {
        name: value[:, order] if value.ndim > 1 and value.shape[1] == ROWS else value
        for name, value in outputs.items()
    }


def test_rows_that_swap_ranks_are_the_same(pack, tmp_path):
    swap = np.r_[1, 0, 2 : REAL - 2, REAL - 1, REAL - 2, REAL:ROWS]
    keys = ("output.",)
    code, text = check(pack, port_of(tmp_path / "port", pack, keys, lambda _, found: reordered(found, swap)))
    assert (code, "AGREES" in text, "close" in text) == (0, True, False), text
    # without priors nobody can tell
    lacking = port_of(
        tmp_path / "port",
        pack,
        keys,
        lambda _, found: {
            key: value for key, value in reordered(found, swap[::-1]).items() if key == "output.logits"
        },
    )
    assert_differs(check(pack, lacking), "output logits", "give output.priors too")


def test_other_rows_are_told(pack, tmp_path):
    def other(name, found):
        priors = found["output.priors"].copy()
        priors[0, :30] += 500
        return {"output.priors": priors}

    port = port_of(tmp_path / "port", pack, ("output.",), other)
    assert_differs(check(pack, port), "output priors", "chooses other proposals or queries")


def test_common_rows_are_in_one_order():
    ours = {"priors": np.array([[7, 3, 9, -1]]), "logits": np.array([[[1.0], [2], [3], [4]]])}
    theirs = {"priors": np.array([[3, 8, 7, -1]]), "logits": np.array([[[2.5], [0], [1.5], [4]]])}
    first, second, alone = same_rows(ours, theirs)
    assert first["logits"].ravel().tolist() == [2, 1]
    assert second["logits"].ravel().tolist() == [2.5, 1.5]
    assert alone == pytest.approx(1 / 3)
    assert same_rows({"logits": ours["logits"]}, theirs)[2] == 0


def sigmoid(values):
    return 1 / (1 + np.exp(-values))


def softmax(values):
    powers = np.exp(values - values.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)


def corners(boxes):
    return np.concatenate([boxes[..., :2] - boxes[..., 2:] / 2, boxes[..., :2] + boxes[..., 2:] / 2], -1)


@pytest.mark.parametrize(
    ("name", "output", "change", "reason"),
    [
        ("queries", "logits", sigmoid, "the sigmoid is applied"),
        ("queries", "cxcywh", corners, "corners, not centre and size"),
        ("rois", "logits", softmax, "the softmax is applied"),
        ("rois", "deltas", lambda deltas: deltas * np.float32(0.1), "0.1 times ours"),
    ],
)
def test_another_form_of_an_output_is_named(request, tmp_path, name, output, change, reason):
    pack, key = request.getfixturevalue(name), f"output.{output}"
    for keys in ((key,), ("output.",)):
        port = port_of(
            tmp_path / "port", pack, keys, lambda _, found: found | {key: change(found[key]).astype("f4")}
        )
        assert_differs(check(pack, port), f"output {output}", reason)


@pytest.mark.parametrize(
    ("name", "mistake"),
    [
        *(("queries", m) for m in ("corners", "padded_size", "double_sigmoid", "softmax_for_sigmoid")),
        *(
            ("rois", m)
            for m in ("stds_forgotten", "deltas_by_side", "background_first", "background_dropped")
        ),
        ("rois", "sigmoid_for_softmax"),
    ],
)
def test_a_misread_output_is_named_from_final_boxes_alone(request, tmp_path, name, mistake):
    pack = request.getfixturevalue(name)
    content, arrays = read_pack(pack)
    start = f"mistake.{mistake}."
    port = {
        image: {
            f"detections.{key.removeprefix(start)}": v for key, v in found.items() if key.startswith(start)
        }
        for image, found in arrays.items()
    }
    for given in ({}, {"input": arrays["image1"]["input"]}):  # also where the input is known to be right
        port["image1"] |= given
        result = check(pack, write_port(tmp_path / "port", port))
        assert_differs(result, "detections", f"read otherwise: {content['readings'][mistake]}")
    assert set(content["readings"]) >= {mistake}


@pytest.mark.parametrize(
    ("name", "change", "reason"),
    [
        ("queries", "nms", "an NMS behind the recipe, which this detector does not want, at an IoU of 0.5"),
        ("queries", "best_class", "only the best class of a location is kept"),
        ("queries", "clip", "the boxes are not clipped"),
        ("rois", "iou", "the IoU threshold of NMS is not 0.5, but"),
        ("rois", "threshold", "the threshold is not 0.05, but"),
    ],
)
def test_a_changed_recipe_is_named_from_final_boxes_alone(request, tmp_path, name, change, reason):
    pack = request.getfixturevalue(name)
    content, _ = read_pack(pack)
    steps = content["recipe"]
    (nms,) = write_steps(read_steps([{"step": "nms", "iou_threshold": 0.5}]))
    others = {
        "nms": [*steps, nms],
        "best_class": [{"step": "best_class"}, *steps],
        "clip": without(steps, "clip"),
        "iou": changed(steps, "nms", iou_threshold=0.3),
        "threshold": changed(steps, "threshold", value=0.3),
    }
    port = as_port(tmp_path / "port", finish(pack, others[change]))
    assert_differs(check(pack, port), "detections", reason)


def test_the_readme_speaks_of_proposals_and_queries(queries, rois):
    text = " ".join((queries / "README.md").read_text().split())
    assert "the 30 best pairs of a query and a class, and the best class of every" in text
    assert "the rows are ranks" in text
    assert (
        "all pairs of a proposal and a class with a class score above 0.05"
        in (rois / "README.md").read_text()
    )
