"""The device of a plan. It is decided once, before any job runs."""

import os
import subprocess
from collections.abc import Callable, Iterable
from pathlib import Path

from cutpoint.errors import Gathered, UserError
from cutpoint.gpus import VISIBLE, visible_gpus
from cutpoint.providers import AUTO, NVIDIA, PROVIDERS, Device, Provider, get_provider


def resolve_device(device: str, *, remote: bool) -> str:
    """Turn ``auto`` into the first of ``providers.AUTO`` that can be used; return other values as they are.

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
            f"executor); set device to one of {', '.join(PROVIDERS)}"
        )
    return next(name for name in AUTO if _lack(PROVIDERS[name]) is None)


def check_providers(wanted: Iterable[tuple[str, str]]) -> None:
    """Refuse providers that this machine does not have.

    Args:
        wanted: pairs of provider and the config key that asks for it.

    Raises:
        UserError: providers that are missing.
    """
    found = Gathered()
    for name, key in wanted:
        with found.one():
            lack = _lack(get_provider(name))
            if lack is not None:
                raise UserError(
                    f"{key}: {name} cannot be used here: {lack}; set it to cpu, or run where it is there"
                )
    found.stop()


def compare_gpus(wanted: Iterable[tuple[str, str]], asked: int | None) -> str | None:
    """What to know if Snakemake counts other GPUs than there are; null if it does not, or nobody needs one.

    Args:
        wanted: as in ``check_providers``.
        asked: of ``--resources gpu=``, or of the profile; null: no limit.
    """
    if asked is None or not any(get_provider(name).device.gpus for name, _ in wanted):
        return None
    there = len(visible_gpus())
    if asked > there:
        return (
            f"--resources gpu={asked}, but GPUs here: {there}. Jobs do not share one: {asked - there} of "
            f"them would hold cores and wait; gpu={there} is enough"
        )
    if asked < there:
        return f"GPUs here: {there}, used at a time: {asked}; `--resources gpu={there}` uses all of them"
    return None


def has_gpu() -> bool:
    """Tell whether an NVIDIA GPU is there and not hidden by ``CUDA_VISIBLE_DEVICES``."""
    if os.environ.get(VISIBLE, "all").strip() in ("", "-1"):
        return False
    if any(Path("/proc/driver/nvidia/gpus").glob("*")):
        return True
    try:
        listing = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return listing.returncode == 0 and "GPU" in listing.stdout


# how to find the devices that a machine may not have
FINDERS: dict[Device, Callable[[], bool]] = {NVIDIA: has_gpu}


def _lack(provider: Provider) -> str | None:
    """Why a provider cannot be used on this machine; null if it can."""
    finder = FINDERS.get(provider.device)
    if finder is not None and not finder():
        return provider.device.absent
    if not _has_provider(provider):
        return f"the installed onnxruntime has no {provider.runtime_name}"
    return None


def _has_provider(provider: Provider) -> bool:
    if provider.built_in:
        return True
    # a plan that needs only the CPU does not wait for this import
    import onnxruntime

    return provider.runtime_name in onnxruntime.get_available_providers()
