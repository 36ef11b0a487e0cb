"""Read checkpoints without running code from them, and load them into a detector."""

import argparse
import datetime
import decimal
import fractions
import pathlib
import re
import types
import uuid
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.config import ConfigDict
from mmengine.logging import HistoryBuffer
from numpy._core import multiarray
from torch import Tensor, nn

from cutpoint.errors import UserError
from cutpoint.files import START_BYTES, name_substitute

# Prefixes of keys that model wrappers add: nn.parallel and torch.compile.
WRAPPERS = re.compile(r"^(module\.|_orig_mod\.)+")
RUNNING = ("running_mean", "running_var")


def load_weights(model: nn.Module, checkpoint: str) -> None:
    """Load a checkpoint strictly; extra keys that only training needs (EMA copies, counters) are allowed.

    Prefixes of wrappers are removed: ``module.`` as in ``Runner.load_checkpoint`` (mmengine 0.10.7). Weights
    that are not finite are loaded with a message. Their outputs are refused image by image, so that other
    models and the page are finished.

    Raises:
        UserError: the weights do not fit the model.
    """
    state = read_checkpoint(checkpoint)["state_dict"]
    state = {WRAPPERS.sub("", key): value for key, value in state.items()}
    mend = "check that config and checkpoint belong together"
    try:
        result = model.load_state_dict(state, strict=False)
    except RuntimeError as error:  # tensors of another size
        first = str(error).splitlines()[1].strip()
        raise UserError(
            f"checkpoint {checkpoint}: its weights do not fit the config: {first} {mend}"
        ) from error
    missing = [key for key in result.missing_keys if not key.endswith("num_batches_tracked")]
    unexpected = [key for key in result.unexpected_keys if not key.startswith("ema_")]
    if missing or unexpected:
        what = [
            f"{len(keys)} {word} (first: {keys[0]})"
            for keys, word in ((missing, "missing"), (unexpected, "unexpected"))
            if keys
        ]
        prefixes = _prefixes(missing, unexpected)
        if prefixes:
            mend = f"they are there below {prefixes}: save those of one of these without it"
        raise UserError(
            f"checkpoint {checkpoint}: its weights do not fit the config: {', '.join(what)}; {mend}"
        )
    _say_infinite(model, checkpoint)


def read_checkpoint(path: str) -> dict[str, Any]:
    """Read a checkpoint without running code from it.

    Returns:
        a dict with at least ``state_dict``, names to tensors, and ``meta``, a dict, empty if the file has
        none.

    Raises:
        UserError: the file is missing, or it has something else than weights and training records.
    """
    if not Path(path).is_file():
        raise UserError(f"checkpoint {path}: no such file")
    _check_kind(path)
    try:
        with torch.serialization.safe_globals(_safe_globals()):
            content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises half a dozen unrelated types for a bad file
        raise UserError(f"checkpoint {path}: cannot be read as weights: {_reason(path, error)}") from error
    if not isinstance(content, dict):
        raise UserError(f"checkpoint {path}: expected a dict of tensors, found {type(content).__name__}")
    content = content if "state_dict" in content else {"state_dict": content}
    _check_state(path, content["state_dict"])
    meta = content.get("meta")
    return {**content, "meta": meta if isinstance(meta, dict) else {}}


def _check_kind(path: str) -> None:
    try:
        with open(path, "rb") as file:
            substitute = name_substitute(file.read(START_BYTES))
    except OSError as error:
        raise UserError(f"checkpoint {path}: cannot be read ({error.strerror})") from error
    if substitute:
        raise UserError(f"checkpoint {path}: {substitute}")


def _reason(path: str, error: Exception) -> str:
    """Torch's errors in one line; torch's own text has paragraphs of advice and terminal codes."""
    text = re.sub(r"\x1b\[[\d;]*m", "", str(error))
    found = re.search(r"GLOBAL ([\w.]+)", text)
    if found:
        whole = found[1].startswith("torch.nn.modules.") or "torch.nn.modules." in " ".join(_globals(path))
        what = "a whole model, not its weights" if whole else "an object that only code can restore"
        mend = "save its state_dict()" if whole else "save it again with plain values in its place"
        return f"it holds {found[1]}, {what}; {mend}, as torch.save({{'state_dict': ..., 'meta': ...}}, file)"
    if isinstance(error, EOFError) or re.search(r"central directory|unexpected EOF|not enough data", text):
        return "the file is incomplete; copy or download it again"
    text = text.partition("WeightsUnpickler error:")[2] or text  # what comes before is advice
    first = next((line.strip() for line in text.splitlines() if line.strip()), type(error).__name__)
    return f"it was not written by torch.save, or is damaged ({first.partition('. ')[0][:100]})"


