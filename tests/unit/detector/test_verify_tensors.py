"""Tensors of ranked rows are compared by the place that a row comes from, and judged beside PyTorch's own."""

import re
from types import SimpleNamespace

import numpy as np
import pytest
from tiny import atss_head, model_spec, query_head, roi_head

from cutpoint.detector.tolerance import TOLERANCES
from cutpoint.detector.verify_tensors import TensorComparison
from cutpoint.predict.pictures import Picture

ROWS, BATCH = 40, 2
PICTURES = [Picture(f"{number}.jpg", f"image id {number}") for number in range(BATCH)]
FP32 = TOLERANCES["fp32"]


def comparison(head, tolerance=FP32):
    return TensorComparison(SimpleNamespace(spec=model_spec(head), probabilities=()), tolerance)


def outputs(names=("proposals", "priors", "proposal_count", "logits", "deltas"), live=ROWS):
    """Random values of ``raw``; each row of each image comes from another place."""
    random = np.random.default_rng(0)
    shapes = {"proposals": (4,), "logits": (4,), "deltas": (12,), "cxcywh": (4,)}
    found = {name: random.normal(0, 1, (BATCH, ROWS, *shapes[name])).astype(np.float32) for name in shapes}
    found = {name: value for name, value in found.items() if name in names}
    if "proposals" in found:
        found["proposals"] = found["proposals"] * 10 + 300
    places = np.stack([random.permutation(1000)[:ROWS] for _ in range(BATCH)])
    places[:, live:] = -1
    found["priors"] = places
    if "proposal_count" in names:
        found["proposal_count"] = np.full(BATCH, live)
    return {name: found[name] for name in names}


def swapped(values, image, one, other):
    """The same with two rows of an image in each other's place."""
    changed = {name: value.copy() for name, value in values.items()}
    for value in changed.values():
        if value.ndim > 1:
            value[image, [one, other]] = value[image, [other, one]]
    return changed


def judge(theirs, ours, head=None, moved=None, tolerance=FP32):
    """The checks by name; ``moved``: PyTorch's outputs for the changed input."""
    head = head or roi_head()
    sides = [comparison(head, tolerance) for _ in range(2)]
    for side, values in zip(sides, (ours, theirs if moved is None else moved), strict=True):
        side.add(theirs, values, PICTURES)
    return {check.name: check for check in sides[0].checks(list(theirs), sides[1])}


def test_rows_of_another_rank_are_the_same_rows():
    theirs = outputs()
    found = judge(theirs, swapped(theirs, 1, 3, 4))
    assert [name for name, check in found.items() if not check.passed] == []
    assert {check.max_abs for name, check in found.items() if name in ("proposals", "logits", "deltas")} == {
        0
    }
    assert found["priors"].agreement == 1


def test_a_row_that_differs_is_found_wherever_it_stands():
    theirs = outputs()
    ours = swapped(theirs, 1, 3, 4)
    ours["logits"][1, 3] += 0.01
    found = judge(theirs, ours)
    assert not found["logits"].passed
    assert found["logits"].max_abs == pytest.approx(0.01, rel=1e-3)
    assert found["logits"].agreement == 1 - 1 / (BATCH * ROWS)
    assert re.fullmatch(
        r"max abs 0\.01, 100% of the rows within \d\.\d times the tol.*", found["logits"].reason
    )
    assert found["deltas"].passed


def test_places_of_one_side_only_are_counted_and_not_compared():
    theirs, ours = outputs(), outputs()
    ours["priors"][0, 0] = 5000
    ours["logits"][0, 0] += 9
    found = judge(theirs, ours)
    assert found["priors"].agreement == 1 - 1 / (BATCH * ROWS)
    assert all(check.passed for check in found.values())
    ours["priors"][0, :5] = np.arange(5000, 5005)
    ours["logits"][0, :5] += 9
    found = judge(theirs, ours)
    assert not found["priors"].passed
    assert found["priors"].reason == "only 93.8% of the rows have a partner"
    assert found["priors"].tolerance == "98.0% of the rows have a partner"


def test_cells_that_are_alike_are_the_same_whichever_a_runtime_takes():
    theirs, ours = outputs(), outputs()
    ours["priors"][0, 30:] = np.arange(5000, 5000 + ROWS - 30)
    found = judge(theirs, ours)
    assert all(check.passed for check in found.values())
    assert found["priors"].agreement == 1


def test_pytorchs_own_places_are_the_measure_of_a_files():
    theirs, ours, moved = outputs(), outputs(), outputs()
    ours["priors"][0, :5] = np.arange(5000, 5005)
    ours["logits"][0, :5] += 9
    moved["priors"][1, :3] = np.arange(6000, 6003)
    moved["logits"][1, :3] += 9
    found = judge(theirs, ours, moved=moved)["priors"]
    assert found.passed
    assert found.torch_agreement == 1 - 3 / (BATCH * ROWS)
    assert found.tolerance == "92.5% of the rows have a partner"
    ours["priors"][0, :7] = np.arange(5000, 5007)
    ours["logits"][0, :7] += 9
    assert not judge(theirs, ours, moved=moved)["priors"].passed


