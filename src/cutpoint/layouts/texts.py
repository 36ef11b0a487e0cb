"""Whether all texts of an ONNX file are texts."""

from collections.abc import Iterator
from typing import Any

import onnx

from cutpoint.errors import UserError


def check_texts(path: str, model: onnx.ModelProto) -> None:
    """Refuse a file with a name, or another text, that is not UTF-8: protobuf gives it as bytes.

    Raises:
        UserError: with the first such text.
    """
    wrong = next((text for text in _texts(model) if isinstance(text, bytes)), None)
    if wrong is not None:
        raise UserError(
            f"{path}: it has a text that is not UTF-8 ({wrong[:40]!r}), so it is damaged; copy it, "
            "download it or export it again"
        )


def _texts(message: Any) -> Iterator[str | bytes]:
    """Every text of a message and of the messages in it."""
    for field, value in message.ListFields():
        if field.type not in (field.TYPE_STRING, field.TYPE_MESSAGE):
            continue
        for item in value if field.is_repeated else [value]:
            if field.type == field.TYPE_STRING:
                yield item
            else:
                yield from _texts(item)
