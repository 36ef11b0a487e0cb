"""The tables of ``support``: what is served and what is refused, by the names of mmdet's classes.

A reason ends the sentence "head X is not supported: ...". Checked with mmdet 3.3.0: a test goes through its
registry and its configs.
"""

# ---- detectors

DENSE_DETECTORS = frozenset(
    {
        "ATSS",
        "AutoAssign",
        "CenterNet",
        "DDOD",
        "FCOS",
        "FOVEA",
        "FSAF",
        "GFL",
        "KnowledgeDistillationSingleStageDetector",
        "LAD",
        "NASFCOS",
        "PAA",
        "RTMDet",
        "RepPointsDetector",
        "RetinaNet",
        "SingleStageDetector",
        "TOOD",
        "VFNet",
        "YOLOF",
        "YOLOV3",
        "YOLOX",
    }
)
ROI_DETECTORS = frozenset(
    {
        "CascadeRCNN",
        "FasterRCNN",
        "HybridTaskCascade",
        "MaskRCNN",
        "PointRend",
        "QueryInst",
        "SCNet",
        "SparseRCNN",
        "TridentFasterRCNN",
        "TwoStageDetector",
    }
)
QUERY_DETECTORS = frozenset({"ConditionalDETR", "DABDETR", "DETR", "DINO", "DeformableDETR"})
DETECTORS = DENSE_DETECTORS | ROI_DETECTORS | QUERY_DETECTORS

_GRID = "a second head moves its boxes behind their NMS"
_MASK_SCORES = "its masks change the scores of its boxes, and Cutpoint does not make masks"
_MASKS = "it gives masks, and its boxes are made of them"
_TEXT = "it takes a text beside the image"
_TRACKER = "it is a tracker; take the config of its detector"
_SEMI = "it holds a student and a teacher; take the config of the detector that it trains"
_KERNELS = "its predict keeps the parameters of a mask head beside each box, and Cutpoint has no such step"
_CORNERS = "its boxes are pairs of corners that predict matches, and Cutpoint has no such step"
_BASE = "it is a base class"
REFUSED_DETECTORS = {
    "BoxInst": _KERNELS,
    "CondInst": _KERNELS,
    "CornerNet": _CORNERS,
    "CrowdDet": "its proposals have two boxes each",
    "DDQDETR": "it runs NMS between its encoder and its decoder",
    "Detectron2Wrapper": "it is a model of Detectron2, not of mmdet",
    "FastRCNN": "its proposals are an input, and no part of it makes them",
    "GLIP": _TEXT,
    "GroundingDINO": _TEXT,
    "Mask2Former": _MASKS,
    "MaskFormer": _MASKS,
    "PanopticFPN": "it gives a panoptic segmentation",
    "RPN": "it gives proposals without classes",
    "SOLO": _MASKS,
    "SOLOv2": _MASKS,
    "SemiBaseDetector": _SEMI,
    "SoftTeacher": _SEMI,
    "SingleStageInstanceSegmentor": _MASKS,
    "YOLACT": "it runs Fast NMS, and Cutpoint has no such step",
    "GridRCNN": _GRID,
    "MaskScoringRCNN": _MASK_SCORES,
    "TwoStagePanopticSegmentor": "it gives a panoptic segmentation",
    "BaseMOTModel": _TRACKER,
    "DetectionTransformer": _BASE,
    "BaseReID": "it compares image crops and detects nothing",
    "ByteTrack": _TRACKER,
    "DeepSORT": _TRACKER,
    "Mask2FormerVideo": _TRACKER,
    "MaskTrackRCNN": _TRACKER,
    "OCSORT": _TRACKER,
    "QDTrack": _TRACKER,
    "StrongSORT": _TRACKER,
}

# ---- heads of one stage; the dense heads that are served are the rows of ``heads.HEADS``

QUERY_HEADS = frozenset({"ConditionalDETRHead", "DABDETRHead", "DETRHead", "DINOHead", "DeformableDETRHead"})
_RPN = "it gives proposals without classes; it belongs into a two-stage detector"
REFUSED_HEADS = {
    "ATSSVLFusionHead": _TEXT,
    "AnchorFreeHead": _BASE,
    "AnchorHead": _BASE,
    "BoxInstBboxHead": _KERNELS,
    "BoxInstMaskHead": _MASKS,
    "CascadeRPNHead": _RPN,
    "CentripetalHead": _CORNERS,
    "CondInstBboxHead": _KERNELS,
    "CondInstMaskHead": _MASKS,
    "CornerHead": _CORNERS,
    "DDQDETRHead": "its detector runs NMS between encoder and decoder",
    "DecoupledSOLOHead": _MASKS,
    "DecoupledSOLOLightHead": _MASKS,
    "EmbeddingRPNHead": _RPN,
    "GARPNHead": _RPN,
    "GroundingDINOHead": _TEXT,
    "GuidedAnchorHead": _BASE,
    "Mask2FormerHead": _MASKS,
    "MaskFormerHead": _MASKS,
    "RPNHead": _RPN,
    "SOLOHead": _MASKS,
    "SOLOV2Head": _MASKS,
    "StageCascadeRPNHead": _RPN,
    "YOLACTHead": "its predict runs Fast NMS, and Cutpoint has no such step",
    "YOLACTProtonet": _MASKS,
}