def _globals(path: str) -> list[str]:
    try:
        return torch.serialization.get_unsafe_globals_in_checkpoint(path)
    except (ValueError, RuntimeError):  # a file of PyTorch before 1.6 cannot be listed
        return []


def _check_state(path: str, state: Any) -> None:
    if isinstance(state, dict) and any(isinstance(value, torch.Tensor) for value in state.values()):
        return
    if not isinstance(state, dict):
        raise UserError(f"checkpoint {path}: its state_dict is {type(state).__name__}, not a dict of tensors")
    inside = [
        str(key)
        for key, value in state.items()
        if isinstance(value, dict) and any(isinstance(v, torch.Tensor) for v in value.values())
    ]
    hint = f"; {' and '.join(map(repr, inside))} may be: save it as 'state_dict'" if inside else ""
    keys = ", ".join(repr(str(key)) for key in list(state)[:5]) or "none"
    raise UserError(
        f"checkpoint {path}: it has no tensors under 'state_dict' or at its top (keys: {keys}){hint}"
    )


def _prefixes(missing: list[str], unexpected: list[str]) -> str:
    if not missing:
        return ""
    end = f".{missing[0]}"
    return ", ".join(repr(key.removesuffix(missing[0])) for key in unexpected if key.endswith(end))


def _say_infinite(model: nn.Module, checkpoint: str) -> None:
    tensors: dict[str, Tensor] = dict(model.named_parameters())
    tensors |= {name: value for name, value in model.named_buffers() if name.endswith(RUNNING)}
    counts = {name: int((~torch.isfinite(value)).sum()) for name, value in tensors.items()}
    bad = [name for name, count in counts.items() if count]
    if bad:
        print(
            f"checkpoint {checkpoint}: {sum(counts.values())} weights in {len(bad)} tensors are NaN or "
            f"infinite (first: {bad[0]}, {counts[bad[0]]} of {tensors[bad[0]].numel()}); its training "
            "diverged or the file is damaged, so take an earlier checkpoint"
        )


def _safe_globals() -> list[Any]:
    """Plain data, and what mmengine's runner writes into a checkpoint besides tensors (its message hub)."""
    data = [datetime.datetime, datetime.date, datetime.time, datetime.timedelta, datetime.timezone]
    data += [frozenset, list, dict, tuple, set, int, float, str, bool, range, slice]
    data += [decimal.Decimal, fractions.Fraction, uuid.UUID, argparse.Namespace, types.SimpleNamespace]
    data += [ConfigDict, HistoryBuffer]
    # torch fills only its own list of containers, so these two arrive as dict and list
    containers = [(_plain_dict, "collections.defaultdict"), (_plain_list, "collections.deque")]
    paths = [
        (pure, f"{module}.{name}")
        for pure in (pathlib.PurePosixPath, pathlib.PureWindowsPath)
        for name in (pure.__name__, pure.__name__.removeprefix("Pure"))
        for module in ("pathlib", "pathlib._local")  # the latter in files of Python 3.13
    ]
    functions = [
        (getattr(multiarray, name), f"{module}.multiarray.{name}")
        for name in ("scalar", "_reconstruct")
        for module in ("numpy.core", "numpy._core")
    ]
    return [
        np.dtype,
        np.ndarray,
        *(getattr(np.dtypes, name) for name in np.dtypes.__all__),
        *functions,
        *data,
        *paths,
        *containers,
        (_statistics_method, "builtins.getattr"),
    ]


def _plain_dict(_factory: Any = None) -> dict[Any, Any]:
    return {}


def _plain_list(values: Any = (), _maximum: int | None = None) -> list[Any]:
    return list(values)


def _statistics_method(owner: Any, name: str) -> Any:
    """The only ``getattr`` a checkpoint may ask for: HistoryBuffer pickles its methods through it."""
    if owner is HistoryBuffer and name in ("min", "max", "mean", "current"):
        return getattr(HistoryBuffer, name)
    raise UserError(f"the checkpoint asks for {owner!r}.{name}, which is refused")
