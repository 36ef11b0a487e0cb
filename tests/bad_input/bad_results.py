"""Bad inputs: results files."""

import gzip
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bad_input import RESULTS, BadInput, Change, edit_json, write

# a text with line breaks, as a message shows it
LINES = r"x\n" * 30


def edit(make: Callable[[list[Any]], Any]) -> Change:
    """Write what a function makes of the detections."""

    def change(folder: Path) -> None:
        entries = json.loads((folder / RESULTS).read_text())
        (folder / RESULTS).write_text(json.dumps(make(entries)))

    return change


def put(**values: Any) -> Change:
    """Change values of the second detection."""
    return edit_json(RESULTS, lambda entries: entries[1].update(values))


def less(key: str) -> Change:
    """Each id one less."""
    return edit(lambda entries: [entry | {key: entry[key] - 1} for entry in entries])


def several(entries: list[Any]) -> list[Any]:
    """Faults of four kinds, of which one is there twice."""
    changes = ({"score": None}, {"bbox": []}, {"category_id": "1"}, {"score": "0.5"})
    return [7, *(entry | change for entry, change in zip(entries, changes, strict=False)), *entries[4:]]


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
    BadInput(
        "results object",
        "results: an object in place of the list",
        edit(lambda entries: {"annotations": entries}),
        (
            "variants.finished.results results.json: not a list; the COCO results format is a JSON "
            "list of detections"
        ),
    ),
    BadInput(
        "results nested list",
        "results: a list in the list",
        edit(lambda entries: [entries]),
        (
            "variants.finished.results results.json: entry 0 (counted from 0) needs the keys "
            "image_id, category_id, bbox, score"
        ),
    ),
    BadInput(
        "results empty file",
        "results: an empty file",
        write(RESULTS, b""),
        ("variants.finished.results results.json: it is empty; copy or download it again"),
    ),
    BadInput(
        "results cut off",
        "results: a file that ends in the middle",
        write(RESULTS, '[{"image_id": 1,'),
        (
            "variants.finished.results results.json: ends in the middle (Expecting property name "
            "enclosed in double quotes); it is not complete: write, copy or download it again"
        ),
    ),
    BadInput(
        "results JSON lines",
        "results: JSON lines",
        write(RESULTS, '{"image_id": 1}\n{"image_id": 2}\n'),
        (
            "variants.finished.results results.json: more than one JSON value, as in JSON lines "
            "(Extra data: line 2 column 1 (char 16)); write one list or object"
        ),
    ),
    BadInput(
        "results gzip",
        "results: a gzip file",
        write(RESULTS, gzip.compress(b"[]")),
        ("variants.finished.results results.json: it is a gzip file; unpack it (gunzip)"),
    ),
    BadInput(
        "results latin-1",
        "results: not UTF-8",
        write(RESULTS, '["\xe9"]'.encode("latin-1")),
        ("variants.finished.results results.json: not UTF-8 text; save the JSON as UTF-8, not compressed"),
    ),
    BadInput(
        "results deep nesting",
        "results: 100000 open brackets",
        write(RESULTS, "[" * 100_000),
        (
            "variants.finished.results results.json: nested too deeply; it is not a file of "
            "annotations or results"
        ),
    ),
    BadInput(
        "results score nan",
        "results: a score of NaN",
        put(score=math.nan),
        (
            "variants.finished.results results.json: entry 1 (counted from 0) has score nan; a finite"
            " number is needed"
        ),
    ),
    BadInput(
        "results score text",
        "results: a score in quotes",
        put(score="0.9"),
        (
            "variants.finished.results results.json: entry 1 (counted from 0) has score '0.9'; a "
            "finite number is needed"
        ),
    ),
    BadInput(
        "results score null",
        "results: a score of null",
        put(score=None),
        (
            "variants.finished.results results.json: entry 1 (counted from 0) has score None; a "
            "finite number is needed"
        ),
    ),
    BadInput(
        "results score true",
        "results: a score of true",
        put(score=True),
        (
            "variants.finished.results results.json: entry 1 (counted from 0) has score True; a "
            "finite number is needed"
        ),
    ),
    BadInput(
        "results bbox inf",
        "results: a bbox with Infinity",
        put(bbox=[1, 2, math.inf, 4]),
        (
            "variants.finished.results results.json: entry 1 (counted from 0) has bbox [1, 2, inf, "
            "4]; four finite numbers x, y, width, height are needed"
        ),
    ),
    BadInput(
        "results bbox 1e300",
        "results: a bbox with 1e300",
        put(bbox=[1, 2, 3, 1e300]),
        (
            "variants.finished.results results.json: entry 1 (counted from 0) has bbox [1, 2, 3, "
            "1e+300]; no image has 1e+15 pixels"
        ),
    ),
    BadInput(
        "results bbox text",
        "results: a bbox of text",
        put(bbox="1 2 3 4"),
        (
            "variants.finished.results results.json: entry 1 (counted from 0) has bbox '1 2 3 4'; "
            "four finite numbers x, y, width, height are needed"
        ),
    ),
    BadInput(
        "results bbox five",
        "results: a bbox of five numbers",
        put(bbox=[1, 2, 3, 4, 0.5]),
        (
            "variants.finished.results results.json: entry 1 (counted from 0) has bbox [1, 2, 3, 4, "
            "0.5]; four finite numbers x, y, width, height are needed"
        ),
    ),
    BadInput(
        "results image id null",
        "results: an image_id of null",
        put(image_id=None),
        (
            "variants.finished.results results.json: entry 1 (counted from 0) has image_id None; a "
            "whole number, or the stem of a file name, is needed"
        ),
    ),
    BadInput(
        "results image id huge",
        "results: an image_id of 10^30",
        put(image_id=10**30),
        (
            "variants.finished.results results.json: entry 1 (counted from 0) has image_id "
            "1000000000000000000000000000000, which data set street does not have as an id or the "
            "stem of a file name"
        ),
    ),
    BadInput(
        "results image id unknown",
        "results: an image_id that the data set does not have",
        put(image_id=99),
        (
            "variants.finished.results results.json: entry 1 (counted from 0) has image_id 99, which "
            "data set street does not have as an id or the stem of a file name"
        ),
    ),
    BadInput(
        "results image id name",
        "results: a file name that the data set does not have",
        put(image_id="../../secret"),
        (
            "variants.finished.results results.json: entry 1 (counted from 0) has image_id "
            "'../../secret', which data set street does not have as the stem of a file name"
        ),
    ),
    BadInput(
        "results image ids from 0",
        "results: image ids that are one less",
        less("image_id"),
        (
            "variants.finished.results results.json: entry 0 (counted from 0) has image_id 0, which "
            "data set street does not have as an id or the stem of a file name (every one would be "
            "known with +1)"
        ),
    ),
    BadInput(
        "results image id long",
        "results: an image_id of a million characters, every second a line break",
        put(image_id="x\n" * 500_000),
        (
            "variants.finished.results results.json: entry 1 (counted from 0) has image_id "
            f"'{LINES}'..., "
            "which data set street does not have as the stem of a file name"
        ),
    ),
    BadInput(
        "results category text",
        "results: one category_id in quotes",
        put(category_id="1"),
        (
            "variants.finished.results results.json: entry 1 (counted from 0) has category_id '1'; a "
            "whole number is needed"
        ),
    ),
    BadInput(
        "results category half",
        "results: a category_id of 1.5",
        put(category_id=1.5),
        (
            "variants.finished.results results.json: entry 1 (counted from 0) has category_id 1.5; a "
            "whole number is needed"
        ),
    ),
    BadInput(
        "results category unknown",
        "results: a category_id that the data set does not have",
        put(category_id=80),
        (
            "variants.finished.results results.json: entry 1 (counted from 0) has category_id 80, "
            "which data set street does not have; say what category_id is with category_ids: dataset "
            "(the data set's own ids; 5 of 6 entries fit, 1 would be 'pedestrian'), label (classes "
            "from 0; 3 of 6 entries fit, 1 would be 'non-motor-vehicle'), label_plus_one (classes "
            "from 1; 5 of 6 entries fit, 1 would be 'pedestrian')"
        ),
    ),
    BadInput(
        "results categories from 0",
        "results: category ids that are one less",
        less("category_id"),
        (
            "variants.finished.results results.json: entry 0 (counted from 0) has category_id 0, "
            "which data set street does not have (every one would be known with +1); say what "
            "category_id is with category_ids: dataset (the data set's own ids; 5 of 6 entries fit, 3"
            " would be 'motor-vehicle'), label (classes from 0; 6 of 6 entries fit, 3 would be "
            "'other'), label_plus_one (classes from 1; 5 of 6 entries fit, 3 would be "
            "'motor-vehicle')"
        ),
    ),
    BadInput(
        "results wrong file name",
        "results: a file_name of another image",
        put(file_name="3.png"),
        (
            "variants.finished.results results.json: entry 1 (counted from 0) has image_id 1 and "
            "file_name '3.png', but that image of data set street is 1.png; use the file that was "
            "made on these images"
        ),
    ),
    BadInput(
        "results several faults",
        "results: several faults at once",
        edit(several),
        (
            "variants.finished.results results.json: entry 0 (counted from 0) needs the keys "
            "image_id, category_id, bbox, score\n"
            "variants.finished.results results.json: entry 3 (counted from 0) has category_id '1'; a "
            "whole number is needed\n"
            "variants.finished.results results.json: entry 2 (counted from 0) has bbox []; four "
            "finite numbers x, y, width, height are needed\n"
            "variants.finished.results results.json: entry 1 (counted from 0) has score None; a "
            "finite number is needed (2 of 7 entries are so)"
        ),
    ),
]
