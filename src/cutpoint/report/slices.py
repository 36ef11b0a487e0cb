"""The page about slices: each variant on the images that share a value."""

from dataclasses import dataclass

from cutpoint.compare.baseline import MIN_IMAGES
from cutpoint.records.comparison import SliceDelta, read_comparison
from cutpoint.report.section import Entry, Section
from cutpoint.summary.words import interval


@dataclass(frozen=True)
class SliceLine:
    """A variant on a slice; ``first``: of the slice's lines."""

    variant: str
    part: SliceDelta
    first: bool

    @property
    def interval(self) -> str:
        """The interval, or why there is none."""
        if self.part.delta_AP_ci95:
            return interval(*self.part.delta_AP_ci95)
        if self.part.images_with_objects == 0:
            return "no objects"
        return f"fewer than {MIN_IMAGES} images"

    @property
    def different(self) -> str:
        """Whether it differs from the reference, and if so whether it is better; empty if it is not known."""
        if self.part.different is None:
            return ""
        return f"yes{', better: suspicious' * bool(self.part.suspicious)}" if self.part.different else "no"


@dataclass(frozen=True)
class SliceTable:
    """The lines, slice by slice. ``labelled``: whether there is ground truth."""

    lines: list[SliceLine]
    labelled: bool
    least: int = MIN_IMAGES


def slice_table(comparisons: list[Entry]) -> SliceTable | None:
    """Every variant on every slice; null without slices.

    Args:
        comparisons: ``{variant, path}`` of every comparison JSON.
    """
    read = [(entry["variant"], read_comparison(entry["path"]).per_slice) for entry in comparisons]
    by_slice: dict[str, list[tuple[str, SliceDelta]]] = {}
    for variant, parts in read:
        for part in parts:
            by_slice.setdefault(part.title, []).append((variant, part))
    lines = [
        SliceLine(variant, part, number == 0)
        for own in by_slice.values()
        for number, (variant, part) in enumerate(own)
    ]
    labelled = any(line.part.objects is not None for line in lines)
    return SliceTable(lines, labelled) if lines else None


SLICES = Section("Slices", "comparisons", slice_table, "slices.html.j2")
