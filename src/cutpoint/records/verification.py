"""The judgement of an ONNX file, tensor by tensor: against PyTorch, or without an mmdet model by itself."""

from dataclasses import dataclass
from pathlib import Path

from cutpoint.records.json_file import read_record, write_record


@dataclass(frozen=True)
class TensorCheck:
    """One output of the file, over all inputs: compared with PyTorch's, or checked by itself.

    ``max_abs``: largest absolute difference. ``max_rel``: largest relative difference. ``cosine``: of the two
    as vectors. ``agreement``: the fraction of both sides that match, of detections, or of rows where rows are
    ranks. Each is null if it does not apply, and if a value is not finite. ``tolerance``: the demand, in
    words. ``reason``: why it did not pass, or empty. ``torch_max_abs`` and ``torch_agreement``: where rows
    are ranks, PyTorch's own figures under a change of the input as small as a rounding.
    """

    name: str
    max_abs: float | None
    max_rel: float | None
    cosine: float | None
    tolerance: str
    passed: bool
    reason: str
    agreement: float | None = None
    torch_max_abs: float | None = None
    torch_agreement: float | None = None


@dataclass(frozen=True)
class Verification:
    """``results/models/{model}/{export}.verify.json``.

    ``export``: path of the ONNX file. ``precision``: the file's own. ``failures``: ``tensor, reason`` for
    each tensor that did not pass. ``images``: the number of images. ``inputs``: shapes of the batches, each
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
    """Write a verification, completely or not at all."""
    write_record(path, verification)
