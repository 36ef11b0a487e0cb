"""The models of the bench: how each is built, and how far its files may be from mmdet.

Another kind of model is a function that builds and rows of ``CASES``.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from body_models import BODIES, build_body_model
from query_models import QUERY_ZOO, build_query_model, check_images_apart, check_query_spread
from roi_models import ROI_ZOO, build_roi_model
from sparse_models import build_sparse_model
from zoo_models import ZOO, build_zoo_model, check_spread


@dataclass(frozen=True)
class Limits:
    """What an ONNX file may differ by from mmdet. numpy on torch's tensors has no choice: see ``test_heads``.

    ``matched``: the least share of both sides' detections with a partner.
    ``score``: the largest difference of a pair's scores; ``corner`` of its corners in original-image pixels.
    ``logit``: the largest difference of the outputs ``logits`` from torch's, in rows of the same prior.
    ``traced``: whether each detection without a partner must be traced to a tie. If not, torch moves itself
    under a tiny change of the input: its own share of matched detections is measured and stands beside.
    """

    matched: float
    score: float
    corner: float | None = None
    logit: float | None = None
    traced: bool = True


DENSE = Limits(matched=0.99, score=1e-4)
# For networks in which every value follows from averages over the whole padded image. ONNX Runtime 1.31
# rounds a float32 sum more than torch: the mean of 10,816 values around 10 is 8e-6 off, torch's 1.6e-6.
# ResNeSt's logits are 2e-3 from those of torch in float64, and 5e-5 with float64 sums in the file (torch's
# own: 7e-5). Group norm: 1e-3; torch itself moves by 7e-4 there when its tensors are channels-last.
SUMS = replace(DENSE, score=1e-3)
ROIS = Limits(matched=0.99, score=1e-3, corner=0.01)
QUERIES = Limits(matched=0.995, score=1e-3, logit=1e-3)
RANKED_QUERIES = Limits(matched=0.98, score=1e-3, traced=False)  # DINO: contents belong to ranks


@dataclass(frozen=True)
class Case:
    """One model.

    ``build``: from the name, whether it is narrow, files of ``noise_images`` and a folder to the paths of a
    config and a checkpoint. The weights are spread, so that each step of the recipe has work.
    ``check``: raises if the weights are not as wanted; takes the ``Bench``. Runs with ``make heads`` only.
    ``idle``: steps of the recipe that may change nothing on the images.
    ``seconds``: what the bench takes for it on an idle machine, roughly; balances the two processes.
    """

    build: Callable[[str, bool, Sequence[str], Path], tuple[str, str]]
    limits: Limits
    check: Callable[[Any], None] = lambda bench: None
    idle: Collection[str] = field(default_factory=frozenset)
    seconds: float = 25


# What may change nothing: boxes without area are rare; and where the one top-k over all ranks as the cap does
# (YOLOF), only one of them can.
DENSE_IDLE = {"min_size"}
DENSE_IDLE_OF = {"yolof": {"top_k"}}


def _check_dense(bench: Any) -> None:
    for image in bench.images(1):
        check_spread(bench.model.detector, [image.tensor], len(image.candidates), bench.recipe)


def _check_dense_together(bench: Any) -> None:
    images = bench.images(1)
    read = sum(len(image.candidates) for image in images)
    check_spread(bench.model.detector, [image.tensor for image in images], read, bench.recipe)


def _check_peaks(bench: Any) -> None:
    """CenterNet has no threshold: its recipe has something to rank, and most of it is not kept."""
    for image in bench.images(1):
        heat = image.outputs["cls_0"]
        peaks = image.outputs["scores"] > 0
        assert bench.head.floor.pairs < peaks.sum() < 0.2 * heat.size
        assert heat.max() - heat.min() > 0.3


CASES: dict[str, Case] = {
    name: Case(
        build_zoo_model,
        DENSE,
        _check_peaks if ZOO[name].outputs == "centernet" else _check_dense,
        DENSE_IDLE | DENSE_IDLE_OF.get(name, set()),
    )
    for name in ZOO
}
CASES |= {name: Case(build_roi_model, ROIS, seconds=60) for name in ROI_ZOO}
CASES |= {name: Case(build_query_model, QUERIES, check_query_spread, seconds=60) for name in QUERY_ZOO}
# The best pairs of the best queries: the floor leaves no more than the recipe keeps.
CASES["detr"] = replace(CASES["detr"], idle={"max_per_img"})
# The random refinement of DAB moves boxes to the border and scores to 1. Weights that avoid this amplify
# rounding so much that torch itself moves.
CASES["dab_detr"] = replace(CASES["dab_detr"], check=check_images_apart)
CASES["dino"] = replace(CASES["dino"], limits=RANKED_QUERIES)
# Measured, where the kind's own figure is far off.
SECONDS = {"detr": 15, "faster_rcnn": 20, "deformable_detr": 50, "dino": 70, "tood": 45}
CASES |= {name: replace(CASES[name], seconds=seconds) for name, seconds in SECONDS.items()}
HEADS = list(CASES)
# Backbones and necks have a run of their own, so that neither takes more than half an hour.
CASES |= {name: Case(build_body_model, DENSE, _check_dense, DENSE_IDLE) for name in BODIES}
# Their averages over padded images lose digits in ONNX Runtime: see ``SUMS``.
AVERAGING = ("resnest", "weight_standardised", "switchable_atrous")
CASES |= {name: replace(CASES[name], limits=SUMS) for name in AVERAGING}
# Its context is the whole image, so one image has many candidates and another few.
CASES["switchable_atrous"] = replace(CASES["switchable_atrous"], check=_check_dense_together)
CASES["sparse_rcnn"] = Case(build_sparse_model, ROIS, seconds=60)
# The heads that `make test` runs: what tests/reference and the demo, an ATSS, do not have.
FAMILY = ["gfl", "ssd300", "faster_rcnn"]


def halves(names: Sequence[str]) -> tuple[list[str], list[str]]:
    """The names in two lists of about the same time: the longest first, each to the shorter list."""
    lists: tuple[list[str], list[str]] = ([], [])
    totals = [0.0, 0.0]
    for name in sorted(names, key=lambda name: -CASES[name].seconds):
        shorter = totals.index(min(totals))
        lists[shorter].append(name)
        totals[shorter] += CASES[name].seconds
    return lists