@pytest.mark.parametrize(("own", "least"), [(1, 0.98), (0.995, 0.98), (0.97, 0.94), (0.42, 0.21)])
def test_a_file_must_agree_nearly_as_much_as_pytorch_with_itself(own, least):
    assert FP32.least(own) == pytest.approx(least)


def test_padding_rows_are_no_rows():
    theirs = outputs(live=30)
    ours = {name: value.copy() for name, value in theirs.items()}
    ours["logits"][:, 30:] += 100
    found = judge(theirs, ours)
    assert all(check.passed for check in found.values())
    assert found["priors"].agreement == 1
    ours["proposal_count"][1] = 31
    assert judge(theirs, ours)["proposal_count"].reason == "not the number of rows with a place"


def test_a_place_that_a_file_gives_twice_counts_once():
    theirs, ours = outputs(), outputs()
    ours["priors"][0, :6] = ours["priors"][0, 0]
    ours["logits"][0, :6] = ours["logits"][0, 0]
    assert not judge(theirs, ours)["priors"].passed


def test_without_a_common_place_nothing_passes():
    theirs, ours = outputs(), outputs()
    ours["priors"] = ours["priors"] + 5000
    ours["logits"] = ours["logits"] + 9
    found = judge(theirs, ours)
    assert {name for name, check in found.items() if check.passed} == {"proposal_count"}
    assert found["logits"].reason == "no row has a partner"


def queries(change, rows):
    """Raw outputs of queries, in which the first rows of an image have other contents."""
    found = outputs(("logits", "cxcywh", "priors"))
    found["logits"][:] = 5
    found["logits"][0, :rows] += change
    return found


def test_contents_of_queries_that_belong_to_ranks_may_differ_as_pytorchs_own_do():
    """The tolerance of a logit of 5 is 0.0015."""
    theirs = queries(0, 0)
    found = judge(theirs, queries(0.15, 8), query_head(), moved=queries(0.09, 5))["logits"]
    assert found.passed
    assert (found.max_abs, found.torch_max_abs) == pytest.approx((0.15, 0.09), rel=1e-3)
    assert (found.agreement, found.torch_agreement) == (1 - 8 / 80, 1 - 5 / 80)
    assert found.tolerance.endswith(", or 98% of the rows within 120.0 times that")
    found = judge(theirs, queries(0.2, 8), query_head(), moved=queries(0.09, 5))["logits"]
    assert not found.passed
    assert found.reason.endswith("98% of the rows within 133.3 times the tolerance")
    # two swaps may change 2 % of the rows by anything
    assert judge(theirs, queries(300, 1), query_head())["logits"].passed
    # a network that does not move has no excuse for more
    assert not judge(theirs, queries(0.15, 8), query_head())["logits"].passed


def test_proposals_have_no_contents_that_belong_to_ranks():
    theirs, ours, moved = outputs(), outputs(), outputs()
    ours["logits"][0, 0] += 0.01
    moved["logits"][1, 5:] += 0.004
    assert not judge(theirs, ours)["logits"].passed
    assert judge(theirs, ours, moved=moved)["logits"].passed is False
    moved["logits"][1, 5:] += 0.002
    assert judge(theirs, ours, moved=moved)["logits"].passed


def test_int8_is_judged_by_its_direction():
    theirs, ours = queries(0, 0), queries(0, 0)
    ours["logits"] = ours["logits"] * np.sign(np.random.default_rng(1).normal(0, 1, ours["logits"].shape))
    found = judge(theirs, ours, query_head(), tolerance=TOLERANCES["int8"])["logits"]
    assert not found.passed
    assert found.reason.startswith("cosine")


def test_fractions_of_an_image_have_a_tolerance_of_their_own():
    theirs, ours = outputs(("logits", "cxcywh", "priors")), outputs(("logits", "cxcywh", "priors"))
    theirs["cxcywh"][:] = ours["cxcywh"][:] = 0.5
    ours["cxcywh"][0, :4] += 3e-4
    assert not judge(theirs, ours, query_head())["cxcywh"].passed
    ours["cxcywh"][:] = 0.5 + 1e-4
    assert judge(theirs, ours, query_head())["cxcywh"].passed


def test_nan_is_no_row_without_a_partner():
    theirs, ours = outputs(), outputs()
    ours["logits"][1, 7] = np.nan
    found = judge(theirs, ours)["logits"]
    assert (found.passed, found.reason) == (False, "NaN on image id 1")


def test_rows_of_dense_heads_have_their_place():
    theirs = {"cls_0": np.random.default_rng(0).normal(0, 1, (BATCH, 6, 4, 4)).astype(np.float32)}
    side = comparison(atss_head())
    side.add(theirs, {"cls_0": theirs["cls_0"] + np.float32(0.01)}, PICTURES)
    (check,) = side.checks(["cls_0"], None)
    assert (check.passed, check.reason, check.agreement) == (False, "max abs 0.01, cosine 0.99995", None)
