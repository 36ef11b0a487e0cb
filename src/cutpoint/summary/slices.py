"""The rows of per_slice.csv."""

import math

from cutpoint.records.comparison import Comparison, SliceDelta
from cutpoint.records.per_slice import SliceRow
from cutpoint.records.planned import PlannedRow
from cutpoint.records.slice_samples import SliceSamples, read_slice_samples
from cutpoint.records.slices import Slice, list_slices


def slice_rows(planned: PlannedRow, comparison: Comparison | None) -> list[SliceRow]:
    """A variant on each slice of its data set; none without slices.

    Args:
        planned: the paths of its files.
        comparison: with the reference; null for the reference itself.

    Raises:
        UserError: a file is not what it should be.
    """
    if planned.slices is None:
        return []
    samples = read_slice_samples(planned.slice_samples) if planned.slice_samples else None
    compared = {(part.name, part.value): part for part in (comparison.per_slice if comparison else ())}
    return [
        _row(planned, part, compared.get((part.name, part.value)), samples, number)
        for number, part in enumerate(list_slices(planned.slices))
    ]


def _row(
    planned: PlannedRow, part: Slice, compared: SliceDelta | None, samples: SliceSamples | None, number: int
) -> SliceRow:
    low, high = (compared and compared.delta_AP_ci95) or (None, None)
    return SliceRow(
        dataset=planned.dataset,
        model=planned.model,
        variant=planned.variant,
        name=part.name,
        value=part.value,
        images=len(part.images),
        images_with_objects=int(samples.images_with[number]) if samples else None,
        objects=int(samples.objects[number]) if samples else None,
        AP=_known(samples.ap[number, 0]) if samples else None,
        AP50=_known(samples.ap50[number]) if samples else None,
        AR100=_known(samples.recall[number]) if samples else None,
        delta_AP=compared.delta_AP if compared else None,
        delta_AP_lo=low,
        delta_AP_hi=high,
        different=compared.different if compared else None,
        agreement=compared.agreement if compared else None,
    )


def _known(value: float) -> float | None:
    return None if math.isnan(value) else float(value)
