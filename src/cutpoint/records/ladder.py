"""The ladder of a data set and model: the cost of each single difference between neighbours."""

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
    """The ``variant`` that differs from the reference only in one change, and its difference in AP."""

    variant: str
    delta_AP: float | None
    delta_AP_ci95: Interval | None


@dataclass(frozen=True)
class Rung:
    """One variant of a ladder, and its difference from the rung before. Fractions, milliseconds.

    Attributes:
        variant: its name.
        changes: what differs from the rung before, in words.
        recipe_steps: the steps in which the recipe differs from that of the rung before, in words.
        AP: null without ground truth.
        refused: why it has no numbers; otherwise null.
        delta_to_previous, delta_to_reference: AP - AP of the other, with the 95 % intervals; null without
            ground truth, for the first rung or the reference itself.
        agreement, agreement_to_previous: agreement with the detections of the reference, of the rung before.
        latency_p50_ms: from file to detections.
        latency_difference_ms: from the rung before; null if only one of the two has compiled NMS.
        tensor_difference: the tensor of its export with the largest difference from PyTorch's.
        alone: the variant with only this change; null if none is listed.
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

    ``reference``: the reference variant's name. ``published_ap``: the model's, a fraction; or null.
    """

    reference: str
    published_ap: float | None
    rungs: tuple[Rung, ...]

    @property
    def has_tensors(self) -> bool:
        """Whether the file of a rung was compared with PyTorch."""
        return any(rung.tensor_difference for rung in self.rungs)


def read_ladder(path: str | Path) -> Ladder:
    """Read a ladder.

    Raises:
        UserError: the file is not one.
    """
    return read_record(path, Ladder)


def write_ladder(path: str | Path, ladder: Ladder) -> None:
    """Write a ladder, completely or not at all."""
    write_record(path, ladder)
