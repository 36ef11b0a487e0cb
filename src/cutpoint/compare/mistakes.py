"""Typical porting mistakes. Each is one small change at one place between image and detections.

The specification of a model decides which mistakes are possible. They are used only for fingerprints. No row
of a user's table depends on them.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from cutpoint.compare.input_mistakes import input_mistakes
from cutpoint.compare.recipe_mistakes import recipe_mistakes
from cutpoint.decode.candidates import from_decoded, from_raw, from_rows
from cutpoint.recipes.apply import apply_recipe
from cutpoint.recipes.recipe import Recipe
from cutpoint.records.candidates import Candidates
from cutpoint.records.detections import Detections
from cutpoint.records.head import DenseHead, ExternalHead, HeadSpec, Part
from cutpoint.records.image import FLOAT_CHANNELS_FIRST, Geometry, InputRecipe, TensorForm
from cutpoint.records.model import ModelSpec, dense_head

NONE = "none"
MMDET_STDS = (0.1, 0.1, 0.2, 0.2)
# probabilities whose logits are finite in float32
INSIDE = (np.float32(1e-7), np.float32(1 - 1e-7))
Outputs = dict[str, np.ndarray]


@dataclass(frozen=True)
class Mistake:
    """One mistake, or none.

    Attributes:
        name, text: for files, for people.
        input: how images are prepared.
        cut: the cut of the file that the mistake is made with.
        head: how its outputs are read.
        outputs: from the true outputs to those that are read.
        label_shift: added to the labels, modulo the number of classes.
        geometry: from the true geometry to the one that boxes are scaled back with.
        recipe: from the model's own recipe to the one that is run.
    """

    name: str
    text: str
    input: InputRecipe
    cut: str
    head: HeadSpec
    outputs: Callable[[Outputs, HeadSpec], Outputs] | None = None
    label_shift: int = 0
    geometry: Callable[[Geometry], Geometry] | None = None
    recipe: Callable[[Recipe], Recipe] | None = None

    def finish(self, outputs: Outputs, geometry: Geometry, recipe: Recipe, spec: ModelSpec) -> Detections:
        """Turn the outputs for one image, prepared by ``input``, into detections with the mistake.

        Args:
            outputs: of the file, see ``decode.candidates``.
            geometry: the image's true one.
            recipe: the model's own.
            spec: the model.
        """
        if self.outputs:
            outputs = self.outputs(outputs, self.head)
        seen = self.geometry(geometry) if self.geometry else geometry
        made = self.recipe(recipe) if self.recipe else recipe
        found = apply_recipe(made, self._read(outputs), seen, spec)
        # a network that sees the wrong numbers may overflow; such values are not detections
        kept = np.isfinite(found.boxes).all(axis=1) & np.isfinite(found.scores)
        labels = (found.labels[kept] + self.label_shift) % self.head.num_classes
        return Detections(found.boxes[kept], found.scores[kept], labels)

    def _read(self, outputs: Outputs) -> Candidates:
        if self.cut == "raw":
            return from_raw(outputs, self.head)
        return (from_decoded if self.cut == "decoded" else from_rows)(outputs, self.head)


def mistakes_of(
    spec: ModelSpec, cut: str = "raw", tensor: TensorForm = FLOAT_CHANNELS_FIRST, *, external: bool = False
) -> list[Mistake]:
    """First no mistake, then the mistakes that are possible for the model's specification.

    Args:
        spec: the model.
        cut: of the file that the mistakes are made with: ``raw`` for a dense head, also ``decoded`` or
            ``e2e`` for an external one.
        tensor: what the file's image input takes.
        external: whether the file is an external one of a model without mmdet. People write its input and
            post-processing by hand, so that there are more mistakes.

    Raises:
        UserError: the head is of another kind.
    """
    head: HeadSpec
    if isinstance(spec.head, ExternalHead):
        head = spec.head
        heads = _factor_mistakes(head, replace(head, factor=False))
    else:
        head = dense_head(spec, "a fingerprint of mistakes")
        heads = _head_mistakes(head)
    own = Mistake(NONE, "no mistake", spec.input, cut, head)
    inputs = input_mistakes(spec.input, tensor, external=external)
    recipes = recipe_mistakes(head, cut) if external else []
    return [
        own,
        *(replace(own, name=name, text=text, input=made) for name, text, made in inputs),
        *(replace(own, name=name, text=text, head=read) for name, text, read in heads),
        *_later_mistakes(own),
        *(replace(own, name=name, text=text, recipe=change) for name, text, change in recipes),
    ]


def _head_mistakes(own: DenseHead) -> list[tuple[str, str, HeadSpec]]:
    found: list[tuple[str, str, HeadSpec]] = []
    coder = own.coder
    if coder.get("from_point", True):  # the only boxes without a prior are corners from the origin
        found.append(("half_pixel", "priors half a stride off", _shift_priors(own)))
    if coder["type"] == "delta_xywh":
        stds = tuple(coder["stds"])
        for name, text, other in (
            ("stds_forgotten", "box deltas not multiplied by their stds", (1.0, 1.0, 1.0, 1.0)),
            ("stds_of_mmdet", "box deltas multiplied by stds that this model does not have", MMDET_STDS),
        ):
            if stds != other:
                found.append((name, text, replace(own, coder=coder | {"stds": list(other)})))
    if own.factor is not None:
        found += _factor_mistakes(own, replace(own, factor=None))
    return found


def _factor_mistakes(own: HeadSpec, without: HeadSpec) -> list[tuple[str, str, HeadSpec]]:
    text = "factor (centerness, IoU or objectness) left out of the score"
    return [("factor_forgotten", text, without)] if own.has_factor else []


def _later_mistakes(own: Mistake) -> list[Mistake]:
    found = []
    twice = "sigmoid of the class scores twice"
    if isinstance(own.head, ExternalHead):
        logits = "sigmoid of the class scores left out"
        found.append(replace(own, name="double_sigmoid", text=twice, outputs=_sigmoid_of_scores))
        found.append(replace(own, name="no_sigmoid", text=logits, outputs=_logits_of_scores))
    elif isinstance(own.head, DenseHead) and own.head.score_activation == "sigmoid":
        found.append(replace(own, name="double_sigmoid", text=twice, outputs=_activate))
    if own.head.num_classes > 1:
        for shift, name in ((1, "class_plus_one"), (-1, "class_minus_one")):
            found.append(replace(own, name=name, text=f"labels off by {shift:+d}", label_shift=shift))
    return found + _geometry_mistakes(own)


def _geometry_mistakes(own: Mistake) -> list[Mistake]:
    found = []
    if own.input.pad is not None and own.input.place == "centre":
        text = "padding left of and above the image not taken back"
        found.append(replace(own, name="padding_left", text=text, geometry=_unplaced))
    if own.input.scale is None:
        return found
    unscaled = "boxes left in pixels of the network input"
    found.append(replace(own, name="no_scale_back", text=unscaled, geometry=_unscaled))
    if own.input.keep_ratio:
        height, width = own.input.scale
        found.append(
            replace(
                own,
                name="scaled_as_stretched",
                text="boxes scaled back per axis, as of a stretched image",
                geometry=lambda g: replace(
                    _unplaced(g), scale_y=height / g.height, scale_x=width / g.width, gain=None
                ),
            )
        )
    else:
        found.append(
            replace(
                own,
                name="one_scale",
                text="one scale for both axes, that of the width",
                geometry=lambda g: replace(g, scale_y=g.scale_x),
            )
        )
    return found


def _unplaced(geometry: Geometry) -> Geometry:
    return replace(geometry, left=0, top=0)


def _unscaled(geometry: Geometry) -> Geometry:
    return replace(_unplaced(geometry), scale_x=1.0, scale_y=1.0, gain=1.0)


def _sigmoid_of_scores(outputs: Outputs, head: HeadSpec) -> Outputs:
    """The outputs of ``decoded`` or ``e2e`` with the sigmoid of their scores."""
    return outputs | {"scores": 1 / (1 + np.exp(-outputs["scores"]))}


def _logits_of_scores(outputs: Outputs, head: HeadSpec) -> Outputs:
    """The outputs of ``decoded`` or ``e2e`` with the scores that the sigmoid turns into theirs."""
    inside = np.clip(outputs["scores"], *INSIDE)
    return outputs | {"scores": np.log(inside / (1 - inside))}


def _shift_priors(own: DenseHead) -> DenseHead:
    """Priors shifted by half a stride, to the other usual place: the cell's corner or its centre."""
    if own.anchors is None:
        return replace(own, point_offset=0.0 if own.point_offset else 0.5)
    levels = []
    for stride, level in zip(own.strides, own.anchors, strict=True):
        x1, y1, x2, y2 = level[0]
        sign = -1 if max(abs(x1 + x2) / stride[0], abs(y1 + y2) / stride[1]) > 0.5 else 1
        shift = np.array([*stride, *stride]) * 0.5 * sign
        levels.append(tuple(tuple((np.array(anchor) + shift).tolist()) for anchor in level))
    return replace(own, anchors=tuple(levels))


def _activate(outputs: Outputs, head: HeadSpec) -> Outputs:
    """The raw tensors with the sigmoid of the class scores instead of their logits."""
    assert isinstance(head, DenseHead)
    changed = dict(outputs)
    for level in range(head.levels):
        name = f"{head.score.tensor}_{level}"
        changed[name] = _sigmoid_of_part(outputs[name], head.score, head.anchors_per_cell(level))
    return changed


def _sigmoid_of_part(tensor: np.ndarray, part: Part, anchors: int) -> np.ndarray:
    batch, channels, height, width = tensor.shape
    copy: np.ndarray = tensor.reshape(batch, anchors, channels // anchors, height, width).copy()
    chosen = copy[:, :, part.start : part.stop]
    copy[:, :, part.start : part.stop] = 1 / (1 + np.exp(-chosen))
    return copy.reshape(tensor.shape)
