"""Where images come from and under which licence, as COCO annotations say it."""

from typing import Any, NamedTuple
from urllib.parse import urlsplit

from cutpoint.data.annotation_model import ID_LIMIT
from cutpoint.data.file_names import has_control
from cutpoint.records.manifest import Licence


class Origin(NamedTuple):
    """The id of an image's licence, and the address that it comes from; null if it is not known."""

    licence: int | None
    source: str | None


def read_licences(content: dict[str, Any]) -> tuple[Licence, ...]:
    """The licences that COCO annotations list; entries without a whole number as ``id`` are left out."""
    listed = content.get("licenses")
    entries = [entry for entry in listed if isinstance(entry, dict)] if isinstance(listed, list) else []
    return tuple(
        Licence(entry["id"], _text(entry.get("name")), _address(entry.get("url")))
        for entry in entries
        if _is_id(entry.get("id"))
    )


def read_origins(content: dict[str, Any]) -> tuple[Origin, ...]:
    """The licence and the source of each image, in the order of the images.

    The source is ``flickr_url``, the photograph's own address, else ``coco_url``. It is never opened.

    Args:
        content: checked COCO annotations.
    """
    return tuple(
        Origin(
            image["license"] if _is_id(image.get("license")) else None,
            _address(image.get("flickr_url")) or _address(image.get("coco_url")),
        )
        for image in content["images"]
    )


def _is_id(value: Any) -> bool:
    return type(value) is int and abs(value) < ID_LIMIT


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value and not has_control(value) else None


def _address(value: Any) -> str | None:
    """The value if it is a web address. Others, for example scripts, must not become links."""
    # some copies of COCO's annotations escape the slashes of the licences twice
    text = (_text(value) or "").replace("\\/", "/")
    try:
        return text if urlsplit(text).scheme in ("http", "https") else None
    except ValueError:
        return None
