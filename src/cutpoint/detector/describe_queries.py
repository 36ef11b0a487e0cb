"""From a built detection transformer to a query head. Source: mmdet/models/, mmdet 3.3.0."""

from cutpoint.detector.floors import pairs_floor
from cutpoint.detector.imports import head_name
from cutpoint.detector.mmdet_types import Detector
from cutpoint.detector.support_tables import QUERY_HEADS
from cutpoint.records.head import QueryHead
from cutpoint.records.recipe import Step


def describe_queries(detector: Detector, candidate_floor: float | None) -> QueryHead:
    """Describe a built detection transformer.

    Args:
        detector: with its ``bbox_head``.
        candidate_floor: how many pairs of an image are kept; null means the head's own ``max_per_img``.

    Raises:
        UserError: Cutpoint cannot reproduce this head, or ``candidate_floor`` is too small.
    """
    head = detector.bbox_head
    name = head_name(type(head), QUERY_HEADS)
    sigmoid = bool(head.loss_cls.use_sigmoid)
    queries = detector.num_queries * max(1, getattr(detector, "num_patterns", 0))
    k = int(head.test_cfg.get("max_per_img", queries))
    selected = bool(getattr(detector, "as_two_stage", False))
    return QueryHead(
        head=name,
        num_classes=int(head.num_classes),
        raw_names=("logits", "cxcywh", *(["priors"] if selected else [])),
        floor=pairs_floor(k, candidate_floor),
        recipe=tuple(_recipe(k, sigmoid)),
        queries=queries,
        selected=selected,
        score_activation="sigmoid" if sigmoid else "softmax",
    )


def _recipe(k: int, sigmoid: bool) -> list[Step]:
    """``DETRHead._predict_by_feat_single``, mmdet/models/dense_heads/detr_head.py; DINO's is the same."""
    rank: list[Step] = [{"step": "max_per_img", "k": k}]
    if not sigmoid:
        rank.insert(0, {"step": "best_class"})
    return [*rank, {"step": "clip"}, {"step": "rescale", "operation": "divide"}]
