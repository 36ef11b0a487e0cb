"""What a checkpoint may hold besides tensors: plain values, and what restores them without running code."""

import argparse
import datetime
import decimal
import fractions
import pathlib
import types
import uuid
from typing import Any

import numpy as np
from mmengine.config import ConfigDict
from mmengine.logging import HistoryBuffer
from numpy._core import multiarray

from cutpoint.errors import UserError

# A few bytes can ask for a range or a fraction that no memory holds.
LONGEST_RANGE = 10**6
LONGEST_NUMBER = 1000


def safe_globals() -> list[Any]:
    """Plain data, and what mmengine's runner writes into a checkpoint besides tensors (its message hub).

    Returns:
        what ``torch.serialization.safe_globals`` takes: objects, or pairs of an object and the name that a
        file calls it by.
    """
    data = [datetime.datetime, datetime.date, datetime.time, datetime.timedelta, datetime.timezone]
    data += [frozenset, list, dict, tuple, set, int, float, str, bool, slice]
    data += [decimal.Decimal, uuid.UUID, argparse.Namespace, types.SimpleNamespace]
    data += [ConfigDict, HistoryBuffer]
    # torch fills only its own list of containers, so these two arrive as dict and list
    containers = [(_plain_dict, "collections.defaultdict"), (_plain_list, "collections.deque")]
    bounded = [(_range, "builtins.range"), (_fraction, "fractions.Fraction")]
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
        *bounded,
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


def _range(*limits: int) -> range:
    made = range(*limits)
    # the length of a longer one does not fit into len()
    if made[LONGEST_RANGE:]:
        raise UserError(
            f"the checkpoint has {made}, which is refused: it has more than {LONGEST_RANGE} numbers"
        )
    return made


def _fraction(*parts: Any) -> fractions.Fraction:
    if any(isinstance(part, str) and ("e" in part.lower() or len(part) > LONGEST_NUMBER) for part in parts):
        raise UserError("the checkpoint has a fraction with an exponent or of many digits, which is refused")
    return fractions.Fraction(*parts)
