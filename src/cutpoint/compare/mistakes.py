"""Typical porting mistakes. Each is one small change at one place between image and detections.

The specification of a model decides which mistakes are possible. They are used only for fingerprints. No row
of a user's table depends on them.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from cutpoint.compare.dense_mistakes import dense_mistakes
from cutpoint.compare.external_mistakes import external_mistakes
from cutpoint.compare.input_mistakes import input_mistakes
from cutpoint.compare.mistake import Mistake
from cutpoint.compare.query_mistakes import query_mistakes
from cutpoint.compare.recipe_mistakes import recipe_mistakes
from cutpoint.compare.roi_mistakes import roi_mistakes
from cutpoint.errors import UserError
from cutpoint.records.head import DenseHead, ExternalHead, HeadSpec, QueryHead, RoiHead
from cutpoint.records.image import FLOAT_CHANNELS_FIRST, Geometry, TensorForm
from cutpoint.records.model import ModelSpec

NONE = "none"
# How the tensors of each kind may be misread.
READING: dict[type[HeadSpec], Callable[[Mistake, Any], Iterator[Mistake]]] = {
    DenseHead: dense_mistakes,
    RoiHead: roi_mistakes,
    QueryHead: query_mistakes,
    ExternalHead: external_mistakes,
}


def mistakes_of(
    spec: ModelSpec, cut: str = "raw", tensor: TensorForm = FLOAT_CHANNELS_FIRST, *, external: bool = False
) -> list[Mistake]:
    """First no mistake, then the mistakes that are possible for the model's specification.

    Args:
        spec: the model.
        cut: of the file that the mistakes are made with: ``raw`` for a head of mmdet, also ``decoded`` or
            ``e2e`` for an external one.
        tensor: what the file's image input takes.
        external: whether the file is an external one of a model without mmdet. People write its input and
            post-processing by hand, so that there are more mistakes.

    Raises:
        UserError: nothing is known of heads of this kind.
    """
    head = spec.head
    if type(head) not in READING:
        raise UserError(
            f"model {spec.model}: no mistakes are known for {head.head}, a head of the kind {head.kind!r}; "
            "leave the model's variants out of `diagnose`"
        )
    own = Mistake(NONE, "no mistake", spec.input, cut, head)
    inputs = input_mistakes(spec.input, tensor, external=external)
    recipes = recipe_mistakes(head, cut) if external else []
    return [
        own,
        *(own.named(name, text, input=made) for name, text, made in inputs),
        *READING[type(head)](own, head),
        *_label_mistakes(own),
        *_geometry_mistakes(own),
        *(own.named(name, text, recipe=change) for name, text, change in recipes),
    ]


def _label_mistakes(own: Mistake) -> list[Mistake]:
    if own.head.num_classes == 1:
        return []
    return [
        own.named(name, f"labels off by {shift:+d}", label_shift=shift)
        for shift, name in ((1, "class_plus_one"), (-1, "class_minus_one"))
    ]


def _geometry_mistakes(own: Mistake) -> list[Mistake]:
    found = []
    if own.input.pad is not None and own.input.place != "corner":
        text = "padding left of and above the image not taken back"
        found.append(own.named("padding_left", text, geometry=_unplaced))
    if own.input.scale is None:
        return found
    unscaled = "boxes left in pixels of the network input"
    found.append(own.named("no_scale_back", unscaled, geometry=_unscaled))
    if own.input.keep_ratio:
        height, width = own.input.scale

        def stretched(geometry: Geometry) -> Geometry:
            scale_y, scale_x = height / geometry.height, width / geometry.width
            return replace(_unplaced(geometry), scale_y=scale_y, scale_x=scale_x, gain=None)

        text = "boxes scaled back per axis, as of a stretched image"
        found.append(own.named("scaled_as_stretched", text, geometry=stretched))
    else:
        text = "one scale for both axes, that of the width"
        found.append(own.named("one_scale", text, geometry=lambda g: replace(g, scale_y=g.scale_x)))
    return found


def _unplaced(geometry: Geometry) -> Geometry:
    return replace(geometry, left=0, top=0)


def _unscaled(geometry: Geometry) -> Geometry:
    return replace(_unplaced(geometry), scale_x=1.0, scale_y=1.0, gain=1.0)
