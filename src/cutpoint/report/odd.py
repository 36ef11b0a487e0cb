"""The page about what is odd in the annotations of a data set."""

import base64
from dataclasses import dataclass
from pathlib import Path

from cutpoint.records.oddities import INDEX, OddImage, Oddity, read_oddities
from cutpoint.report.section import Entry, Section


@dataclass(frozen=True)
class Kind:
    """A kind of odd thing; ``uri``: its picture, null without one."""

    odd: Oddity
    uri: str | None

    @property
    def spread(self) -> str:
        """On how many images, where that is not what is counted."""
        images = self.odd.images
        return f", on {images} image{'s' * (images != 1)}" if self.odd.unit == "annotations" else ""

    @property
    def shown(self) -> str:
        """Which images are in the picture."""
        worst, images = len(self.odd.worst), self.odd.images
        return "all of them" if worst == images else f"the {worst} worst that may be shown"


@dataclass(frozen=True)
class OddData:
    """The kinds of a data set."""

    dataset: str
    kinds: list[Kind]


def build_odd(entries: list[Entry]) -> OddData | None:
    """What is odd in the data set of the first entry, the only one of a data set; null if nothing is."""
    if not entries:
        return None
    folder = Path(entries[0]["path"])
    found = read_oddities(folder / INDEX)
    kinds = [Kind(odd, _uri(folder / odd.picture) if odd.picture else None) for odd in found.kinds]
    return OddData(found.dataset, kinds) if kinds else None


def in_words(image: OddImage) -> str:
    """An image of a picture, in words."""
    said = f": {image.said}" if image.said else ""
    return f"{image.title}{said}"


def _uri(path: Path) -> str:
    return f"data:image/jpeg;base64,{base64.b64encode(path.read_bytes()).decode()}"


ODD = Section("Annotations", "odd", build_odd, "odd.html.j2")
