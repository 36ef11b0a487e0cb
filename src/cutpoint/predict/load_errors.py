"""ONNX Runtime's errors in one line of ours."""

import re
from pathlib import Path

import onnxruntime

from cutpoint.errors import UserError
from cutpoint.providers import Provider

LACKING = re.compile(r"Could not find an implementation for (\w+)\((\d+)\)")
NEWER = re.compile(r"Opset (\d+) is under development.*till opset (\d+)", re.DOTALL)
OWN_PLACES = re.compile(
    r"\[ONNXRuntimeError\] : \d+ : \w+ : |Load model from \S+ failed:|/onnxruntime_src/.*\) (?=[A-Z])"
)
LONGEST_REASON = 400


def load_error(path: str | Path, row: Provider, error: Exception) -> UserError:
    """The error of a file that ONNX Runtime does not load on a provider."""
    runtime = f"ONNX Runtime {onnxruntime.__version__}"
    if lacking := LACKING.search(str(error)):
        return UserError(
            f"{path}: the provider {row.name} lacks the operator {lacking[1]} (opset {lacking[2]}) in "
            f"{runtime}; use another provider, or a newer onnxruntime"
        )
    if newer := NEWER.search(str(error)):
        return UserError(
            f"{path}: opset {newer[1]}; this ONNX Runtime reads up to {newer[2]}; export it with an older "
            "opset, or use a newer onnxruntime"
        )
    return UserError(f"{path}: ONNX Runtime cannot load it ({first_line(error)}); export it again")


def first_line(error: Exception) -> str:
    """The first line of an error, without ONNX Runtime's numbers and places in its own source."""
    line = next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
    return OWN_PLACES.sub("", line)[:LONGEST_REASON]
