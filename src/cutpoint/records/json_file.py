"""JSON files as dataclasses, with a format number. A wrong file is refused with its path and key."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from cutpoint.errors import UserError
from cutpoint.files import as_json, write_text

# The format of the files that this version writes. Format 1 are the files without a number.
FORMAT = 2
KEY = "format"

Kind = TypeVar("Kind")
Upgrade = Callable[[dict[str, Any], int], dict[str, Any]]


def read_record(path: str | Path, kind: type[Kind], upgrade: Upgrade | None = None) -> Kind:
    """Read a JSON file as a dataclass. Keys that the dataclass does not have are left out.

    Args:
        path: the file.
        kind: the dataclass.
        upgrade: turns the content of an older format, given with its number, into today's.

    Raises:
        UserError: the file is missing or not JSON, a key is missing or has another type, or the format is
            newer.
    """
    return as_record(read_content(path), kind, str(path), upgrade)


def as_record(content: Any, kind: type[Kind], where: str, upgrade: Upgrade | None = None) -> Kind:
    """Plain JSON values as a dataclass; arguments as in ``read_record``; ``where`` begins the message."""
    if isinstance(content, dict):
        number = content.get(KEY, 1)
        if not isinstance(number, int) or number > FORMAT:
            raise UserError(
                f"{where}: {KEY}: {number!r}, and this version of Cutpoint reads up to {FORMAT}; "
                "install the version that wrote the file, or make the file again"
            )
        if upgrade is not None and number < FORMAT:
            content = upgrade(content, number)
    try:
        return msgspec.convert(content, kind)
    except msgspec.ValidationError as error:
        raise _refusal(where, error) from error


def read_content(path: str | Path, kind: Any = Any) -> Any:
    """The plain values of a JSON file, or with ``kind`` a type that msgspec knows.

    Raises:
        UserError: the file is missing, is not JSON, or has other content than ``kind``.
    """
    try:
        raw = Path(path).read_bytes()
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); make it again") from error
    try:
        return msgspec.json.decode(raw, type=kind)
    except msgspec.ValidationError as error:
        raise _refusal(str(path), error) from error
    except (msgspec.DecodeError, RecursionError) as error:
        raise UserError(f"{path}: not JSON ({error}); remove it, and it is made again") from error


def write_record(path: str | Path, record: Any) -> None:
    """Write a dataclass of plain values as JSON, the format number first; completely or not at all."""
    write_text(path, record_text(record))


def record_text(record: Any) -> str:
    """What ``write_record`` writes."""
    return as_json({KEY: FORMAT, **as_content(record)})


def as_content(record: Any) -> dict[str, Any]:
    """A dataclass as plain JSON values, its keys in order.

    Raises:
        TypeError: a value is not plain, for example a numpy number.
    """
    content: dict[str, Any] = msgspec.to_builtins(record)
    return content


def _refusal(where: str, error: msgspec.ValidationError) -> UserError:
    """An error that names the key first; msgspec names it last: ``- at `$.images[3].height```."""
    text, _, place = str(error).replace("`", "").partition(" - at ")
    key = place.removeprefix("$").removeprefix(".")
    text = text[:1].lower() + text[1:]
    return UserError(f"{where}: {key + ': ' if key else ''}{text}; remove the file, and it is made again")
