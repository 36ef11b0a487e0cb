"""The GPUs that this process may use: those of ``CUDA_VISIBLE_DEVICES``, otherwise those of the machine.

Also how CUDA and what stands on it say that a GPU, and not the program, has failed.
"""

import os
import re
from dataclasses import dataclass

import pynvml

from cutpoint.errors import UserError
from cutpoint.providers import NVIDIA, REFUSED

VISIBLE = "CUDA_VISIBLE_DEVICES"
# CUDA's own words (cudaGetErrorString) as PyTorch and ONNX Runtime repeat them, and PyTorch's.
# A GPU that fell off the bus or has a memory fault (Xid) shows as one of these.
LOST_WORDS = (
    "no cuda-capable device is detected",  # 100
    r"cuda-capable devices? ?(\(s\) is/)?are busy or unavailable",  # 46; with (s) since CUDA 11
    "uncorrectable ecc error encountered",  # 214
    "uncorrectable nvlink error detected",  # 220
    "hardware stack error",  # 714
    "unspecified launch failure",  # 719
    "cuda error: unknown error|cuda failure 999",
    "no cuda gpus are available",
)
# The GPU works, and has no room for this job, because of other programs perhaps; or it refused a session.
FULL_WORDS = (
    "cuda.*out of memory",
    "cublas_status_alloc_failed",
    "cudnn_status_alloc_failed",
    "failed to allocate memory for requested buffer",
    re.escape(REFUSED),
)
LONGEST_REASON = 300


@dataclass(frozen=True)
class Gpu:
    """A GPU.

    ``name``: what ``CUDA_VISIBLE_DEVICES`` calls it; null: CUDA chooses, because nothing names GPUs here.
    ``key``: tells it apart on this machine, its UUID where that is known.
    """

    name: str | None
    key: str

    def __str__(self) -> str:
        return self.key if self.name in (None, self.key) else f"{self.name} ({self.key})"


@dataclass(frozen=True)
class Fault:
    """How a GPU failed. ``lost``: it is of no use to other jobs either."""

    reason: str
    lost: bool


def visible_gpus() -> list[Gpu]:
    """The GPUs that this process may use, in the order that they are named.

    Raises:
        UserError: ``CUDA_VISIBLE_DEVICES`` hides all.
    """
    cards = _card_uuids()
    listed = os.environ.get(VISIBLE)
    if listed is None:
        return [Gpu(uuid, uuid) for uuid in cards if uuid] or [Gpu(None, "chosen by CUDA")]
    found: dict[str, Gpu] = {}
    for name in map(str.strip, listed.split(",")):
        key = _key(name, cards)
        # CUDA reads as far as the first one that is not there
        if key is None:
            break
        found.setdefault(key, Gpu(name, key))
    if not found:
        raise UserError(f"{VISIBLE}={listed}: {NVIDIA.absent}")
    return list(found.values())


def find_fault(error: BaseException) -> Fault | None:
    """How a GPU failed, if that led to an error; null if it is another error."""
    current: BaseException | None = error
    seen: list[BaseException] = []
    while current is not None and current not in seen:
        seen.append(current)
        for line in str(current).splitlines():
            for lost, words in ((True, LOST_WORDS), (False, FULL_WORDS)):
                if re.search("|".join(words), line, re.IGNORECASE):
                    return Fault(line.strip()[-LONGEST_REASON:], lost)
        current = current.__cause__ or current.__context__
    return None


def _key(name: str, cards: list[str | None]) -> str | None:
    """What tells a GPU of ``CUDA_VISIBLE_DEVICES`` apart; null if there is none of this name."""
    if name.isdigit():
        if not cards:
            return f"index-{int(name)}"
        return (cards[int(name)] or f"index-{int(name)}") if int(name) < len(cards) else None
    if name in ("", "-1"):
        return None
    whole = [uuid for uuid in cards if uuid and uuid.startswith(name)]
    return whole[0] if len(whole) == 1 else name


def _card_uuids() -> list[str | None]:
    """The UUID of each card of the machine, by its index; null for one that does not answer."""
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return []
    try:
        return [_uuid(index) for index in range(pynvml.nvmlDeviceGetCount())]
    finally:
        pynvml.nvmlShutdown()


def _uuid(index: int) -> str | None:
    try:
        return str(pynvml.nvmlDeviceGetUUID(pynvml.nvmlDeviceGetHandleByIndex(index)))
    except pynvml.NVMLError:
        return None
