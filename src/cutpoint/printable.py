"""Text of others for terminals, logs, XML and Markdown: control characters and markup become visible."""

import re
import unicodedata
from typing import Any

# Control characters move the cursor or colour the terminal; format characters turn the direction of text
# round or hide it; surrogates and characters without a meaning cannot be written as UTF-8 or XML.
UNPRINTABLE = ("Cc", "Cf", "Cs", "Cn")
# They join letters and parts of pictures, in words that people write.
JOINERS = "\u200c\u200d"


def printable(text: str, keep: str = "\n\t") -> str:
    """The text with characters that are not shown as ``\\x1b``, as Python writes them.

    Args:
        text: from a file or a name that someone else chose.
        keep: characters that stay; none for a text that must be one line.
    """
    if text.isprintable():
        return text
    return "".join(one if one in keep or _is_shown(one) else _escaped(one) for one in text)


def shown(value: Any) -> Any:
    """A plain text of a page with its control characters visible; anything else, also markup, as it is."""
    return printable(value) if type(value) is str else value


def markdown_text(text: str) -> str:
    """The text as Markdown shows it: on one line, without cells, elements, links and code of its own."""
    text = re.sub(r"([\\|<`])", r"\\\1", printable(text.replace("\n", " "), keep=""))
    return text.replace("](", "]\\(")


def _is_shown(character: str) -> bool:
    return character in JOINERS or unicodedata.category(character) not in (*UNPRINTABLE, "Zl", "Zp")


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")
