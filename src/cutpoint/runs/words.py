"""A comparison of two runs in words."""

from collections.abc import Iterable, Iterator, Sequence

from tabulate import tabulate

from cutpoint.printable import printable
from cutpoint.records.comparison import Interval
from cutpoint.records.run_comparison import (
    Change,
    DetectionChange,
    LatencyChange,
    RunComparison,
    VariantChange,
    read_run_comparison,
)
from cutpoint.summary.words import interval, signed

NOTHING = "nothing changed"
# lines of one part that are printed; the file and the page have all of them
SHOWN = 30


def show_run_comparison(path: str, page: str) -> None:
    """Print a comparison of two runs in short, and where the page with all of it is."""
    lines = ["", *as_lines(read_run_comparison(path)), "", f"cutpoint: all of it: {page}", ""]
    print(printable("\n".join(lines)))


def as_lines(compared: RunComparison) -> list[str]:
    """The comparison in short, for a terminal."""
    lines = [
        f"cutpoint: this run ({compared.run_code})",
        f"held against {compared.baseline} ({compared.baseline_code})",
    ]
    for title, part in (
        ("inputs", input_lines(compared)),
        ("detections", detection_lines(compared)),
        ("AP", ap_lines(compared)),
        ("latency", latency_lines(compared)),
    ):
        first, *rest = part
        more = [f"... and {len(rest) - SHOWN} more"] if len(rest) > SHOWN else []
        lines += ["", f"{title}: {first}", *(f"  {line}" for line in [*rest[:SHOWN], *more])]
    return lines


def input_lines(compared: RunComparison) -> list[str]:
    """What changed in the inputs: a heading, then one line for each change."""
    found = compared.inputs
    lines = [change_text(change) for change in found.changes]
    for side, names in (("baseline", compared.only_baseline), ("this run", compared.only_run)):
        lines += [f"only in {'the ' if side == 'baseline' else ''}{side}: {name}" for name in names]
    if not lines:
        return [NOTHING]
    if found.nothing_changed and not (compared.only_baseline or compared.only_run):
        return [f"{NOTHING} but names", *lines]
    counts = {
        "config": found.config,
        "versions": found.versions,
        "machine": found.machine,
        "files": found.files,
    }
    said = ", ".join(f"{len(changes)} in {name}" for name, changes in counts.items() if changes)
    alone = len(compared.only_baseline) + len(compared.only_run)
    parts = [f"changed: {said}"] if said else []
    return ["; ".join([*parts, *([f"{variants(alone)} in one run only"] if alone else [])]), *lines]


def change_text(change: Change) -> str:
    """``recipes.low.score_thr: 0.3 -> 0.4``."""
    old, new = (absent(value) for value in (change.baseline, change.run))
    return f"{change.key}: {old} -> {new}{' (same content)' if change.same_content else ''}"


def absent(value: str | None) -> str:
    """A value, or what stands for a missing one."""
    return "absent" if value is None else value


def detection_lines(compared: RunComparison) -> list[str]:
    """What changed in the detections: a heading, then one line for each variant that changed."""
    changed = [v for v in compared.variants if v.detections is None or v.detections.images_changed]
    count = len(compared.variants)
    if not count:
        return ["no variant is in both runs"]
    if not changed:
        return [f"{NOTHING} ({variants(count)})"]
    return [
        f"changed in {len(changed)} of {variants(count)}",
        *(f"{variant.title}: {detections_text(variant)}" for variant in changed),
    ]


def detections_text(variant: VariantChange) -> str:
    """How the detections of a variant changed."""
    boxes = variant.detections
    if boxes is None:
        return f"not compared ({variant.not_compared})"
    if not boxes.images_changed:
        return NOTHING
    return f"{boxes.images_changed} of {boxes.images} images differ, {_boxes(boxes)}"


def _boxes(boxes: DetectionChange) -> str:
    return (
        f"{boxes.only_baseline} of {boxes.baseline} boxes only in the baseline, "
        f"{boxes.only_run} of {boxes.run} only in this run"
    )


