import re
from pathlib import Path

import pytest
from report_fixtures import summary_row

from cutpoint.records.summary import shown_columns
from cutpoint.summary.numbers import NUMBERS, as_markdown, number_of, obstacles
from cutpoint.summary.words import is_number

DOCUMENT = Path(__file__).parents[3] / "docs/numbers.md"
FREE = {"limit": None, "invalid_boxes": None}


def test_every_number_of_the_comparison_table_says_what_it_is():
    heads = [column.page for column in shown_columns("page") if is_number(column.page_style or column.style)]
    assert len(heads) > 8
    assert [head for head in heads if number_of(head) is None] == []


def test_a_head_has_one_meaning():
    heads = [head for number in NUMBERS.values() for head in number.heads]
    assert len(heads) == len(set(heads))
    assert number_of("IoU 0.5") == "agreement"
    assert number_of("from 0.9") == "score-drift"
    assert number_of("from score") == "agreement-f1"
    assert number_of("p50 [ms]") == "latency"
    assert number_of("model [MB]") == "model-mb"
    assert number_of("variant") is None


def test_only_cocos_own_numbers_are_those_of_leaderboards():
    comparable = {key for key, number in NUMBERS.items() if number.comparable}
    assert comparable == {"ap", "ap50", "ap75"}
    assert all("COCOeval" in NUMBERS[key].made_by for key in comparable)


def test_ap_of_all_images_and_categories_is_comparable():
    assert obstacles([summary_row(AP=0.5)], FREE) == []


@pytest.mark.parametrize(
    ("cells", "dataset", "said"),
    [
        ({"AP": 0.5}, FREE | {"limit": 100}, "limit 100"),
        ({"AP": 0.5}, FREE | {"invalid_boxes": "drop"}, "invalid_boxes"),
        ({"AP": 0.5, "categories_left_out": 2, "boxes_left_out": 31}, FREE, "2 categories with 31 boxes"),
        ({"AP": 0.5, "images_skipped": 3}, FREE, "3 images cannot be read and are not scored"),
        ({}, FREE, "no AP"),
    ],
)
def test_what_keeps_ap_from_a_leaderboard_is_said(cells, dataset, said):
    (found,) = obstacles([summary_row(**cells)], dataset)
    assert said in found


def test_the_document_has_the_same_table_as_the_page():
    text = DOCUMENT.read_text(encoding="utf-8")
    table = re.search(r"<!-- numbers -->\n(.*)\n<!-- end -->", text, re.DOTALL)
    assert table, "docs/numbers.md has no table between <!-- numbers --> and <!-- end -->"
    made = as_markdown()
    assert table[1] == made, f"replace the table of docs/numbers.md by:\n{made}"
