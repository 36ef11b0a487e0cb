"""The ladder: delta AP from rung to rung, telescoping to the total."""

from typing import Any

from cutpoint.files import read_json, write_json


def build_ladder(
    *, rungs: list[dict[str, Any]], reference: str, published_ap: float | None, out: str
) -> None:
    """Write the ladder JSON of one data set and model.

    Args:
        rungs: in order, ``{variant, metrics, comparison, latency, changes}``: the name, the paths of its JSON
            files (``metrics`` null without annotations, ``comparison`` null for the reference) and what
            differs from the rung before, in words.
        reference: name of the reference variant.
        published_ap: the AP published for the model, a fraction; shown as rung 0 by itself.
        out: JSON file to write.
    """
    rows, previous, reference_ap = [], None, None
    for rung in rungs:
        if rung["variant"] == reference and rung["metrics"]:
            reference_ap = read_json(rung["metrics"])["AP"]
    for rung in rungs:
        ap = read_json(rung["metrics"])["AP"] if rung["metrics"] else None
        comparison = read_json(rung["comparison"]) if rung["comparison"] else {"agreement": None}
        rows.append(
            {
                "variant": rung["variant"],
                "changes": rung["changes"],
                "AP": ap,
                "delta_to_previous": _difference(ap, previous),
                "delta_to_reference": None if rung["variant"] == reference else _difference(ap, reference_ap),
                "agreement": comparison["agreement"],
                "latency_p50_ms": read_json(rung["latency"])["stages"]["total"]["p50"],
            }
        )
        previous = ap
    write_json(out, {"reference": reference, "published_ap": published_ap, "rungs": rows})


def _difference(value: float | None, base: float | None) -> float | None:
    return None if value is None or base is None else value - base
