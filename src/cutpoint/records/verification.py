"""How far an exported file is from PyTorch, tensor by tensor."""

from dataclasses import dataclass
from pathlib import Path

from cutpoint.records.json_file import read_record, write_record


@dataclass(frozen=True)
class TensorCheck:
    """One output of the file beside PyTorch's, over all inputs.

    ``max_abs``: largest absolute difference. ``max_rel``: largest relative one. ``cosine``: of the two as
    vectors. ``agreement``: of detections, the fraction of both sides that match. Each is null where it does
    not apply, and where a value is not finite. ``tolerance``: what was asked, in words. ``reason``: why it
    did not pass, else empty.
    """

    name: str
    max_abs: float | None
    max_rel: float | None
    cosine: float | None
    tolerance: str
    passed: bool
    reason: str
    agreement: float | None = None


@dataclass(frozen=True)
class Verification:
    """``results/models/{model}/{export}.verify.json``.

    ``export``: path of the ONNX file. ``precision``: the file's own. ``failures``: ``tensor, reason`` of each
    that did not pass. ``images``: how many were looked at. ``inputs``: shapes of the batches, each
    ``(batch, channels, height, width)``.
    """

    export: str
    precision: str
    passed: bool
    failures: tuple[str, ...]
    tensors: tuple[TensorCheck, ...]
    images: int
    inputs: tuple[tuple[int, ...], ...]


def read_verification(path: str | Path) -> Verification:
    """Read a verification.

    Raises:
        UserError: the file is not one.
    """
    return read_record(path, Verification)


def write_verification(path: str | Path, verification: Verification) -> None:
    """Write a verification, whole or not at all."""
    write_record(path, verification)
