"""The plane in a browser: zoom, places, walks, what is laid over it, and its state in the address."""

import io
from urllib.parse import parse_qs, unquote, urlsplit

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect

from tests.browser.chromium import scrolls_sideways


def at(page):
    return {name: values[0] for name, values in parse_qs(urlsplit(page.url).query).items()}


@pytest.fixture
def plane(page):
    """The plane of the model of two axes, and a click on it at parts of its image's sides."""
    page.goto("/plane?model=fashion-map")
    page.wait_for_load_state("networkidle")
    return page


def click(page, x, y):
    """Click a place of the image, which is as high as what shows it but for a margin."""
    box = page.locator("[data-viewer]").bounding_box()
    side = box["height"]
    page.mouse.click(box["x"] + box["width"] / 2 + (x - 0.5) * side, box["y"] + side / 2 + (y - 0.5) * side)


def pixels(content):
    return np.asarray(Image.open(io.BytesIO(content)).convert("L")).astype(int)


def test_a_click_shows_the_image_that_the_plane_has_there(plane):
    click(plane, 0.4, 0.6)
    expect(plane.locator("[data-place-picture]")).to_be_visible()
    x, y = map(float, at(plane)["place"].split(","))
    point = parse_qs(urlsplit(plane.get_attribute("[data-explore]", "href")).query)["at"][0]
    decoded = pixels(plane.request.get(f"/decode?model=fashion-map&points={point}").body())
    # The finest level has 2048 cells along a side: the place lies within one, and codes change little in it.
    size = 2048 * 28
    left, top = (min(2047, int(part * 2048)) * 28 for part in (x, y))
    identifier = unquote(plane.inner_text("[data-iiif]")).removesuffix("/info.json")
    cell = plane.request.get(f"{identifier}/{left},{top},28,28/28,28/0/default.png")
    assert cell.ok, cell.text()
    assert size > left
    assert np.abs(pixels(cell.body()) - decoded).mean() < 1  # grey levels


def test_two_clicks_walk_from_one_place_to_the_other(plane):
    click(plane, 0.3, 0.3)
    plane.click("[data-set-from]")
    click(plane, 0.7, 0.7)
    way = plane.locator("[data-way-picture]")
    expect(way).to_be_visible()
    plane.wait_for_function("() => document.querySelector('[data-way-picture]').naturalWidth === 9 * 28")
    query = parse_qs(urlsplit(plane.get_attribute("[data-way-open]", "href")).query)
    assert query["at"][0].startswith("z:")
    assert query["to"] != query["at"]


def test_the_state_survives_reload_back_and_a_copied_link(plane, pages):
    click(plane, 0.4, 0.6)
    expect(plane.locator("[data-place-picture]")).to_be_visible()
    plane.click("[data-do='+']")
    plane.wait_for_url("**view=**")
    plane.wait_for_timeout(900)  # the movement ends, and with it the address
    state = at(plane)
    plane.reload()
    expect(plane.locator("[data-place-picture]")).to_be_visible()
    assert at(plane) == state
    other = pages.open(plane.url)
    expect(other.locator("[data-place-words]")).to_have_text(plane.inner_text("[data-place-words]"))
    plane.go_back()
    expect(plane.locator("[data-place]")).to_be_hidden()


def test_the_classes_are_laid_over_it_and_named(plane):
    plane.select_option("#show", "classes")
    expect(plane.locator("[data-legend] li")).to_have_count(10)
    assert at(plane)["show"] == "classes"
    plane.select_option("#show", "images")
    expect(plane.locator("[data-legend] li")).to_have_count(0)


def test_other_axes_are_another_plane(page):
    page.goto("/plane")
    page.wait_for_load_state("networkidle")
    first = page.inner_text("[data-iiif]")
    page.select_option("#x", "7")
    expect(page.locator("[data-iiif]")).not_to_have_text(first)
    assert ";x=7;" in page.inner_text("[data-iiif]")
    assert at(page)["x"] == "7"


def test_by_keyboard_alone_one_zooms_and_takes_the_place_in_the_middle(plane):
    plane.locator("[data-viewer] .openseadragon-canvas").focus()
    plane.keyboard.press("Enter")
    expect(plane.locator("[data-place-picture]")).to_be_visible()
    assert at(plane)["place"] == "0.50000,0.50000"


@pytest.mark.parametrize("dark", [False, True])
def test_it_is_accessible_with_a_place_chosen_and_on_a_narrow_screen(pages, violations, dark):
    page = pages.open(
        "/plane?model=fashion-map&place=0.4,0.6&from=0.2,0.2&show=classes", dark=dark, width=320
    )
    expect(page.locator("[data-way-picture]")).to_be_visible()
    assert violations(page) == []
    assert not scrolls_sideways(page)


def test_nothing_moves_for_those_who_prefer_it(pages):
    page = pages.open("/plane?model=fashion-map", reduced_motion=True)
    page.wait_for_load_state("networkidle")
    page.click("[data-do='+']")
    page.wait_for_url("**view=**", timeout=2000)
    expect(page.locator("[data-viewer]")).to_be_visible()


def test_without_javascript_the_plane_is_a_picture_and_a_form_chooses_its_axes(pages):
    page = pages.open("/plane?x=3&y=5", javascript=False)
    source = page.locator("noscript img, main img.picture").first.get_attribute("src")
    assert "x=3&y=5" in source
    page.select_option("#x", "8")
    page.click(".plane-choices button")
    page.wait_for_url("**x=8**")


def test_a_place_beyond_the_image_is_none(pages):
    page = pages.open("/plane?model=fashion-map&place=-1,2")
    page.wait_for_load_state("networkidle")
    expect(page.locator("[data-place]")).to_be_hidden()
