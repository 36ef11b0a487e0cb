"""Check that a trace serves the inputs that were asked for, and not only its example.

The exporter is silent about four things. It replaces a free side by the example's where the model's code
depends on its value. It does the same with a multiple of a free number, and the side looks free all the same.
It takes the branches that the example takes, and drops the conditions of that. And torch's older exporter
names sides of the input that its graph does not have.
"""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice, product
from typing import Any

import onnx_ir as ir
import sympy
import torch
from torch.utils._sympy.functions import Mod, PythonMod

from cutpoint.errors import UserError

Sides = tuple[int | str, ...]
Sizes = tuple[int, int, int]  # batch, height, width

# Conditions are tried on these numbers of images, and on these multiples of a side's unit. Small sides are
# left out: that a map is not empty is a condition of every trace.
BATCHES = (2, 3, 5)
UNITS = (5, 6, 7, 9, 11, 12)
SMALLEST = 250


@dataclass(frozen=True)
class Condition:
    """What must hold of the input's shape so that the traced branches are the right ones.

    ``expression``: sympy's, over the symbols of ``sides``. ``sides``: batch, height and width of the input
    ``images`` as sympy's expressions or numbers.
    """

    expression: Any
    sides: tuple[Any, Any, Any]

    @property
    def text(self) -> str:
        """The expression for people, in words of the input: ``height/32 <= 6``."""
        names = {}
        for name, side in zip(("batch", "height", "width"), self.sides, strict=True):
            for symbol in getattr(side, "free_symbols", ()):
                names[symbol] = sympy.Symbol(name, integer=True, positive=True) / side.coeff(symbol)
        return str(self.expression.xreplace(names))


@contextlib.contextmanager
def recording() -> Iterator[list[torch.export.ExportedProgram]]:
    """What ``torch.onnx.export`` captures before it drops the conditions; the last one is the one it writes.

    Source:
        torch/onnx/_internal/exporter/_capture_strategies.py, torch 2.13: conditions become assertions, which
        the translation to ONNX leaves out, and a violated ``Dim`` is replaced by torch's own suggestion.
    """
    theirs, programs = torch.export.export, list[torch.export.ExportedProgram]()

    def export(*arguments: Any, **settings: Any) -> torch.export.ExportedProgram:
        program = theirs(*arguments, **settings)
        programs.append(program)
        return program

    torch.export.export = export
    try:
        yield programs
    finally:
        torch.export.export = theirs


def find_conditions(program: torch.export.ExportedProgram) -> list[Condition]:
    """The conditions of a captured program whose first input is ``images`` ``(B, 3, H, W)``."""
    name = program.graph_signature.user_inputs[0]
    (images,) = (node for node in program.graph.nodes if node.op == "placeholder" and node.name == name)
    batch, _, height, width = (getattr(side, "node", side) for side in images.meta["val"].shape)
    sides = tuple(getattr(side, "expr", side) for side in (batch, height, width))
    found = []
    for node in program.graph.nodes:
        if node.target is torch.ops.aten._assert_scalar.default and isinstance(node.args[0], torch.fx.Node):
            value = node.args[0].meta["val"]
            if isinstance(value, torch.SymBool):
                found.append(Condition(value.node.expr, sides))
    # a multiple of a free number that the code needs as a number: the range of the number has one value
    for symbol, limits in program.range_constraints.items():
        found += [
            Condition(compare(symbol, limit), sides)
            for compare, limit in ((sympy.Ge, limits.lower), (sympy.Le, limits.upper))
            if isinstance(limit, sympy.Integer)
        ]
    return found


def find_violated(conditions: Sequence[Condition], multiple: int) -> list[tuple[Condition, Sizes]]:
    """The conditions that do not hold for every size, each with one for which it does not.

    Args:
        conditions: of a program with free batch, height and width.
        multiple: sides are multiples of this number.

    Returns:
        conditions, and batch, height and width.
    """
    least = -(-SMALLEST // multiple)
    lengths = [multiple * (least + units) for units in UNITS]
    found = []
    for condition in conditions:
        if _only_torch_cares(condition):
            continue
        sizes = (s for s in product(BATCHES, lengths, lengths) if _holds(condition, s) is False)
        found += [(condition, size) for size in islice(sizes, 1)]
    return found


def check_sides(model: ir.Model, wanted: Mapping[str, Sides], exporter: str) -> None:
    """Check inputs and outputs of a written graph.

    Args:
        model: the graph.
        wanted: each input's sides: a number, or the name of a free one (``batch``, ``32*height``).
        exporter: its name for the message.

    Raises:
        UserError: a side differs, or an output does not have the batch as its first side.
    """
    found = {value.name: _sides(value) for value in model.graph.inputs}
    for name, sides in wanted.items():
        if found.get(name) != sides:
            raise UserError(
                f"exporter {exporter}: input {name} has shape {_text(found.get(name, ()))} in the graph, "
                f"{_text(sides)} was asked for; the model's code fixes it, so the file would serve other "
                "inputs wrongly. Use `shape: [height, width]`, a static shape of one image"
            )
    batch = wanted["images"][0]
    for value in model.graph.outputs:
        (first, *rest) = _sides(value)
        # one side: counts of the whole batch; no name: the exporter does not know it
        if rest and first not in (batch, None):
            raise UserError(
                f"exporter {exporter}: output {value.name} has {first} as its first side in the graph, and "
                f"{batch} images go in; the model's code fixes it. Use `shape: [height, width]`, a static "
                "shape of one image"
            )


def check_whole(model: ir.Model, exporter: str) -> None:
    """Check that every tensor that a node reads is in the graph: the exporter's optimiser has lost constants.

    Raises:
        UserError: one is not.
    """
    given = {value.name for value in model.graph.inputs} | set(model.graph.initializers)
    for node in model.graph:
        for value in node.inputs:
            if value is not None and value.producer() is None and value.name not in given:
                raise UserError(
                    f"exporter {exporter}: node {node.name} reads {value.name}, which is not in the "
                    "graph; this is an error of the exporter. Use another one (`exporter`)"
                )


def _only_torch_cares(condition: Condition) -> bool:
    """Whether a condition says that a map's side is not 0 or 1; ONNX finds out when it runs.

    Source:
        torch/fx/experimental/symbolic_shapes.py, torch 2.13: sizes of 0 and 1 are specialised.
    """
    expression = condition.expression
    remainders = expression.atoms(Mod, PythonMod)
    return isinstance(expression, sympy.Ne) and not remainders and bool({0, 1} & set(expression.args))


def _holds(condition: Condition, values: Sequence[int]) -> bool | None:
    """Whether a condition holds for batch, height and width; null if it depends on something else too."""
    known = {}
    for side, value in zip(condition.sides, values, strict=True):
        for symbol in getattr(side, "free_symbols", ()):
            known[symbol] = int(value / side.coeff(symbol))
    result = condition.expression.xreplace(known)
    return None if getattr(result, "free_symbols", ()) else bool(result)


def _sides(value: ir.Value) -> tuple[Any, ...]:
    return tuple(side if isinstance(side, int) else side.value for side in value.shape or ())


def _text(sides: Sides) -> str:
    return f"({', '.join(map(str, sides))})"
