"""Read checkpoints without running code from them."""

import re
import warnings
import zipfile
from pathlib import Path
from typing import Any

import torch

from cutpoint.detector.plain_values import safe_globals
from cutpoint.errors import UserError
from cutpoint.files import START_BYTES, is_text, name_substitute

# the start of a file that PyTorch before 1.6 wrote: a pickle of torch's magic number
OLD_START = b"\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
SAVE = "torch.save({'state_dict': ..., 'meta': ...}, file)"
# A name from a file is shown no longer than this.
LONGEST_NAME = 100
# torch.save does not compress. A compressed file of more than this is not unpacked, if it shrinks so much.
LARGEST_UNPACKED, MOST_SHRUNK = 2**30, 20


def read_checkpoint(path: str) -> dict[str, Any]:
    """Read a checkpoint without running code from it.

    Returns:
        a dict with at least ``state_dict``, names to tensors, and ``meta``, a dict, empty if the file has
        none.

    Raises:
        UserError: the file is missing, or it has something else than weights and training records.
    """
    _check_kind(path)
    try:
        with torch.serialization.safe_globals(safe_globals()), warnings.catch_warnings():
            warnings.simplefilter(
                "ignore"
            )  # torch's thoughts on unusual files; the message says what is wrong
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
    if Path(path).is_dir():
        raise UserError(f"checkpoint {path}: it is a folder; name the file with the weights in it")
    if not Path(path).is_file():
        raise UserError(f"checkpoint {path}: no such file")
    try:
        with open(path, "rb") as file:
            start = file.read(START_BYTES)
            other = name_substitute(start) or _name_other_kind(start)
            if not other and zipfile.is_zipfile(file):
                other = _name_other_zip(path)
    except OSError as error:
        raise UserError(f"checkpoint {path}: cannot be read ({error.strerror})") from error
    if other:
        raise UserError(f"checkpoint {path}: {other}")


def _name_other_kind(start: bytes) -> str | None:
    if is_text(start):
        return "it is text, not a checkpoint; name the file with the weights in it"
    if re.match(rb"\x08[\x03-\x14]([\x12\x1a\x22\x32\x3a\x42]|\x28)", start):
        return "it is an ONNX file, not a checkpoint; write it as `onnx` of a variant"
    if start[8:].startswith(b'{"'):
        return f"it is a safetensors file; read it with safetensors.torch.load_file, and save it by {SAVE}"
    if start.startswith(b"\x80") and OLD_START not in start:
        return (
            "it is a pickle that torch.save did not write; reading it could run code, so it is refused; read "
            f"it where you trust it, and save its tensors by {SAVE}"
        )
    return None


def _name_other_zip(path: str) -> str | None:
    try:
        members = zipfile.ZipFile(path).infolist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError):  # torch says what is wrong with it
        return None
    unpacked, packed = (
        sum(getattr(member, size) for member in members) for size in ("file_size", "compress_size")
    )
    if unpacked > max(LARGEST_UNPACKED, MOST_SHRUNK * packed):
        return (
            f"{packed / 2**20:.1f} MiB that unpack to {unpacked / 2**30:.1f} GiB, which torch.save does not "
            "write; it is refused"
        )
    names = [name.partition("/")[2] for name in (member.filename for member in members)]
    if "constants.pkl" in names:
        return f"it is a TorchScript file, which is code; save the model's state_dict() by {SAVE}"
    return None if "data.pkl" in names else "it is a zip archive that torch.save did not write"


def _reason(path: str, error: Exception) -> str:
    """Torch's errors in one line; torch's own text has paragraphs of advice and terminal codes."""
    if isinstance(error, UserError):
        return str(error)
    if isinstance(error, MemoryError) or "alloc_cpu" in str(error):
        return "it asks for more memory than this machine has"
    text = re.sub(r"\x1b\[[\d;]*m", "", str(error))
    found = re.search(r"GLOBAL ([\w.]+)", text)
    if found:
        name = found[1][:LONGEST_NAME]
        if name.startswith("torch.nn.modules.") or "torch.nn.modules." in " ".join(_globals(path)):
            return f"it holds {name}, a whole model, not its weights; save its state_dict(), as {SAVE}"
        return (
            f"it holds {name}, an object that only code can restore; such code could do anything, so it is "
            f"refused; save it again with plain values in its place, as {SAVE}"
        )
    if isinstance(error, EOFError) or re.search(r"central directory|unexpected EOF|not enough data", text):
        return "the file is incomplete; copy or download it again"
    text = text.partition("WeightsUnpickler error:")[2] or text  # what comes before is advice
    first = next((line.strip() for line in text.splitlines() if line.strip()), type(error).__name__)
    shown = "".join(character for character in first.partition(". ")[0][:100] if character.isprintable())
    why = "" if "weights_only" in shown else f" ({shown})"
    return f"it was not written by torch.save, or is damaged{why}; copy or download it again"


def _globals(path: str) -> list[str]:
    try:
        return torch.serialization.get_unsafe_globals_in_checkpoint(path)
    except Exception:  # a file of PyTorch before 1.6 cannot be listed, nor can a damaged one
        return []


def _check_state(path: str, state: Any) -> None:
    if not isinstance(state, dict):
        raise UserError(f"checkpoint {path}: its state_dict is {type(state).__name__}, not a dict of tensors")
    if not any(isinstance(value, torch.Tensor) for value in state.values()):
        inside = [
            str(key)
            for key, value in state.items()
            if isinstance(value, dict) and any(isinstance(v, torch.Tensor) for v in value.values())
        ]
        hint = f"; {' and '.join(map(repr, inside))} may be: save it as 'state_dict'" if inside else ""
        keys = ", ".join(repr(str(key)[:LONGEST_NAME]) for key in list(state)[:5]) or "none"
        raise UserError(
            f"checkpoint {path}: it has no tensors under 'state_dict' or at its top (keys: {keys}){hint}"
        )
    for key, value in state.items():
        if not isinstance(key, str):
            raise UserError(
                f"checkpoint {path}: key {key!r} of its state_dict is no text; save a model's state_dict()"
            )
        kind = _unusual(value) if isinstance(value, torch.Tensor) else None
        if kind:
            raise UserError(
                f"checkpoint {path}: {key[:LONGEST_NAME]!r} is {kind}, which is not read; save the model "
                "with dense tensors of real numbers"
            )


def _unusual(tensor: torch.Tensor) -> str | None:
    if tensor.is_meta:
        return "a tensor without values (device meta)"
    if tensor.is_quantized:
        return "a quantised tensor"
    if tensor.layout != torch.strided:
        return "a sparse tensor"
    return "a tensor of complex numbers" if tensor.is_complex() else None
