"""Which parts of mmdet's detectors Cutpoint serves: read from the config, before anything is built.

A detector is served if each of its parts is. The parts are the slots of ``SLOTS``; each has one table of the
mmdet classes that are served there and one of those that are refused, with the reason. Where a class is in
neither, it is refused as unknown. Classes of the user count as the mmdet class that they extend.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from mmdet.registry import MODELS
from mmengine.config import Config

from cutpoint.detector import support_tables as tables
from cutpoint.detector.heads import HEADS
from cutpoint.detector.typenames import OPENMMLAB, find_type, type_name


@dataclass(frozen=True)
class Slot:
    """A place of the config's ``model`` where a ``type`` stands.

    ``what``: its name in a message.
    ``path``: dotted keys below ``model``; lists on the way are walked through. Empty for ``model`` itself.
    ``served``: mmdet's classes that work there.
    ``refused``: mmdet's classes that do not, and why, as the end of a sentence.
    ``own``: whether a class that extends no class of OpenMMLab is let through. It is where the graph alone
    decides: the trace shows whether it can be exported.
    """

    what: str
    path: str
    served: frozenset[str]
    refused: Mapping[str, str]
    own: bool = False


SLOTS = (
    Slot("detector", "", frozenset(tables.DETECTORS), tables.REFUSED_DETECTORS),
    Slot("head", "bbox_head", frozenset(HEADS) | tables.QUERY_HEADS, tables.REFUSED_HEADS),
    Slot("box coder", "bbox_head.bbox_coder", tables.DENSE_CODERS, tables.REFUSED_DENSE_CODERS),
    Slot("RPN", "rpn_head", tables.RPN_HEADS, tables.REFUSED_RPN_HEADS),
    Slot("RoI head", "roi_head", tables.ROI_HEADS, tables.REFUSED_ROI_HEADS),
    Slot("box head", "roi_head.bbox_head", tables.BOX_HEADS, tables.REFUSED_BOX_HEADS),
    Slot("shared head", "roi_head.shared_head", tables.SHARED_HEADS, tables.REFUSED_SHARED_HEADS),
    Slot("RoI extractor", "roi_head.bbox_roi_extractor", tables.EXTRACTORS, tables.REFUSED_EXTRACTORS),
    Slot(
        "RoI layer",
        "roi_head.bbox_roi_extractor.roi_layer",
        tables.ROI_LAYERS,
        tables.REFUSED_ROI_LAYERS,
    ),
    *(
        Slot("box coder", f"{path}.bbox_coder", tables.BOX_CODERS, tables.REFUSED_BOX_CODERS)
        for path in ("rpn_head", "roi_head.bbox_head")
    ),
    Slot("backbone", "backbone", tables.BACKBONES, tables.REFUSED_BACKBONES, own=True),
    Slot("plugin", "backbone.plugins.cfg", tables.PLUGINS, tables.REFUSED_PLUGINS, own=True),
    Slot("neck", "neck", tables.NECKS, tables.REFUSED_NECKS, own=True),
    *(
        Slot("NMS", f"test_cfg.{path}", tables.NMS, tables.REFUSED_NMS)
        for path in ("nms", "rpn.nms", "rcnn.nms")
    ),
)


def find_refusal(config: Config) -> str | None:
    """Why Cutpoint does not serve the detector of a config; null if nothing in the tables stands against it.

    Args:
        config: an mmdet config with ``model``.

    Returns:
        the first part that is refused, with its name and the reason; null also where mmdet does not know a
        ``type``: building the detector then says so.
    """
    for slot in SLOTS:
        for settings in _walk(config.model, slot.path.split(".") if slot.path else []):
            reason = _judge(slot, settings.get("type"))
            if reason:
                return reason
    return None


def _judge(slot: Slot, kind: Any) -> str | None:
    """Why a class is refused in a slot."""
    if kind is None:
        return None
    name: str | None = type_name(kind)
    if name not in slot.served and name not in slot.refused:
        found = find_type(kind, MODELS)
        if found is None:
            return None
        name = _openmmlab_name(found)
        if name is None and slot.own:
            return None
    if name in slot.served:
        return None
    reason = slot.refused.get(name or "", "it is unknown")
    return f"{slot.what} {type_name(kind)} is not supported: {reason}"


def _openmmlab_name(kind: type) -> str | None:
    """The class of OpenMMLab that a class is or extends."""
    bases = (one for one in kind.__mro__ if one.__module__.partition(".")[0] in OPENMMLAB)
    found = next(bases, None)
    return None if found is None or found.__module__.startswith("mmengine.") else found.__name__


def _walk(node: Any, path: list[str]) -> Iterator[Mapping[str, Any]]:
    """The dicts that a path leads to."""
    if isinstance(node, list | tuple):
        for part in node:
            yield from _walk(part, path)
    elif isinstance(node, Mapping):
        if not path:
            yield node
        elif path[0] in node:
            yield from _walk(node[path[0]], path[1:])
