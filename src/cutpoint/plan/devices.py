"""Which device the plan names: decided once, before any job runs."""

import os
import subprocess
from collections.abc import Iterable
from pathlib import Path

from cutpoint.errors import UserError

PROVIDERS = {"cuda": "CUDAExecutionProvider", "tensorrt": "TensorrtExecutionProvider"}


def resolve_device(device: str, *, remote: bool) -> str:
    """Turn ``auto`` into ``cuda`` where a GPU can be used, else ``cpu``; return other values as they are.

    Args:
        device: the config's ``device``.
        remote: jobs run on other machines, whose devices cannot be seen from here.

    Raises:
        UserError: ``auto`` with a remote executor.
    """
    if device != "auto":
        return device
    if remote:
        raise UserError(
            "device: auto cannot be resolved here, because the jobs run on other machines (remote "
            "executor); set device to cpu, cuda or tensorrt"
        )
    return "cuda" if has_gpu() and _has_provider("cuda") else "cpu"


def check_providers(wanted: Iterable[tuple[str, str]]) -> None:
    """Refuse providers that this machine does not have.

    Args:
        wanted: pairs of provider and the config key that asks for it.

    Raises:
        UserError: the first provider that is missing.
    """
    for provider, key in wanted:
        if provider == "cpu":
            continue
        if not _has_provider(provider):
            lack = f"the installed onnxruntime has no {PROVIDERS[provider]}"
        elif not has_gpu():
            lack = "no CUDA device is visible (no NVIDIA driver, or CUDA_VISIBLE_DEVICES hides it)"
        else:
            continue
        raise UserError(
            f"{key}: {provider} cannot be used here: {lack}; set it to cpu, or run where it is there"
        )


def has_gpu() -> bool:
    """Tell whether an NVIDIA GPU is there and not hidden by ``CUDA_VISIBLE_DEVICES``."""
    if os.environ.get("CUDA_VISIBLE_DEVICES", "all").strip() in ("", "-1"):
        return False
    if any(Path("/proc/driver/nvidia/gpus").glob("*")):
        return True
    try:
        listing = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return listing.returncode == 0 and "GPU" in listing.stdout


def _has_provider(provider: str) -> bool:
    # a plan for the CPU alone shall not pay for this import
    import onnxruntime

    return PROVIDERS[provider] in onnxruntime.get_available_providers()
