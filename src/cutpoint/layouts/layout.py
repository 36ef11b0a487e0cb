"""What a layout is: the defaults that its name stands for, and by what a file of it is known."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from cutpoint.errors import UserError
from cutpoint.layouts import look
from cutpoint.layouts.classes import has_ids, metadata_names
from cutpoint.records.graph_facts import GraphFacts, Tensor

Cut = Literal["raw", "decoded", "e2e"]
Outputs = dict[str, Any]


class Check(NamedTuple):
    """One mark of a layout. ``yes``: what a file shows that has it, if anything; ``no``: what is missing.

    ``open``: the file does not say it, so that a layout that the user names may be true.
    """

    fits: bool
    yes: str
    no: str
    open: bool = False


@dataclass(frozen=True)
class Layout:
    """The defaults of one layout.

    ``text``: who writes such files. ``cut``: where the graph ends. ``input``: see ``data.inputs.KEYS``; the
    size comes from the file. ``outputs``: from the facts and the class names to ``$defs/outputs`` of the
    config's schema. ``recipe``: a name of ``recipes.names.RECIPES``. ``checks``: the marks of a file of this
    layout, from the facts and the number of classes (null if it is unknown). ``constants``: values of inputs
    besides the images, by name. ``asks_input``: whether the input differs from file to file and nothing in
    the file says how, so that the config must. ``at_fixed_size``: keys of the input of a file that resizes
    images inside, where its own input is fixed all the same. ``sizes``: for a size of the tensor the size
    that the image is fitted into, if that is smaller.
    """

    text: str
    cut: Cut
    input: dict[str, Any]
    outputs: Callable[[GraphFacts, Sequence[str]], Outputs]
    recipe: str
    checks: Callable[[GraphFacts, int | None], list[Check]]
    constants: dict[str, Any] = field(default_factory=dict)
    asks_input: bool = False
    at_fixed_size: dict[str, Any] = field(default_factory=lambda: {"resize": "stretch"})
    sizes: dict[tuple[int, int], tuple[int, int]] = field(default_factory=dict)


def class_count(facts: GraphFacts, classes: Sequence[str] | None) -> int | None:
    """The number of classes: of the given names, else of the names in the file; null if unknown."""
    if classes is not None:
        return len(classes)
    try:
        names = metadata_names(facts.metadata, "")
    except UserError:  # whoever needs the names is told
        return None
    return None if names is None else len(names)


def first_id(classes: Sequence[str]) -> int:
    """The id of the first class in a file whose ids start at 1: 0 if labels are the ids themselves."""
    return 0 if has_ids(classes) else 1


def has_outputs(facts: GraphFacts, *names: str) -> Check:
    """Whether the file has outputs of these names, see ``look.ending``."""
    missing = [name for name in names if look.ending(facts.outputs, name) is None]
    return Check(not missing, f"outputs {', '.join(names)}", f"output {', '.join(missing)} is missing")


def takes(facts: GraphFacts, name: str) -> Check:
    """Whether the file has an input of that name."""
    there = facts.input(name) is not None
    return Check(there, f"input {name}", f"input {name} is missing")


def find_output(facts: GraphFacts, name: str) -> Tensor:
    """The output of that name, see ``look.ending``.

    Raises:
        UserError: there is none.
    """
    tensor = look.ending(facts.outputs, name)
    if tensor is None:
        raise UserError(f"it has no output {name!r}; it has {', '.join(map(look.show, facts.outputs))}")
    return tensor


def require(facts: GraphFacts, checks: list[Check]) -> str:
    """The main output's name.

    Raises:
        UserError: the file is not as the layout says.
    """
    wrong = next((check.no for check in checks if not check.fits and not check.open), None)
    if wrong is None:
        return facts.outputs[0].name
    raise UserError(f"{wrong}; it has {', '.join(map(look.show, facts.outputs))}")


def box_part(name: str, start: int, form: str) -> dict[str, Any]:
    """Four channels of a tensor as boxes."""
    return {"tensor": name, "channels": [start, start + 4], "format": form}


def rows_of(name: str, box: int, score: int, label: int) -> Outputs:
    """Rows of box, score and label in one tensor."""
    return {
        "box": box_part(name, box, "xyxy"),
        "score": {"tensor": name, "channels": [score, score + 1]},
        "label": {"tensor": name, "channels": [label, label + 1]},
    }
