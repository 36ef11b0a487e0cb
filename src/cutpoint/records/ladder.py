"""The ladder of a data set and model: what each single difference between neighbours costs."""

from dataclasses import dataclass
from pathlib import Path

from cutpoint.records.comparison import Interval
from cutpoint.records.json_file import read_record, write_record


@dataclass(frozen=True)
class TensorDifference:
    """A tensor of an export, and its largest absolute difference from PyTorch's."""

    name: str
    max_abs: float


@dataclass(frozen=True)
class Alone:
    """The ``variant`` that differs from the reference in one change alone, and its difference in AP."""

    variant: str
    delta_AP: float | None
    delta_AP_ci95: Interval | None


@dataclass(frozen=True)
class Rung:
    """One variant of a ladder, and how far it is from the rung before. Fractions, milliseconds.

    Attributes:
        variant: its name.
        changes: what differs from the rung before, in words.
        recipe_steps: the steps in which the recipe differs from that of the rung before, in words.
        AP: null without ground truth.
        refused: why it has no numbers; else null.
        delta_to_previous, delta_to_reference: AP - AP of the other, with the 95 % intervals; null without
            ground truth, for the first rung or the reference itself.
        agreement, agreement_to_previous: of the detections with the reference's, the rung before's.
        latency_p50_ms: from file to detections.
        latency_difference_ms: to the rung before; null where only one of the two has compiled NMS.
        tensor_difference: the tensor of its export that is furthest from PyTorch's.
        alone: the variant with this change alone; null where none is listed.
    """

    variant: str
    changes: tuple[str, ...]
    recipe_steps: tuple[str, ...]
    AP: float | None
    refused: str | None
    delta_to_previous: float | None
    delta_to_previous_ci95: Interval | None
    delta_to_reference: float | None
    delta_to_reference_ci95: Interval | None
    agreement: float | None
    agreement_to_previous: float | None
    latency_p50_ms: float
    latency_difference_ms: float | None
    tensor_difference: TensorDifference | None
    alone: Alone | None


@dataclass(frozen=True)
class Ladder:
    """``results/ladders/{dataset}/{model}.json``.

    ``reference``: the reference variant's name. ``published_ap``: of the model, a fraction; else null.
    """

    reference: str
    published_ap: float | None
    rungs: tuple[Rung, ...]


def read_ladder(path: str | Path) -> Ladder:
    """Read a ladder.

    Raises:
        UserError: the file is not one.
    """
    return read_record(path, Ladder)


def write_ladder(path: str | Path, ladder: Ladder) -> None:
    """Write a ladder, whole or not at all."""
    write_record(path, ladder)
