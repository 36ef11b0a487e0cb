"""From the box coder of mmdet's head to ``DenseHead.coder``: one function per kind of coder.

Sources: mmdet/models/task_modules/coders/ and the heads' decoding, mmdet/models/dense_heads/, mmdet 3.3.0.
"""

import math
from typing import Any

from cutpoint.detector.mmdet_types import Head
from cutpoint.errors import UserError


def delta(head: Head) -> dict[str, Any]:
    return _delta(_expect(head, "DeltaXYWHBBoxCoder"))


def guided(head: Head) -> dict[str, Any]:
    """``GuidedAnchorHead._get_guided_anchors_single`` clips at another ratio."""
    anchor = _delta(_expect(head, "DeltaXYWHBBoxCoder", "anchor_coder"), wh_ratio_clip=1e-6)
    return {**delta(head), "type": "guided", "anchor": anchor}


def _delta(coder: Any, wh_ratio_clip: float = 16 / 1000) -> dict[str, Any]:
    """``wh_ratio_clip``: by default that of ``DeltaXYWHBBoxCoder.decode``."""
    return {
        "type": "delta_xywh",
        "means": [float(v) for v in coder.means],
        "stds": [float(v) for v in coder.stds],
        "max_ratio": abs(math.log(wh_ratio_clip)),
        "centre_clamp": float(coder.ctr_clamp) if coder.add_ctr_clamp else None,
    }


def distance(head: Head) -> dict[str, Any]:
    _expect(head, "DistancePointBBoxCoder")
    units = [1.0] * len(head.prior_generator.strides)
    return {"type": "distance", "bins": None, "exp": False, "unit": units}


def integral(head: Head) -> dict[str, Any]:
    units = [float(stride[0]) for stride in head.prior_generator.strides]
    return {**distance(head), "bins": head.reg_max + 1, "unit": units}


def fovea(head: Head) -> dict[str, Any]:
    return {
        "type": "distance",
        "bins": None,
        "exp": True,
        "unit": [float(length) for length in head.base_edge_list],
    }


def tblr(head: Head) -> dict[str, Any]:
    normalizer = _expect(head, "TBLRBBoxCoder").normalizer
    values = (
        [float(normalizer)] * 4 if isinstance(normalizer, int | float) else [float(v) for v in normalizer]
    )
    return {"type": "tblr", "normalizer": values}


def buckets(head: Head) -> dict[str, Any]:
    coder = _expect(head, "BucketingBBoxCoder")
    return {"type": "buckets", "buckets": int(coder.num_buckets), "scale": float(coder.scale_factor)}


def corners(head: Head) -> dict[str, Any]:
    return {"type": "corners", "from_point": False}


def points(head: Head) -> dict[str, Any]:
    return {"type": "corners", "from_point": True}


def peaks(head: Head) -> dict[str, Any]:
    return {"type": "peaks", "kernel": int(head.test_cfg.get("local_maximum_kernel", 3))}


def centre_size(head: Head) -> dict[str, Any]:
    return {"type": "centre_size"}


def yolov3(head: Head) -> dict[str, Any]:
    _expect(head, "YOLOBBoxCoder")
    return {"type": "yolov3"}


def _expect(head: Head, coder: str, name: str = "bbox_coder") -> Any:
    found = getattr(head, name)
    if type(found).__name__ != coder:
        raise UserError(f"{type(head).__name__} with {type(found).__name__}: only {coder} is supported there")
    return found