_LEGACY = "it counts a pixel more in each box than mmdet does since version 2"
REFUSED_DENSE_CODERS = {"LegacyDeltaXYWHBBoxCoder": _LEGACY}
DENSE_CODERS = frozenset(
    {
        "BucketingBBoxCoder",
        "DeltaXYWHBBoxCoder",
        "DistancePointBBoxCoder",
        "TBLRBBoxCoder",
        "YOLOBBoxCoder",
    }
)

# ---- RoI detectors

RPN_HEADS = frozenset({"EmbeddingRPNHead", "RPNHead"})
_NOT_ANCHORS = "Cutpoint reads proposals of RPNHead and of EmbeddingRPNHead"
REFUSED_RPN_HEADS = {
    "CascadeRPNHead": f"it makes its proposals in two stages, and {_NOT_ANCHORS}",
    "FCOSHead": f"it has no anchors, and {_NOT_ANCHORS}",
    "GARPNHead": f"its anchors are a part of what it predicts, and {_NOT_ANCHORS}",
}
ROI_HEADS = frozenset(
    {
        "CascadeRoIHead",
        "DoubleHeadRoIHead",
        "DynamicRoIHead",
        "HybridTaskCascadeRoIHead",
        "PISARoIHead",
        "PointRendRoIHead",
        "SCNetRoIHead",
        "SparseRoIHead",
        "StandardRoIHead",
        "TridentRoIHead",
    }
)
REFUSED_ROI_HEADS = {
    "GridRoIHead": _GRID,
    "MaskScoringRoIHead": _MASK_SCORES,
    "MultiInstanceRoIHead": "its proposals have two boxes each",
}
BOX_HEADS = frozenset(
    {
        "BBoxHead",
        "ConvFCBBoxHead",
        "DIIHead",
        "DoubleConvFCBBoxHead",
        "SCNetBBoxHead",
        "Shared2FCBBoxHead",
        "Shared4Conv1FCBBoxHead",
    }
)
REFUSED_BOX_HEADS = {
    "MultiInstanceBBoxHead": "its proposals have two boxes each",
    "SABLHead": "it reads boxes from buckets of each proposal's sides, and Cutpoint reads deltas there",
}
SHARED_HEADS = frozenset({"ResLayer"})
REFUSED_SHARED_HEADS: dict[str, str] = {}
EXTRACTORS = frozenset({"GenericRoIExtractor", "SingleRoIExtractor"})
REFUSED_EXTRACTORS: dict[str, str] = {}
ROI_LAYERS = frozenset({"RoIAlign"})
_NO_OPERATOR = "the ONNX standard has no operator for it"
REFUSED_ROI_LAYERS = {
    "DeformRoIPoolPack": _NO_OPERATOR,
    "ModulatedDeformRoIPoolPack": _NO_OPERATOR,
    "PrRoIPool": _NO_OPERATOR,
    "RoIPool": "it takes a maximum, and Cutpoint writes RoIAlign",
}
BOX_CODERS = frozenset({"DeltaXYWHBBoxCoder"})
REFUSED_BOX_CODERS = {
    "BucketingBBoxCoder": REFUSED_BOX_HEADS["SABLHead"],
    "LegacyDeltaXYWHBBoxCoder": _LEGACY,
    "TBLRBBoxCoder": "it does not refine a proposal",
}

# ---- backbones and necks

BACKBONES = frozenset(
    {
        "CSPDarknet",
        "CSPNeXt",
        "Darknet",
        "DetectoRS_ResNeXt",
        "DetectoRS_ResNet",
        "EfficientNet",
        "HRNet",
        "HourglassNet",
        "MobileNetV2",
        "PyramidVisionTransformer",
        "PyramidVisionTransformerV2",
        "RegNet",
        "Res2Net",
        "ResNeSt",
        "ResNeXt",
        "ResNet",
        "ResNetV1d",
        "SSDVGG",
        "SwinTransformer",
        "TridentResNet",
    }
)
REFUSED_BACKBONES: dict[str, str] = {}
PLUGINS = frozenset({"ContextBlock", "GeneralizedAttention"})
REFUSED_PLUGINS: dict[str, str] = {}
NECKS = frozenset(
    {
        "BFP",
        "CSPNeXtPAFPN",
        "CTResNetNeck",
        "ChannelMapper",
        "DilatedEncoder",
        "DyHead",
        "FPG",
        "FPN",
        "FPN_CARAFE",
        "FPN_DropBlock",
        "HRFPN",
        "NASFCOS_FPN",
        "NASFPN",
        "PAFPN",
        "RFP",
        "SSDNeck",
        "SSH",
        "YOLOV3Neck",
        "YOLOXPAFPN",
    }
)
REFUSED_NECKS: dict[str, str] = {}

# ---- NMS, by ``type`` of ``test_cfg``

NMS = frozenset({"nms"})
REFUSED_NMS = {"soft_nms": "Soft-NMS lowers scores box by box, and Cutpoint has no such step"}
