"""Find the one layout that an ONNX file has, or say why there is not one."""

from collections.abc import Sequence
from dataclasses import dataclass

from cutpoint.errors import UserError
from cutpoint.layouts import look
from cutpoint.layouts.layout import Check, class_count
from cutpoint.layouts.table import TABLE
from cutpoint.records.graph_facts import GraphFacts

# layouts that a message names at most
NEAREST = 3


@dataclass(frozen=True)
class Recognised:
    """``why``: what the file shows, in words."""

    layout: str
    why: str


def recognise(facts: GraphFacts, path: str, classes: Sequence[str] | None = None) -> Recognised:
    """The layout of a file, by its metadata, names, types, shapes and graph; nothing is run.

    Args:
        facts: the file's facts.
        path: the file, begins the message of an error.
        classes: the class names if the config gives them; their number tells some layouts apart.

    Raises:
        UserError: no layout fits or several do, with what the file has, and which come near; or the outputs
            are for the user's own decoder.
    """
    count = class_count(facts, classes)
    checks = {name: row.checks(facts, count) for name, row in TABLE.items()}
    fitting = [name for name, found in checks.items() if found and all(check.fits for check in found)]
    if len(fitting) == 1:
        return Recognised(fitting[0], "; ".join(check.yes for check in checks[fitting[0]] if check.yes))
    has = (
        f"{path}: it has the inputs {', '.join(map(look.show, facts.inputs))} and the outputs "
        f"{', '.join(map(look.show, facts.outputs))}"
    )
    if fitting:
        texts = "; ".join(f"{name} ({TABLE[name].text})" for name in fitting)
        raise UserError(
            f"{has}: {len(fitting)} layouts fit, and nothing in it tells which: {texts}. "
            "Write `layout` with one of them"
        )
    own = _own_decoder(facts)
    if own:
        raise UserError(
            f"{has}: {own}. No layout decodes them; run your own code, and give its detections as `results`"
        )
    raise UserError(
        f"{has}: no layout fits. {_near(checks)}Write `layout` with a name, or `layout: written` with `cut`, "
        "`outputs` and `input`"
    )


def _near(checks: dict[str, list[Check]]) -> str:
    """The layouts of which the most checks fit, and what is missing."""
    fits = {name: sum(check.fits for check in found) for name, found in checks.items() if found}
    share = {name: fits[name] / len(checks[name]) for name in fits}
    # the first check of a layout is the plainest: the outputs' names, or their number
    first = {name: checks[name][0].fits for name in share}
    near = [name for name in share if first[name] or share[name] >= 0.5]
    near = sorted(near, key=lambda name: (not first[name], -share[name]))[:NEAREST]
    texts = (f"{name}: {', '.join(c.no for c in checks[name] if not c.fits)}" for name in near)
    return f"Near are {'; '.join(texts)}. " if near else ""


def _own_decoder(facts: GraphFacts) -> str | None:
    """What kind of head the outputs are from if they are maps, or rows for each level; null otherwise."""
    outputs = facts.outputs
    if len(outputs) >= 6 and all(tensor.rank in (3, 4) for tensor in outputs):
        return f"{len(outputs)} tensors of several levels, as NanoDet-m and PicoDet write"
    if not all(tensor.rank in (4, 5) for tensor in outputs):
        return None
    if len(outputs) == 1:
        return "one map with everything, as FastestDet writes"
    if all(tensor.rank == 5 for tensor in outputs):
        return "the maps of a head with anchors; YOLOv5 and YOLOv7 write decoded rows with --grid"
    return "maps, as CenterNet, CenterFace and bare heads write"
