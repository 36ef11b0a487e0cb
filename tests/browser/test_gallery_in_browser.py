"""The gallery: filters, order, overlays, the large view with its layers, links into it."""

import pytest
from playwright.sync_api import expect

GALLERY = "#set-0-gallery"


def shown(page, gallery=GALLERY):
    """The names of the pictures that are shown, in the order of the reader."""
    return page.eval_on_selector_all(
        f"{gallery} .shot:not([hidden])",
        "shots => shots.sort((a, b) => a.style.order - b.style.order)"
        ".map(shot => shot.querySelector('strong').textContent)",
    )


def pick(page, name, value, gallery=GALLERY):
    page.locator(f"{gallery} [name={name}]").select_option(value)


def test_filters_choose_pictures_are_in_the_link_and_can_be_cleared(page_of):
    page = page_of("plain")
    assert shown(page) == ["003.jpg", "002.jpg", "001.jpg"]
    pick(page, "variant", "raw")
    assert shown(page) == ["002.jpg"]
    assert "g0.variant=raw" in page.url
    assert "1 of 3 pictures" in page.locator(f"{GALLERY} .gallery-active").inner_text()
    pick(page, "variant", "")
    pick(page, "cause", "nms")
    assert shown(page) == ["003.jpg", "002.jpg"]
    page.locator(f"{GALLERY} [name=low]").fill("0.85")
    page.locator(f"{GALLERY} [name=low]").press("Tab")
    # both boxes that NMS removed have a score of 0.8
    assert shown(page) == []
    assert "No picture here" in page.locator(f"{GALLERY} .gallery-active").inner_text()
    page.locator(f"{GALLERY} .gallery-active .clear").click()
    assert len(shown(page)) == 3
    assert "g0." not in page.url


def test_a_link_opens_with_its_filters_and_other_data_sets_are_left_alone(page_of):
    page = page_of("plain", link=f"{GALLERY}?g0.cause=top_k&g0.order=lost")
    assert shown(page) == ["003.jpg"]
    assert page.locator(f"{GALLERY} [name=cause]").input_value() == "top_k"
    assert len(shown(page, "#set-1-gallery")) == 3


def test_a_link_with_filters_opens_at_its_place(page_of):
    page = page_of("plain", f"{GALLERY}?g0.variant=raw")
    expect(page.locator(GALLERY)).to_be_in_viewport()
    assert page.evaluate("window.scrollY") > 800


def test_a_filter_that_no_picture_has_is_shown_and_can_be_cleared(page_of):
    page = page_of("plain", link=f"{GALLERY}?g0.class=never seen")
    assert shown(page) == []
    page.locator(f"{GALLERY} .gallery-active button").first.click()
    assert len(shown(page)) == 3


def test_the_overlay_is_that_of_the_chosen_variant(page_of):
    page = page_of("plain")
    third = page.locator(f"{GALLERY} .shot", has_text="003.jpg")
    assert third.locator("svg .missing").count() == 2
    assert "e2e: 2 missing, 0 extra" in third.text_content()
    pick(page, "variant", "raw")
    assert page.locator(f"{GALLERY} .shot", has_text="002.jpg").locator("svg .missing").count() == 1


def large(page, name="003.jpg"):
    page.locator(f"{GALLERY} .shot", has_text=name).locator(".enlarge").click()
    page.wait_for_selector(".pswp__item[aria-hidden=false] .hit")
    return page.locator(".pswp__item[aria-hidden=false]")


