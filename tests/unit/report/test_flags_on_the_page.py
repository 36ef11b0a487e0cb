"""No number on the page stands without its flag: each flag in turn, in every part."""

import re

import pytest
from page_fixtures import page_arguments, with_flags

from cutpoint.records.summary import OF_DETECTIONS, OF_TIMES, read_summary
from cutpoint.report.page import render_report
from cutpoint.summary.flags import FLAGS

VALUES = {"refused": "NaN", "weak_reference": "AP 0.0", "doubtful": ("2 of 4",), "unsteady": ("8x8",)}
VALUES |= {"images_skipped": 2, "timed_batch": 4, "timed_recipe": "other"}
CHECKS = [
    {"dataset": "street", "model": "det", "variant": "e2e", "column": column, "bound": bound, "limit": 1.0}
    for column, bound in (("AP", "min"), ("latency_p50_ms", "max"))
]


@pytest.fixture(scope="module")
def arguments(tmp_path_factory):
    return page_arguments(tmp_path_factory.mktemp("flags"), gate=CHECKS, datasets={"street": True})


def rows_of(html: str, section: str) -> list[str]:
    """The text of each row about e2e in a section of the page."""
    start = html.index(f'<section id="{section}"')
    part = html[start : html.index("\n</section>", start)]
    rows = re.findall(r'<tr data-variant="e2e".*?</tr>', part, re.DOTALL)
    return [" ".join(re.sub(r"<[^>]*>", " ", row).split()) for row in rows]


@pytest.mark.parametrize("flag", FLAGS)
def test_each_flag_stands_beside_the_numbers_that_it_makes_doubtful(arguments, tmp_path, flag):
    flagged = with_flags(arguments, tmp_path, "street", e2e={flag: VALUES.get(flag, True)})
    row = next(row for row in read_summary(flagged["summary"]) if row.variant == "e2e")
    word = FLAGS[flag].word(row)
    render_report(**flagged, out=str(tmp_path / "report.html"))
    html = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert f"<strong>{word}</strong>" in html.split('id="gate"')[0]  # on the first screen
    every, (ap, latency) = rows_of(html, "set-0"), rows_of(html, "gate")
    table, ladder = every[:2]
    assert len(every) > 5
    if flag in OF_DETECTIONS:
        assert [row for row in every if word not in row] == []
        assert word in ap
    if flag in OF_TIMES:
        assert [row for row in (table, ladder, latency) if word not in row] == []
        assert len(rows_of(html, "timing")) == 2
        assert [row for row in rows_of(html, "timing") if word not in row] == []


def test_a_difference_from_a_doubtful_rung_is_doubtful_too(arguments, tmp_path):
    flagged = with_flags(arguments, tmp_path, "street", raw={"disturbed": True, "doubtful": ("2 of 4",)})
    render_report(**flagged, out=str(tmp_path / "report.html"))
    html = (tmp_path / "report.html").read_text(encoding="utf-8")
    _, ladder, *_ = rows_of(html, "set-0")
    # ΔAP from the rung before and agreement with it; the difference in time
    assert (ladder.count("doubtful"), ladder.count("disturbed")) == (2, 1)


def test_numbers_in_sentences_have_their_flags(arguments, tmp_path):
    flagged = with_flags(arguments, tmp_path, "street", e2e={"disturbed": True, "doubtful": ("2 of 4",)})
    flagged = with_flags(flagged, tmp_path, "street", raw={"disturbed": True})
    render_report(**flagged, out=str(tmp_path / "report.html"))
    html = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "to 35.8 ms (raw, disturbed)." in html
    assert "e2e is equivalent: largest |delta AP| 0.0002 [doubtful]." in html
