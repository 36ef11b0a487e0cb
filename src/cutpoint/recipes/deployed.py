"""The recipes of the graphs that mmdet 2 and mmdeploy export, made from a head's own parameters."""

from cutpoint.errors import UserError
from cutpoint.recipes.schema import read_steps
from cutpoint.recipes.steps.boxes import Clip, Rescale
from cutpoint.recipes.steps.overlaps import Nms
from cutpoint.recipes.steps.ranks import MaxPerImg, TopK
from cutpoint.recipes.steps.scores import BestBox, MultiplyFactor, Threshold
from cutpoint.recipes.steps.step import Kind, Step
from cutpoint.records.head import HeadSpec, QueryHead, RoiHead

MAX_PER_CLASS, PRE_TOP_K, KEEP_TOP_K = 200, 5000, 100


def own_steps(spec: HeadSpec) -> list[Step]:
    """The steps of the head's own recipe."""
    return list(read_steps(spec.recipe))


def mmdet2_onnx(spec: HeadSpec) -> list[Step]:
    """``BaseDenseHead.onnx_export`` and ``add_dummy_nms_for_onnx`` of mmdet 2.24.1, ``deploy_nms_pre`` off.

    Top-k of the locations of each level by the best class x factor, without a threshold before it; no root,
    not even for PAA; boxes clipped to the tensor; threshold inside an NMS per class in network pixels, at
    most 200 boxes per class; then the boxes are scaled back. Heads that mmdet 2 could not export, or exported
    in another way, get the same algorithm (YOLOX, RTMDet; YOLOv3 keeps its own thresholds and top-k here).

    ``BBoxHead.onnx_export``: with a box a class, the classes are shifted apart for one NMS; otherwise an NMS
    per class. ``DETRHead.onnx_export``: as mmdet 3, clipped to the tensor.
    """
    if isinstance(spec, QueryHead):
        return _queries(spec)
    if isinstance(spec, RoiHead):
        most = _all(_with_nms(spec, "mmdet2-onnx"), MaxPerImg)[0].k
        return _rois(spec, [Nms(_iou(spec))] if spec.class_boxes else [Nms(_iou(spec), "per_class", most)])
    return _deployed(spec, "mmdet2-onnx", root=False)


def mmdeploy(spec: HeadSpec) -> list[Step]:
    """``base_dense_head__predict_by_feat`` and ``multiclass_nms`` of mmdeploy 1.x for ONNX Runtime.

    As ``mmdet2-onnx``, but with PAA's root, and with the 5000 best locations of all levels before NMS
    (``pre_top_k``). ``yolox_head__predict_by_feat``: several classes per location, and 100 boxes although
    mmdet has no limit (``keep_top_k``). ``rtmdet_head__predict_by_feat``: no top-k per level and no clip.
    ``bbox_head__predict_by_feat``: an NMS per class on the box of each proposal's best class.
    ``detrhead__predict_by_feat__default``: as mmdet 3, clipped to the tensor.
    """
    if isinstance(spec, QueryHead):
        return _queries(spec)
    if isinstance(spec, RoiHead):
        _with_nms(spec, "mmdeploy")
        best = [BestBox()] if spec.class_boxes else []
        return [*best, *_rois(spec, [Nms(_iou(spec), "per_class", MAX_PER_CLASS)])]
    bare = spec.head.startswith("RTMDet")
    steps = _deployed(spec, "mmdeploy", root=spec.takes_root, top_k=not bare, clip=not bare)
    nms = next(i for i, step in enumerate(steps) if isinstance(step, Nms))
    steps.insert(nms, TopK(PRE_TOP_K, unit="location", per="image"))
    if not any(isinstance(step, MaxPerImg) for step in steps):
        steps.insert(nms + 2, MaxPerImg(KEEP_TOP_K))
    return steps


def _deployed(spec: HeadSpec, name: str, *, root: bool, top_k: bool = True, clip: bool = True) -> list[Step]:
    own = _with_nms(spec, name)
    thresholds, top_ks, clips = _all(own, Threshold), _all(own, TopK), _all(own, Clip)
    multiply = [MultiplyFactor(root)] if spec.multiplies_factor else []
    threshold = Threshold("product", thresholds[-1].value)
    steps: list[Step]
    if thresholds[0].quantity == "factor":  # YOLOv3
        steps = [*thresholds, *top_ks, *multiply]
    elif top_k and top_ks and top_ks[0].k > 0:
        steps = [*multiply, TopK(top_ks[0].k, unit="location"), threshold]
    else:
        steps = [*multiply, threshold]
    if clip and clips:
        steps.append(Clip("tensor", clips[0].border))
    (nms,) = _all(own, Nms)
    steps.append(Nms(nms.iou_threshold, "per_class", MAX_PER_CLASS))
    return [*steps, *_all(own, MaxPerImg), Rescale("divide")]


def _rois(spec: RoiHead, nms: list[Step]) -> list[Step]:
    own = own_steps(spec)
    clip = [Clip("tensor") for _ in _all(own, Clip)]
    return [*_all(own, Threshold), *clip, *nms, *_all(own, MaxPerImg), Rescale("divide")]


def _queries(spec: QueryHead) -> list[Step]:
    own = [step for step in own_steps(spec) if not isinstance(step, Rescale)]
    return [*(Clip("tensor") if isinstance(step, Clip) else step for step in own), Rescale("divide")]


def _iou(spec: HeadSpec) -> float:
    return _all(own_steps(spec), Nms)[0].iou_threshold


def _with_nms(spec: HeadSpec, name: str) -> list[Step]:
    """The head's own steps; neither exporter knows a head whose recipe has no NMS, other than queries."""
    own = own_steps(spec)
    if not _all(own, Nms):
        raise UserError(
            f"recipe {name!r}: there is none for {spec.head}, whose own recipe has no NMS; use mmdet3"
        )
    return own


def _all(steps: list[Step], kind: type[Kind]) -> list[Kind]:
    return [step for step in steps if isinstance(step, kind)]