def test_the_large_view_has_layers_and_says_what_a_box_is(page_of):
    page = page_of("plain")
    view = large(page)
    boxes = view.locator("rect:not(.case):not(.hit)")
    assert (view.locator("rect.truth").count(), view.locator("rect.missing").count()) == (3, 2)
    page.locator(".large-layers [name=truth]").uncheck()
    page.locator(".large-layers [name=reference]").check()
    # two of the three are drawn as the difference
    assert (view.locator("rect.reference").count(), boxes.count()) == (1, 3)
    page.locator(".large-layers [name=difference]").uncheck()
    assert view.locator("rect.reference").count() == 3
    page.locator(".large-layers [name=difference]").check()
    lost = view.locator(".hit[aria-label*='− car']")
    lost.hover()
    said = page.locator(".large-facts").inner_text()
    assert "reference pytorch: − car 0.80" in said
    assert "not in e2e: suppressed" in said
    # the same by the keyboard
    view.locator(".hit[aria-label*='− pedestrian']").focus()
    assert "lost at top-k" in page.locator(".large-facts").inner_text()
    page.locator(".large-layers select").select_option("raw")
    assert view.locator("rect.missing").count() == 0
    page.keyboard.press("Escape")
    page.wait_for_selector(".pswp", state="detached")


def test_boxes_lie_where_they_are_in_the_picture_at_any_size(page_of):
    for width in (1280, 400):
        page = page_of("plain", viewport={"width": width, "height": 800})
        view = large(page)
        picture, box = view.locator("img").bounding_box(), view.locator("rect.truth").first.bounding_box()
        # image 3 is 200 x 320 pixels; its largest object: 0.4 x 0.35 of it, 0.36 from the left and 3 pixels
        scale = picture["width"] / 200
        assert box["width"] == pytest.approx((0.4 * 200 + 3) * scale, abs=2)
        assert box["x"] - picture["x"] == pytest.approx((0.36 * 200 + 3) * scale, abs=2)


def test_arrows_lead_through_the_chosen_pictures_only(page_of):
    page = page_of("plain", link=f"{GALLERY}?g0.cause=nms")
    large(page)
    assert page.locator(".pswp__counter").inner_text().strip() == "1 / 2"
    page.keyboard.press("ArrowRight")
    page.wait_for_function("document.querySelector('.large-credit').textContent.includes('002.jpg')")


def test_a_count_of_the_autopsy_leads_to_its_pictures(page_of):
    page = page_of("plain")
    page.evaluate("cutpoint.set({mark: ['raw']})")
    link = page.locator("#set-0 a[href*='g0.cause=nms']").first
    link.evaluate("link => link.click()")
    assert "g0.cause=nms" in page.url
    assert "mark" in page.url
    assert page.locator(GALLERY).evaluate("part => Math.abs(part.getBoundingClientRect().top) < 400")


def test_a_filter_from_elsewhere_offers_the_way_to_the_gallery(page_of):
    page = page_of("plain")
    page.evaluate("window.scrollTo(0, 0)")
    page.evaluate("cutpoint.set({'g0.class': 'car'})")
    jump = page.locator(".gallery-jump:visible")
    assert "Gallery: 3 of 3 pictures" in jump.inner_text()
    jump.click()
    assert page.locator(".gallery-jump:visible").count() == 0


def test_hidden_variants_do_not_speak(page_of):
    page = page_of("plain")
    page.evaluate("cutpoint.set({hide: ['e2e']})")
    assert "no variant differs" in page.locator(f"{GALLERY} .shot", has_text="003.jpg").text_content()


def test_without_scripts_each_picture_is_there_with_its_boxes(page_of):
    page = page_of("plain", java_script_enabled=False)
    shots = page.locator(f"{GALLERY} .shot")
    assert shots.count() == 3
    for shot in shots.all():
        assert shot.locator("img").is_visible()
        assert shot.locator("svg path.truth").count() == 1
    assert shots.first.locator(".box-label").first.is_visible()


@pytest.mark.parametrize("case", ["hostile", "chinese", "single", "unlabelled"])
def test_odd_reports_open_large(page_of, case):
    page = page_of(case)
    page.locator(f"{GALLERY} .enlarge").first.click()
    page.wait_for_selector(".pswp__item[aria-hidden=false] .hit")
    page.locator(".pswp__item[aria-hidden=false] .hit").first.focus()
    assert page.locator(".large-facts b").inner_text()
