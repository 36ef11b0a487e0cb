"""Bad inputs: results files."""

from bad_input import RESULTS, BadInput, edit_json

ROWS = [
    BadInput(
        "result without score",
        "results: a detection without score",
        edit_json(RESULTS, lambda c: c[1].pop("score")),
        (
            "variants.finished.results results.json: entry 1 (counted from 0) needs the keys "
            "image_id, category_id, bbox, score"
        ),
    ),
]
