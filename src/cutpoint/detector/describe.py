"""Read a model's config and checkpoint into ``spec.json``."""

from collections.abc import Callable

from mmdet.models.detectors import DetectionTransformer, SparseRCNN, TwoStageDetector
from mmengine.config import Config

from cutpoint.detector.build import build_detector, load_config
from cutpoint.detector.classes import find_class_names, trained_order
from cutpoint.detector.describe_input import describe_input
from cutpoint.detector.describe_queries import describe_queries
from cutpoint.detector.describe_rois import describe_rois
from cutpoint.detector.heads import describe_head
from cutpoint.detector.mmdet_types import Detector
from cutpoint.detector.sparse import describe_sparse
from cutpoint.detector.support import find_refusal
from cutpoint.errors import UserError, located
from cutpoint.records.head import HeadSpec
from cutpoint.records.model import ModelSpec, write_spec

SERVED = "README.md and docs/heads.md say which detectors are served"


def describe_model(
    *,
    model: str,
    config: str,
    checkpoint: str | None,
    candidate_floor: float | None,
    class_names: str | None = None,
    out: str,
) -> None:
    """Write ``spec.json``: classes, head specification and input recipe of a model.

    Args:
        model: its name in the config.
        config: mmdet config, a path or ``mmdet::...``.
        checkpoint: weights; null for random weights.
        candidate_floor: see ``describe_head``.
        class_names: whose class names are used, see ``find_class_names``.
        out: JSON file to write; besides the ``ModelSpec`` it holds ``trained_order`` where the training
            annotations are here and list the categories in another order, see ``classes.trained_order``.

    Raises:
        UserError: names what Cutpoint cannot reproduce in this model.
    """
    mmdet_config = load_config(config)
    refuse_unsupported(model, mmdet_config)
    with located(f"model {model}, {config}"):
        made = describe_input(mmdet_config)
    detector = build_detector(mmdet_config, checkpoint)
    if not hasattr(detector, "bbox_head") and not isinstance(detector, TwoStageDetector):
        raise UserError(f"model {model}: {type(detector).__name__} has no bbox_head; {SERVED}")
    with located(f"model {model}"):
        head = read_head(detector, candidate_floor)
    classes = find_class_names(model, mmdet_config, checkpoint, head.num_classes, class_names)
    spec = ModelSpec(model, tuple(classes), head, made)
    order = trained_order(mmdet_config, classes)
    write_spec(out, spec, order)


def read_head(detector: Detector, candidate_floor: float | None) -> HeadSpec:
    """Describe the head of a built detector, of any kind; see ``READERS``.

    Raises:
        UserError: Cutpoint cannot read this head, or cannot reproduce one of its settings.
    """
    for base, reader in READERS.items():
        if isinstance(detector, base):
            return reader(detector, candidate_floor)
    return describe_head(detector.bbox_head, candidate_floor)


READERS: dict[type, Callable[[Detector, float | None], HeadSpec]] = {
    DetectionTransformer: describe_queries,
    SparseRCNN: describe_sparse,
    TwoStageDetector: describe_rois,
}
"""Detector and ``candidate_floor`` in, specification out; by the class that the detector inherits from.
Detectors with one dense head have no row."""


def refuse_unsupported(model: str, config: Config) -> None:
    """Refuse a detector with a part that Cutpoint does not serve, before it is built.

    Raises:
        UserError: names the part and the reason.
    """
    reason = find_refusal(config)
    if reason:
        raise UserError(f"model {model}: {reason}; {SERVED}")
