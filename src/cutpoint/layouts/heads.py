"""Specifications of heads whose raw outputs a layout reads: YOLOX and NanoDet-Plus."""

from cutpoint.errors import UserError
from cutpoint.layouts import look
from cutpoint.layouts.layout import Outputs
from cutpoint.records.graph_facts import GraphFacts
from cutpoint.records.head import DenseHead, Floor, Part
from cutpoint.records.image import InputRecipe

YOLOX_STRIDES, NANODET_STRIDES = (8, 16, 32), (8, 16, 32, 64)


def dense(facts: GraphFacts, layout: str, outputs: Outputs, classes: int, recipe: InputRecipe) -> DenseHead:
    """The head, without its recipe.

    Raises:
        UserError: the layout has no raw outputs, or its rows are not the cells of the head's levels.

    Source:
        YOLOX: ``decode_outputs``, yolox/models/yolo_head.py, YOLOX 0.3.0. NanoDet-Plus: ``get_bboxes`` and
        ``get_single_level_center_priors``, nanodet/model/head/nanodet_plus_head.py, NanoDet 1.0: points at
        ``index * stride``, distances as the mean of a distribution. Scores are probabilities in both files.
    """
    if layout == "yolox":
        strides = _strides(facts, outputs, YOLOX_STRIDES)
        names = tuple(f"{kind}_{level}" for kind in ("cls", "box", "obj") for level in range(len(strides)))
        return _head("YOLOX", classes, strides, names, 4, {"type": "centre_size"}, Part("obj", 0, 1))
    if layout == "nanodet":
        strides = _strides(facts, outputs, NANODET_STRIDES)
        start, stop = outputs["box"]["channels"]
        names = tuple(f"{kind}_{level}" for kind in ("cls", "box") for level in range(len(strides)))
        coder = {"type": "distance", "bins": (stop - start) // 4, "exp": False, "unit": list(strides)}
        return _head("NanoDet-Plus", classes, strides, names, stop - start, coder, None)
    raise UserError("cut raw: only the layouts yolox and nanodet have it; use decoded or e2e")


def _head(
    name: str,
    classes: int,
    strides: tuple[int, ...],
    raw_names: tuple[str, ...],
    width: int,
    coder: dict[str, object],
    factor: Part | None,
) -> DenseHead:
    return DenseHead(
        head=name,
        num_classes=classes,
        raw_names=raw_names,
        floor=Floor("class", 0.0, inclusive=False),
        recipe=(),
        strides=tuple((step, step) for step in strides),
        anchors=None,
        point_offset=0.0,
        score=Part("cls", 0, classes),
        score_activation="none",
        box=(Part("box", 0, width),),
        coder=dict(coder),
        factor=factor,
        factor_activation="none",
    )


def _strides(facts: GraphFacts, outputs: Outputs, usual: tuple[int, ...]) -> tuple[int, ...]:
    """The strides that the number of rows tells; the usual ones if the file does not fix it."""
    image, tensor = look.image_input(facts), facts.output(outputs["box"]["tensor"])
    rows, size = look.side(tensor, 1), None if image is None else look.fixed_size(facts, image)
    if rows is None or size is None:
        return usual
    strides = look.levels_of(rows, size)
    if strides is None:
        raise UserError(
            f"output {outputs['box']['tensor']} has {rows} rows; at {size[0]}x{size[1]} the strides "
            f"{' '.join(map(str, usual))} have {look.count_cells(size, usual)}"
        )
    return strides
