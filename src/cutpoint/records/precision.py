"""The effect of a reduced precision on a model: sizes, nodes that stay in fp32, tensors that it breaks."""

from dataclasses import dataclass
from pathlib import Path

from cutpoint.records.json_file import read_record, write_record


@dataclass(frozen=True)
class Bytes:
    """Size of the ONNX file, before and after."""

    before: int
    after: int


@dataclass(frozen=True)
class KeptNodes:
    """The nodes that stay float32: the number of each operator, and their names by reason."""

    operators: dict[str, int]
    nodes: dict[str, tuple[str, ...]]


@dataclass(frozen=True)
class Overflow:
    """A tensor that float16 cannot hold; ``max_abs``: its largest |x| in float32.

    ``image``: the image that has it, by id and path; null for a constant.
    """

    tensor: str
    max_abs: float
    image: str | None = None


@dataclass(frozen=True)
class Saturation:
    """A quantised tensor with values outside its calibrated ``range``.

    ``max_abs``: its largest |x| in float32. ``share_outside``: fraction of its values.
    """

    tensor: str
    max_abs: float
    range: tuple[float, float]
    share_outside: float


@dataclass(frozen=True)
class CalibrationImages:
    """Images that set the ranges, and images on which values outside are counted."""

    calibration: int
    held_out: int


@dataclass(frozen=True)
class PrecisionReport:
    """``results/models/{model}/{trace}.precision.json``.

    ``overflows``: for fp16, largest first. ``saturated``, and ``quantised_tensors`` (their number): for int8.
    Those of the other precision are null.
    """

    precision: str
    bytes: Bytes
    kept_fp32: KeptNodes
    images: int | CalibrationImages
    overflows: tuple[Overflow, ...] | None = None
    quantised_tensors: int | None = None
    saturated: tuple[Saturation, ...] | None = None


def read_precision(path: str | Path) -> PrecisionReport:
    """Read the report of a reduced precision.

    Raises:
        UserError: the file is not one.
    """
    return read_record(path, PrecisionReport)


def write_precision(path: str | Path, report: PrecisionReport) -> None:
    """Write the report of a reduced precision, completely or not at all."""
    write_record(path, report)
