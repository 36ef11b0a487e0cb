"""From a file's facts and its layout to everything that its import needs."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal

from cutpoint.data.inputs import resolve_input
from cutpoint.errors import UserError, located, suggest
from cutpoint.layouts import look
from cutpoint.layouts.heads import dense
from cutpoint.layouts.layout import Layout, Outputs
from cutpoint.layouts.table import TABLE
from cutpoint.recipes.bases import steps_of
from cutpoint.recipes.recipe import Recipe, floor_of
from cutpoint.recipes.schema import write_steps
from cutpoint.records.description import Description
from cutpoint.records.graph_facts import GraphFacts, Tensor
from cutpoint.records.head import ExternalHead, Floor, HeadSpec
from cutpoint.records.image import InputRecipe, TensorForm

Size = tuple[int, int]

# what a layout's input starts from: the image as it is
BLANK = InputRecipe(
    scale=None,
    keep_ratio=False,
    interpolation="bilinear",
    pad=None,
    bgr_to_rgb=False,
    mean=None,
    std=None,
    divisor=1,
    pad_value=0.0,
)


def describe(
    path: str,
    facts: GraphFacts,
    layout: str,
    written: dict[str, Any],
    classes: Sequence[str],
    candidate_floor: float | None = None,
) -> Description:
    """How a file of a layout is read.

    Args:
        path: the file, begins the message of an error.
        facts: the file's facts.
        layout: a name of ``names.LAYOUTS``.
        written: ``cut``, ``outputs`` and ``constants`` of the variant, as far as the config has them; they
            win over the layout's, of ``outputs`` a whole part (``box``, ``score``). ``input``: the variant's,
            where ``open_input`` says that it is needed; it fills in what is open, no more, because a run
            changes the description's input by it.
        classes: the class names by label.
        candidate_floor: the floor of the candidates; null means the recipe's own threshold.

    Raises:
        UserError: an unknown layout; the file is not as the layout says; or it leaves something open.
    """
    if layout not in TABLE:
        raise UserError(f"{path}: layout {layout!r}: unknown{suggest(layout, TABLE)}")
    row = TABLE[layout]
    with located(path):
        image = look.image_input(facts)
        if image is None:
            found = ", ".join(map(look.show, facts.inputs)) or "none"
            raise UserError(
                f"no input takes images, float or uint8 of (B, 3, H, W) or (B, H, W, 3); its inputs: {found}"
            )
        cut = written.get("cut") or row.cut
        outputs = _outputs(facts, layout, cut, written, classes)
        recipe = _input(facts, image, layout, written.get("input"))
        head = _head(facts, layout, cut, outputs, classes, recipe)
        last = look.channels_last(facts, image)
        return Description(
            layout=layout,
            cut=cut,
            tensor=TensorForm(image.dtype, last),  # type: ignore[arg-type]  # image_input looks at the type
            input=recipe,
            outputs=outputs,
            constants=_constants(facts, image, row, written.get("constants") or {}),
            head=replace(head, floor=_floor(head, candidate_floor)),
        )


def _outputs(
    facts: GraphFacts, layout: str, cut: str, written: dict[str, Any], classes: Sequence[str]
) -> Outputs:
    given = written.get("outputs") or {}
    whole = {"box", "score"} | ({"label"} if cut == "e2e" else set())
    if given.keys() >= whole and (cut != TABLE[layout].cut or layout == "written"):
        return dict(given)
    if cut != TABLE[layout].cut:
        raise UserError(
            f"cut {cut}: the layout {layout} is {TABLE[layout].cut}; remove `cut`, or write all of `outputs`"
        )
    try:
        own = TABLE[layout].outputs(facts, classes)
    except UserError:  # not as the layout says; then the config may say all of it
        if given.keys() >= whole:
            return dict(given)
        raise
    return {**own, **given}


def open_input(facts: GraphFacts, layout: str) -> Literal["input", "size"] | None:
    """What the config must write of a file's input, because neither the file nor its layout says it.

    ``input``: how an image becomes the tensor; ``size``: only the size that it is resized to.
    """
    if TABLE[layout].asks_input:
        return "input"
    image = look.image_input(facts)
    if image is None or TABLE[layout].input["resize"] == "none":
        return None
    return None if _own_size(facts, image) else "size"


def _own_size(facts: GraphFacts, image: Tensor) -> Size | None:
    return look.fixed_size(facts, image) or look.written_size(facts.metadata)


def _input(facts: GraphFacts, image: Tensor, layout: str, written: Any) -> InputRecipe:
    """The layout's input for this file."""
    keys = dict(TABLE[layout].input)
    if TABLE[layout].asks_input and not isinstance(written, dict):
        raise UserError(
            f"the layout {layout} does not say what the file's input is; write `input`, for example "
            "{resize: letterbox, place: corner, fill: 114, colour: bgr}"
        )
    if image.dtype == "uint8":  # the file itself divides and subtracts
        keys = {key: value for key, value in keys.items() if key not in ("divide_by", "mean", "std")}
    own = _own_size(facts, image)
    size = own or (written.get("size") if isinstance(written, dict) else None)
    if keys["resize"] == "none":
        if own is None:
            return resolve_input(keys, BLANK, None)
        keys |= TABLE[layout].at_fixed_size
    if size is None and not (isinstance(written, dict) and written.get("resize") == "none"):
        raise UserError(
            "the file takes images of any size and does not say which it was made for; write `input` with "
            "`size: [height, width]`"
        )
    if size is None:
        return resolve_input(keys | {"resize": "none"}, BLANK, None)
    if keys["resize"] == "sides" and own:  # no image has to fit a fixed size without padding
        keys["resize"] = "stretch"
    keys["size"] = list(size)
    if fitted := TABLE[layout].sizes.get(tuple(size)):
        keys |= {"size": list(fitted), "frame": list(size)}
    return resolve_input(keys, BLANK, None)


