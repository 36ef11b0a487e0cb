"""XML from a user: no document type and no entities, so that a small file stays small."""

from collections.abc import Iterator
from pathlib import Path
from xml.etree.ElementTree import Element, ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import fromstring, iterparse

from cutpoint.errors import UserError
from cutpoint.files import name_packed
from cutpoint.formats.files import LARGEST_WHOLE, check_regular, read_bytes

# what the parsers raise: on the text, on entities, on encodings that they do not know
ERRORS = (ParseError, DefusedXmlException, ValueError, LookupError)


def read_xml(path: Path) -> Element:
    """The root of a small file.

    Raises:
        UserError: it cannot be read; the message does not name the file.
    """
    raw = read_bytes(path)
    _check_packed(raw)
    try:
        root: Element = fromstring(raw, forbid_dtd=True)
    except ERRORS as error:
        raise _refusal(error) from error
    return root


def iterate_xml(path: Path, tag: str) -> Iterator[Element]:
    """The root's children of a large file, one after the other; each is emptied after it was used.

    Args:
        path: the file.
        tag: the root's.

    Raises:
        UserError: it cannot be read, or its root has another tag; the message does not name the file.
    """
    check_regular(path, LARGEST_WHOLE)
    with path.open("rb") as file:
        _check_packed(file.read(512))
        file.seek(0)
        try:
            depth = 0
            for event, element in iterparse(file, events=("start", "end"), forbid_dtd=True):
                if event == "start":
                    depth += 1
                    if depth == 1 and element.tag != tag:
                        raise UserError(f"has {element.tag[:50]!r} as its root, and not {tag!r}")
                    continue
                depth -= 1
                if depth == 1:
                    yield element
                    element.clear()
        except ERRORS as error:
            raise _refusal(error) from error


def text_of(element: Element, path: str) -> str | None:
    """The text of an element below, without blanks round it; null if there is none."""
    text = element.findtext(path)
    return text.strip() if text and text.strip() else None


def _check_packed(raw: bytes) -> None:
    # XML begins as a web page does
    substitute = None if raw.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<") else name_packed(raw)
    if substitute:
        raise UserError(substitute)


def _refusal(error: Exception) -> UserError:
    if isinstance(error, DefusedXmlException):
        return UserError("has a document type or entities, which annotations do not need")
    return UserError(f"is not XML that can be read ({str(error)[:100]})")
