"""Bad inputs: annotation files."""

from bad_input import ANNOTATIONS, BadInput, edit_json, write

ROWS = [
    BadInput(
        "annotations without categories",
        "annotations: no categories",
        edit_json(ANNOTATIONS, lambda c: c.pop("categories")),
        ("datasets.street.annotations truth.json: no list 'categories'; it is not a COCO detection file"),
    ),
    BadInput(
        "annotations that are no JSON",
        "annotations: text that is not JSON",
        write(ANNOTATIONS, "{"),
        (
            "datasets.street.annotations truth.json: not JSON (Expecting property name enclosed in "
            "double quotes: line 1 column 2 (char 1))"
        ),
    ),
]
