"""What the readers return, and the tally of what they cannot read and what gets lost."""

from dataclasses import dataclass, field
from pathlib import Path

from cutpoint.errors import show
from cutpoint.printable import printable
from cutpoint.records.conversion import Loss


@dataclass(frozen=True, slots=True)
class Box:
    """A box of an image.

    Attributes:
        image: the image's file name, from the images folder.
        category: its category's name.
        corners: ``x1, y1, x2, y2``; pixels of the image, or fractions of its width and height.
        place: where the user's files have it.
        is_crowd: detections on it do not count, neither as found nor as mistakes.
        area: of the object in the box, in the square of the corners' unit; null for the box's own.
    """

    image: str
    category: str
    corners: tuple[float, float, float, float]
    place: str
    is_crowd: bool = False
    area: float | None = None


@dataclass(frozen=True)
class Content:
    """What is in the user's files.

    Attributes:
        images: file names, from the images folder; each once.
        categories: names, in the format's order.
        boxes: in the order of the files.
        sizes: width and height (px) of images, as the files say; others are read from the images.
        are_fractions: whether corners are fractions of the image's size.
    """

    images: tuple[str, ...]
    categories: tuple[str, ...]
    boxes: tuple[Box, ...]
    sizes: dict[str, tuple[int, int]] = field(default_factory=dict)
    are_fractions: bool = False


@dataclass(frozen=True)
class Source:
    """The user's files: ``annotations``, a file or a folder, and the folder of the images."""

    annotations: Path
    images: Path


# losses of formats without a list of their classes, and without crowd or ignore flags
NO_LIST = "class of a format that does not list them"
NO_FLAGS = "box of a format without crowd or ignore flags"


class Tally:
    """Counts problems and losses by kind, each with its first place."""

    def __init__(self) -> None:
        self._problems: dict[tuple[str, str], tuple[int, str]] = {}
        self._losses: dict[tuple[str, str], tuple[int, str | None]] = {}

    def problem(self, what: str, place: str, mend: str, value: object = None) -> None:
        """Count something that cannot be read.

        Args:
            what: the kind, without its place and value.
            place: where the user's files have it.
            mend: what to do.
            value: what stands there; null if there is nothing to show.
        """
        at = place if value is None else f"{place} ({show(value)})"
        count, first = self._problems.get((what, mend), (0, at))
        self._problems[what, mend] = count + 1, first

    def lose(self, what: str, fate: str, place: str | None = None, count: int = 1) -> None:
        """Count something that changes or is left out; arguments as the attributes of ``Loss``."""
        if count:
            before, first = self._losses.get((what, fate), (0, place))
            self._losses[what, fate] = before + count, first

    def problems(self, where: str) -> tuple[str, ...]:
        """A message for each kind. ``where``: their start."""
        return tuple(
            printable(f"{where}: {what}: {count}, first {first}; {mend}")
            for (what, mend), (count, first) in self._problems.items()
        )

    def lose_flags(self, boxes: int) -> None:
        """Count the boxes of a file that cannot say which of them are crowds."""
        self.lose(NO_FLAGS, "every box counts as an object", count=boxes)

    @property
    def has_problems(self) -> bool:
        """Whether there is one."""
        return bool(self._problems)

    @property
    def losses(self) -> tuple[Loss, ...]:
        """In the order in which their kinds were seen."""
        return tuple(
            Loss(what, count, fate, None if first is None else printable(first))
            for (what, fate), (count, first) in self._losses.items()
        )
