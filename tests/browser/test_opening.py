"""The page opens from the disk, whole, also without scripts."""

import pytest
from cases import CASES

PARTS = "document.querySelectorAll('table').length"


@pytest.mark.parametrize("case", CASES)
def test_it_opens_offline_and_says_nothing(page_of, case):
    page = page_of(case)
    assert page.title() == "Cutpoint report"
    # what happens only when it is seen
    page.evaluate("document.querySelectorAll('details').forEach((part) => (part.open = true))")
    for height in range(0, page.evaluate("document.documentElement.scrollHeight"), 700):
        page.evaluate("(top) => window.scrollTo(0, top)", height)
        page.wait_for_timeout(30)


def test_without_scripts_all_tables_and_figures_are_there(page_of, report_of):
    page = page_of("plain", java_script_enabled=False)
    html = report_of("plain").read_text(encoding="utf-8")
    for table in page.locator("table").all():
        assert table.locator("tr").count() > 0
    figures = page.locator("figure[data-chart]")
    assert figures.count() == html.count("data-chart>") > 0
    for figure in figures.all():
        assert figure.locator("svg").is_visible()
