"""Variants that were timed in turn: how fast they are, and how much faster than each other."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from cutpoint.latency.statistics import median_interval, median_ratio, rounds_of
from cutpoint.records.comparison import Interval
from cutpoint.records.recommendation import Speed
from cutpoint.records.timing import read_samples


@dataclass(frozen=True)
class PairedTimes:
    """``rounds``: of each variant, the totals of each round, ms; empty if none was timed."""

    rounds: Mapping[str, list[np.ndarray]]

    def interval(self, variant: str) -> Interval | None:
        """95 % interval of a variant's median, ms; null if it was not timed, or in a single round."""
        return median_interval(self.rounds[variant]) if variant in self.rounds else None

    def speed(self, variant: str, other: str) -> Speed | None:
        """How fast a variant is over another; null if one was not timed."""
        if variant not in self.rounds or other not in self.rounds:
            return None
        return median_ratio(other, self.rounds[other], self.rounds[variant])


def read_paired_times(path: str) -> PairedTimes:
    """Read ``results/latency/{dataset}/{model}/samples.parquet``.

    Raises:
        UserError: the file does not have samples.
    """
    rows, _ = read_samples(path)
    return PairedTimes({str(variant): rounds_of(own) for variant, own in rows.groupby("variant")})
