"""What the page says about variants that were held against typical mistakes."""

from typing import Any

from cutpoint.files import read_json

SHOWN = 3


def mistakes_table(diagnoses: list[dict[str, str]]) -> list[dict[str, Any]]:
    """Of each diagnosed variant what is said of it, and the nearest mistakes.

    Args:
        diagnoses: ``{variant, path}`` of every diagnosis JSON.
    """
    lines = []
    for entry in diagnoses:
        found = read_json(entry["path"])
        nearest = [
            {
                "mistake": " / ".join(line["texts"]),
                "distance": f"{line['distance']:.2f}",
                "same": "" if line["same"] is None else f"{line['same']:.1%}",
            }
            for line in found["ranking"][:SHOWN]
        ]
        limit = "" if found["limit"] is None else f"{found['limit']:.2f}"
        keys = ("images", "verdict", "text")
        said = {key: found[key] for key in keys}
        lines.append({"variant": entry["variant"], **said, "limit": limit, "nearest": nearest})
    return lines