def _constants(facts: GraphFacts, image: Tensor, row: Layout, given: dict[str, Any]) -> dict[str, Any]:
    """Values of the inputs besides the images."""
    others = [tensor for tensor in facts.inputs if tensor.name != image.name]
    for name in given:
        if name not in [tensor.name for tensor in others]:
            raise UserError(f"constants.{name}: no such input{suggest(name, [t.name for t in others])}")
    known = {**row.constants, **given}
    for tensor in others:
        if tensor.name not in known:
            raise UserError(
                f"input {look.show(tensor)} is neither the images nor known to the layout; write its value "
                f"in `constants`, for example {{{tensor.name}: network_wh}}"
            )
    return {tensor.name: known[tensor.name] for tensor in others}


def _head(
    facts: GraphFacts,
    layout: str,
    cut: str,
    outputs: Outputs,
    classes: Sequence[str],
    recipe: InputRecipe,
) -> HeadSpec:
    nothing = Floor("class", 0.0, inclusive=False)
    head: HeadSpec
    if cut == "raw":
        head = dense(facts, layout, outputs, len(classes), recipe)
        return replace(head, recipe=tuple(write_steps(steps_of(TABLE[layout].recipe, head))))
    factor = cut == "decoded" and "factor" in outputs
    head = ExternalHead(f"a file of the layout {layout}", len(classes), (), nothing, (), layout, factor)
    base = TABLE[layout].recipe
    if cut != TABLE[layout].cut or layout == "written":
        base = "final" if cut == "e2e" else "yolov5" if factor else "ultralytics"
    return replace(head, recipe=tuple(write_steps(steps_of(base, head))))


def _floor(head: HeadSpec, candidate_floor: float | None) -> Floor:
    """The floor on the quantity that the recipe thresholds."""
    own = floor_of(Recipe(steps_of("mmdet3", head)))
    assert own is not None, "every layout's recipe has a threshold"
    if candidate_floor is None:
        return own
    if candidate_floor > own.value:
        raise UserError(
            f"candidate_floor {candidate_floor:g} lies above the layout's own threshold {own.value:g}; lower "
            "it or leave it null"
        )
    return replace(own, value=float(candidate_floor))
