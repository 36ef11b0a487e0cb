"""Every case is opened once, offline, and looked at: wide, narrow, dark, printed."""

import re
from pathlib import Path

import pytest
from looks import headings, looked_at, open_all, too_wide
from page_cases import CASES

AUDITED = ("plain", "hostile")


@pytest.mark.parametrize("case", CASES)
def test_nothing_is_wrong_with_it(page_of, case):
    page = page_of(case)
    assert page.title() == "Cutpoint report"
    assert looked_at(page, audited=case in AUDITED) == {}
    # no name became an element or ran: the fixture hears dialogs
    assert page.locator("img[src=x], svg[onload]").count() == 0


@pytest.mark.parametrize("case", ["plain", "hostile"])
def test_without_scripts_all_tables_and_figures_are_there(page_of, report_of, case):
    page = page_of(case, java_script_enabled=False, viewport={"width": 400, "height": 800})
    text = report_of(case).read_text(encoding="utf-8")
    html = re.sub(r"<script.*?</script>", "", text, flags=re.DOTALL)
    assert page.locator("table").count() == len(re.findall("<table", html)) > 0
    assert page.locator("table:not(:has(tbody tr))").count() == 0
    figures = page.locator("figure[data-chart]")
    assert figures.count() > 0
    for figure in figures.all():
        assert figure.locator("svg").is_visible()
    open_all(page)
    assert too_wide(page, 400) == []
    assert headings(page) == []


def test_the_keyboard_skips_to_the_content_and_its_place_is_seen(page_of):
    page = page_of("single", reduced_motion="reduce")
    page.keyboard.press("Tab")
    skip = page.locator(":focus")
    assert skip.inner_text() == "Skip to the content"
    assert skip.bounding_box()["y"] >= 0
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "content"
    for _ in range(5):
        page.keyboard.press("Tab")
        focused = page.locator(":focus")
        assert focused.evaluate("e => e.closest('main') !== null")
        assert focused.evaluate("e => getComputedStyle(e).outlineStyle") != "none"
    moving = """() => [...document.querySelectorAll('*')].filter((e) => {
      const style = getComputedStyle(e);
      return [style.transitionDuration, style.animationDuration].some((time) => parseFloat(time) > 0.01);
    }).map((e) => e.outerHTML.slice(0, 120))"""
    assert page.evaluate(moving) == []


def test_a_pdf_has_every_page_and_leaves_the_page_as_it_was(page_of):
    page = page_of("plain")
    closed = page.locator("details:not([open])").count()
    written = page.pdf(format="A4")
    assert len(re.findall(rb"/Type /Page\b", written)) >= 4
    assert page.locator("details:not([open])").count() == closed


def test_many_doubts_about_a_latency_do_not_widen_the_ladder(page_of):
    """A busy machine: every image size of the warm-up was unsteady."""
    page = page_of("plain", viewport={"width": 1280, "height": 900})
    words = "warm-up not steady at " + ", ".join(f"{320 + 32 * n}x320" for n in range(12)) + ", disturbed"
    widths = page.evaluate(
        """(words) => { const ladder = document.querySelector("table.ladder");
        for (const row of ladder.tBodies[0].rows) row.lastElementChild.insertAdjacentHTML("beforeend",
            `<small class="bad" data-part="doubt">${words}</small>`);
        return [ladder.scrollWidth, ladder.parentElement.clientWidth]; }""",
        words,
    )
    assert widths[0] <= widths[1]


def test_the_demo_in_results_is_as_good(browser, open_report):
    report = Path(__file__).parents[2] / "results" / "report.html"
    if not report.exists():
        pytest.skip("the demo's report: none in results; make demo")
    assert looked_at(open_report(report)) == {}