def ap_lines(compared: RunComparison) -> list[str]:
    """What changed in AP: a heading, then one line for each variant that changed or is not paired."""
    scored = [variant for variant in compared.variants if variant.ap]
    if not scored:
        return ["no ground truth in both runs"]
    changed = [variant for variant in scored if not unchanged(variant)]
    if not changed:
        return [f"{NOTHING} ({variants(len(scored))})"]
    return [
        f"changed in {len(changed)} of {variants(len(scored))}",
        *(f"{variant.title}: {ap_text(variant)}" for variant in changed),
    ]


def variants(count: int) -> str:
    """``1 variant``, ``2 variants``."""
    return f"{count} variant{'' if count == 1 else 's'}"


def is_changed(variant: VariantChange) -> bool:
    """Whether detections or AP of a variant changed, or cannot be compared."""
    boxes = variant.detections
    return boxes is None or boxes.images_changed > 0 or (variant.ap is not None and not unchanged(variant))


def unchanged(variant: VariantChange) -> bool:
    """Whether AP is the same, and pairs of resamples prove it."""
    ap = variant.ap
    return ap is not None and ap.delta_AP == 0 and (ap.delta_AP_ci95 or (0, 0)) == (0, 0)


def ap_text(variant: VariantChange) -> str:
    """How AP of a variant changed, with its flags."""
    ap = variant.ap
    if ap is None:
        return ""
    values = " -> ".join("none" if value is None else f"{value:.4f}" for value in (ap.baseline, ap.run))
    if ap.not_paired:
        return ", ".join([values, f"not paired: {ap.not_paired}", *([ap.verdict] if ap.verdict else [])])
    limits = interval(*ap.delta_AP_ci95) if ap.delta_AP_ci95 else "too few images"
    words = f"{values}, {signed(ap.delta_AP)} (95 % interval {limits}), {ap.verdict}"
    return "; ".join([words, *sided(variant.doubts_baseline, variant.doubts_run)])


def latency_lines(compared: RunComparison) -> list[str]:
    """How latency changed: a heading, then facts that forbid a claim, then a table."""
    timed = [(variant, variant.latency) for variant in compared.variants if variant.latency]
    if not timed:
        return ["not timed in both runs"]
    facts = dict.fromkeys(change_text(fact) for _, latency in timed for fact in latency.facts)
    claimed = sum(latency.claim is not None for _, latency in timed)
    said = f"compared for {claimed} of {variants(len(timed))}" if claimed else "no difference is claimed"
    cells = [
        {
            "variant": variant.title,
            "baseline [ms]": f"{latency.baseline_ms:.2f}",
            "this run": f"{latency.run_ms:.2f}",
            "difference": f"{latency.difference_ms:+.2f}",
            "95 % interval": milliseconds(latency.difference_ci95),
            "": claim_text(latency),
        }
        for variant, latency in timed
    ]
    table = tabulate(cells, headers="keys", tablefmt="plain", disable_numparse=True)
    return [
        f"medians from file to detections, this run - baseline; {said}",
        *(f"differs, so nothing is claimed: {fact}" for fact in facts),
        *table.splitlines(),
    ]


def claim_text(latency: LatencyChange) -> str:
    """The claim, or why there is none."""
    return latency.claim or f"not claimed ({'; '.join(obstacles(latency))})"


def obstacles(latency: LatencyChange) -> list[str]:
    """Why a difference in latency may not be claimed."""
    differing = [f"{_join(fact.key for fact in latency.facts)} differ"] if len(latency.facts) > 1 else []
    differing = differing or [f"{fact.key} differs" for fact in latency.facts]
    single = ["a single round"] if latency.difference_ci95 is None else []
    return [*differing, *sided(latency.doubts_baseline, latency.doubts_run), *single]


def milliseconds(limits: Interval | None) -> str:
    """An interval of milliseconds; empty if it is missing."""
    return "" if limits is None else f"{limits[0]:+.2f} to {limits[1]:+.2f}"


def sided(baseline: Sequence[str], run: Sequence[str]) -> list[str]:
    """Flags with the side that has them."""
    return list(_sided(baseline, run))


def _sided(baseline: Sequence[str], run: Sequence[str]) -> Iterator[str]:
    for word in dict.fromkeys([*baseline, *run]):
        sides = [name for name, words in (("baseline", baseline), ("this run", run)) if word in words]
        yield f"{sides[0] if len(sides) == 1 else 'both runs'}: {word}"


def _join(names: Iterable[str]) -> str:
    return ", ".join(names)
