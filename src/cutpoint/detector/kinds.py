"""What torch does for each kind of head: one row a kind."""

from dataclasses import dataclass
from typing import Any

from cutpoint.detector.cuts import Cuts
from cutpoint.detector.dense import DenseCuts, DenseHalves
from cutpoint.detector.halves import Halves
from cutpoint.detector.mmdet_types import Detector
from cutpoint.detector.queries import QueryCuts, QueryHalves
from cutpoint.detector.rois import RoiHalves, RpnCuts
from cutpoint.detector.sparse import SparseCuts, SparseHalves
from cutpoint.errors import UserError
from cutpoint.records.head import DenseHead, HeadSpec, QueryHead, RoiHead
from cutpoint.records.model import ModelSpec


@dataclass(frozen=True)
class Kind:
    """``cuts``: the graph with all cuts. ``halves``: mmdet's own ``predict``."""

    cuts: type[Cuts[Any]]
    halves: type[Halves]


KINDS: dict[type[HeadSpec], Kind] = {
    DenseHead: Kind(DenseCuts, DenseHalves),
    RoiHead: Kind(RpnCuts, RoiHalves),
    QueryHead: Kind(QueryCuts, QueryHalves),
}
LEARNED_PROPOSALS = Kind(SparseCuts, SparseHalves)  # RoI heads whose proposals are not selected


def open_cuts(detector: Detector, spec: ModelSpec, what: str) -> Cuts[Any]:
    """The cuts of a model.

    Args:
        detector: built by ``build_detector``.
        spec: the model.
        what: names the caller in the message.

    Raises:
        UserError: torch does not serve this kind of head.
    """
    cuts: Cuts[Any] = find_kind(spec, what).cuts(detector, spec.head)
    return cuts.to(next(detector.parameters()).device).eval()


def open_halves(detector: Detector, spec: ModelSpec) -> Halves:
    """mmdet's own ``predict`` of a model; see ``open_cuts``."""
    return find_kind(spec, "mmdet's own pipeline").halves(detector, spec.head)


def find_kind(spec: ModelSpec, what: str) -> Kind:
    """The row of a model's head; see ``open_cuts``."""
    if type(spec.head) not in KINDS:
        raise UserError(
            f"model {spec.model}: {what} does not work for {spec.head.head}, a head of the kind "
            f"{spec.head.kind!r}; leave it out for this model"
        )
    if isinstance(spec.head, RoiHead) and not spec.head.selected:
        return LEARNED_PROPOSALS
    return KINDS[type(spec.head)]
