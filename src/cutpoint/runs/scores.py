"""How AP differs between two runs of a variant."""

from typing import Any

from cutpoint.compare.bootstrap import Estimate, delta
from cutpoint.compare.comparison import find_weakness
from cutpoint.compare.verdict import decide, lossless
from cutpoint.records.detections import Results
from cutpoint.records.resamples import Resamples
from cutpoint.records.run_comparison import ApChange


def compare_ap(
    values: tuple[float | None, float | None],
    samples: tuple[Resamples, Resamples],
    detections: tuple[Results, Results],
    *,
    identical: bool,
    obstacle: str | None,
    settings: dict[str, Any],
) -> ApChange:
    """The difference in AP, run - baseline, from the resamples that both runs stored.

    Args:
        values: AP of baseline and run, fractions.
        samples: of baseline and run.
        detections: of baseline and run, on the same images.
        identical: whether the detections are exactly the same.
        obstacle: why the two cannot be paired; null if they can.
        settings: ``comparison`` of the run's config.
    """
    weakness = find_weakness(detections[0], samples[0])
    total: Estimate | None = None
    if obstacle is None and weakness is None:
        try:
            total = delta(*samples).total
        except ValueError as error:
            obstacle = str(error)
    verdict = None
    if obstacle is None:
        limits = {"corner_px": settings["corner_px"], "score": settings["score"]}
        alike = identical or lossless(*detections, **limits).holds
        verdict = decide(alike, total, settings["margin"]).word
    return ApChange(
        baseline=values[0],
        run=values[1],
        delta_AP=total.value if total else None,
        delta_AP_ci95=total.ci95 if total else None,
        delta_AP_ci90=total.ci90 if total else None,
        verdict=verdict,
        not_paired=obstacle or (f"weak baseline: {weakness}" if weakness else None),
    )
