"""What a reader does: sort, filter, hide, highlight, darken, pass the link on."""

import csv
import re

import pytest
from playwright.sync_api import expect

# the comparison table of the first data set, once it is live
TABLE = "#set-0 .enhanced:has(.tabulator-col)"


@pytest.fixture
def page(page_of):
    """Opened at the first comparison table."""
    return at_table(page_of("disturbed"))


def at_table(page):
    page.locator("#set-0-title").scroll_into_view_if_needed()
    expect(page.locator(TABLE).first).to_be_visible()
    return page


def variants(page):
    """Names in the order of the comparison table."""
    rows = page.locator(TABLE).first.locator(".tabulator-row:visible")
    return rows.evaluate_all("rows => rows.map((row) => row.dataset.variant)")


def head(page, title):
    return page.locator(TABLE).first.locator(".tabulator-col").get_by_role("button", name=title, exact=True)


def open_toolbox(page):
    page.get_by_role("button", name="Toolbox").click()
    return page.locator("#toolbox-panel")


def test_sorting_keeps_the_reference_on_top_and_is_in_the_link(page, page_of):
    assert variants(page) == ["pytorch", "raw", "e2e", "raw-int8"]
    head(page, "AP").click()
    expect(page.locator(TABLE).first.locator(".tabulator-col[aria-sort=descending]")).to_have_count(1)
    assert variants(page) == ["pytorch", "raw", "e2e", "raw-int8"]
    head(page, "AP").click()
    expect(page.locator(TABLE).first.locator(".tabulator-col[aria-sort=ascending]")).to_have_count(1)
    assert variants(page) == ["pytorch", "raw-int8", "e2e", "raw"]
    other = at_table(page_of("disturbed", "#" + page.url.split("#")[1]))
    assert variants(other) == ["pytorch", "raw-int8", "e2e", "raw"]


def test_filters_compare_numbers_and_search_words(page):
    page.locator(TABLE).first.get_by_role("button", name="Filter", exact=True).click()
    field = page.locator(TABLE).first.get_by_label("Filter AP", exact=True)
    field.press_sequentially("< 0.57")
    expect(page.locator(TABLE).first.get_by_text("2 of 4 rows")).to_be_visible()
    assert variants(page) == ["pytorch", "raw-int8"]
    page.reload()
    at_table(page)
    assert variants(page) == ["pytorch", "raw-int8"]
    field.press("Control+A")
    field.press("Delete")
    page.locator(TABLE).first.get_by_label("Filter variant", exact=True).press_sequentially("E2E")
    expect(page.locator(TABLE).first.locator(".tabulator-row[data-variant=raw-int8]")).to_have_count(0)
    expect(page.locator(TABLE).first.get_by_text("2 of 4 rows")).to_be_visible()
    assert variants(page) == ["pytorch", "e2e"]


def test_a_hidden_variant_is_gone_everywhere_and_in_a_second_tab_too(page, page_of):
    box = open_toolbox(page)
    box.get_by_label("raw-int8", exact=True).uncheck()
    box.get_by_role("button", name="Highlight e2e").click()
    for tab in (page, at_table(page_of("disturbed", "#" + page.url.split("#")[1]))):
        expect(tab.locator("tr[data-variant=raw-int8]:visible")).to_have_count(0)
        assert variants(tab) == ["pytorch", "raw", "e2e"]
        plain, marked = (
            tab.locator(f"{TABLE} .tabulator-row[data-variant={name}]").first.evaluate(
                "row => getComputedStyle(row).backgroundColor"
            )
            for name in ("raw", "e2e")
        )
        assert plain != marked
        chart = tab.locator("#set-0 figure[data-chart]").first
        chart.scroll_into_view_if_needed()
        expect(chart.locator(".vega-embed svg")).to_be_visible()
        expect(chart.locator("svg").get_by_text("raw-int8", exact=True)).to_have_count(0)
    page.get_by_role("button", name="Reset all").click()
    assert "raw-int8" in variants(page)
    assert "?" not in page.url


def test_only_what_differs_leaves_out_lossless_rows_and_equal_columns(page):
    before = page.locator(TABLE).first.locator(".tabulator-col:visible").count()
    open_toolbox(page).get_by_label("only what differs").check()
    expect(page.locator(TABLE).first.locator(".tabulator-row[data-variant=raw]")).to_have_count(0)
    assert variants(page) == ["pytorch", "e2e", "raw-int8"]
    assert page.locator(TABLE).first.locator(".tabulator-col:visible").count() < before


def test_the_table_is_saved_as_csv_with_intervals_of_their_own(page):
    with page.expect_download() as waiting:
        page.locator(TABLE).first.get_by_role("button", name="CSV").click()
    path = waiting.value.path()
    rows = list(csv.DictReader(path.read_text(encoding="utf-8-sig").splitlines()))
    assert [row["variant"].split()[0] for row in rows] == ["pytorch", "raw", "e2e", "raw-int8"]
    assert float(rows[3]["AP"]) == pytest.approx(0.5587)
    assert any("disturbed" in value for value in rows[0].values() if value)


def test_the_theme_is_the_systems_until_it_is_chosen(page_of):
    page = page_of("single", color_scheme="dark")
    paper = "getComputedStyle(document.body).backgroundColor"
    dark = page.evaluate(paper)
    box = open_toolbox(page)
    box.get_by_role("radio", name="light", exact=True).check()
    assert page.evaluate(paper) == "rgb(255, 255, 255)" != dark
    page.reload()
    assert page.evaluate(paper) == "rgb(255, 255, 255)"
    assert re.search(r"[?&]theme=light\b", page.url)
    box = open_toolbox(page)
    box.get_by_role("radio", name="dark", exact=True).check()
    page.emulate_media(color_scheme="light")
    assert page.evaluate(paper) == dark
