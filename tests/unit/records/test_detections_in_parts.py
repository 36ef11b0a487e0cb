"""A detections file is read some lines at a time, with the result and the messages of reading it whole."""

import json

import pytest

from cutpoint.errors import UserError
from cutpoint.records import detections
from cutpoint.records.detections import Refused, make_results, read_results, write_refusal

ENTRIES = [
    {"image_id": n, "category_id": 1 + n % 3, "bbox": [n / 7, 2.5, 1e-5, 30.0], "score": 0.1 * (n % 10)}
    for n in range(1, 40)
]


@pytest.fixture(autouse=True)
def _small_parts(monkeypatch):
    monkeypatch.setattr(detections, "PART_BYTES", 300)


def in_lines(entries):
    """As the workflow writes it."""
    return "[" + ",\n".join(map(json.dumps, entries)) + "]\n"


@pytest.mark.parametrize(
    "text",
    [
        in_lines(ENTRIES),
        in_lines(ENTRIES[:1]),
        in_lines([]),
        json.dumps(ENTRIES),
        json.dumps(ENTRIES, indent=1),
        "\n\n" + in_lines(ENTRIES) + "\n\n",
        in_lines(ENTRIES).replace(",\n", "\n,"),
    ],
    ids=["lines", "one", "none", "one line", "indented", "blank lines", "commas in front"],
)
def test_the_same_detections_in_any_layout(text, tmp_path):
    path = tmp_path / "d.json"
    path.write_text(text)
    assert read_results(path).is_same_as(make_results(json.loads(text)))


def test_lines_are_read_in_parts(tmp_path, monkeypatch):
    path = tmp_path / "d.json"
    path.write_text(in_lines(ENTRIES))
    monkeypatch.setattr(detections, "read_content", None)
    assert len(read_results(path)) == len(ENTRIES)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda text: text.replace(",\n", "\n"), r"not JSON"),
        (lambda text: text.replace(",\n", ",,\n"), r"not JSON"),
        (lambda text: text[: len(text) // 2], r"not JSON"),
        (lambda text: text[: text.index(",\n", 900) + 2], r"not JSON"),
        (lambda text: text + "[]", r"not JSON"),
        (lambda text: text.replace('"image_id": 30', '"image_id": "x"'), r"\[29\]\.image_id: expected int"),
    ],
    ids=["no commas", "two commas", "cut", "cut behind a line", "more behind", "wrong type"],
)
def test_a_broken_file_has_the_message_of_the_whole_file(spoil, message, tmp_path):
    path = tmp_path / "d.json"
    path.write_text(spoil(in_lines(ENTRIES)))
    with pytest.raises(UserError, match=message):
        read_results(path)


def test_a_refusal_is_read(tmp_path):
    path = tmp_path / "d.json"
    write_refusal(path, "NaN in boxes")
    with pytest.raises(Refused, match="NaN in boxes"):
        read_results(path)
