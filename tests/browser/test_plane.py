"""The plane in a browser: zoom, places, walks, what is laid over it, and its state in the address."""

import base64
import io
import json
import re
from statistics import NormalDist
from urllib.parse import parse_qs, unquote, urlsplit

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect

from tests.browser.chromium import scrolls_sideways
from tests.conftest import SHIPPED_STORE

VERSION = next((SHIPPED_STORE / "fashion-map").iterdir())
MAP = np.load(VERSION / "map.npz")
CODES, CLASSES = MAP["z_mean"].astype(float), MAP["classes"]
AXES = json.loads((VERSION / "manifest.json").read_text())["axes"]


def fitted(axis):
    """The Gaussian by whose quantiles the plane runs along an axis."""
    return NormalDist(AXES[axis]["mean"], AXES[axis]["std"])


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


def test_shares_of_codes_beside_a_place_are_counted(plane):
    for x, y in ((0.373, 0.5), (0.5, 0.2), (0.97, 0.9)):
        click(plane, x, y)
        plane.wait_for_function("place => location.search.includes(place)", arg=f"place={x:.2f}"[:-1])
        part = [float(each) for each in at(plane)["place"].split(",")]
        code = [fitted(k).inv_cdf(0.001 + 0.998 * (1 - part[k] if k else part[k])) for k in (0, 1)]
        words = f"z of axis 0 is {code[0]:.2f}, of axis 1 is {code[1]:.2f}.".replace("-", "−")
        expect(plane.locator("[data-place-words]")).to_contain_text(
            f"{words} Of the codes of 2,000 test images"
        )
        said = re.findall(r"([0-9.]+) %", plane.inner_text("[data-place-words]"))
        counted = 100 * (code > CODES).mean(axis=0)
        assert [float(each) for each in said] == pytest.approx(counted, abs=0.06)  # per cent, with one digit
    # What a Gaussian says is another number: codes of this axis are not distributed like that.
    assert abs(np.mean(CODES[:, 0] < -0.57) - fitted(0).cdf(-0.57)) > 0.05


def test_the_numbers_beside_it_are_those_of_the_codes_there(plane):
    for number, side in ((0, "left"), (1, "top")):
        at = f"(labels) => labels.map((each) => [each.textContent, parseFloat(each.style.{side})])"
        ticks = plane.locator(f"[data-ruler='{'xy'[number]}'] span").evaluate_all(at)
        assert len(ticks) >= 5
        length = plane.locator("[data-viewer]").bounding_box()["height"]
        for value, place in ticks:
            part = (fitted(number).cdf(float(value.replace("−", "-"))) - 0.001) / 0.998
            part = 1 - part if number else part
            assert place == pytest.approx(part * length, abs=3)  # pixels, with the border
    assert plane.inner_text("[data-ruler-name='x']") == "z, axis 0"
    said = plane.inner_text("[data-ranges]").replace("−", "-")
    for edges in ((0.001, 0.999), (0.05, 0.95)):
        for axis in (0, 1):
            low, high = (fitted(axis).inv_cdf(edge) for edge in edges)
            assert f"axis {axis} from {low:.2f} to {high:.2f}" in said


OVERLAY = """async (show) => {
  const [{ overlayOf }, { heldOut }, { EDGES, PlaneAxis }, { described }] = await Promise.all(
    ["plane/overlay", "plane/held", "plane/axis", "page"].map((name) => import(`/static/js/${name}.js`)));
  const axes = described.axes.map((axis) => new PlaneAxis(axis, EDGES));
  return overlayOf(show, await heldOut(), { axes, numbers: [0, 1] });
}"""


def levels(url):
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2]))).convert("RGB"))


def test_every_place_has_the_colour_of_the_class_of_the_nearest_image(plane):
    found = plane.evaluate(OVERLAY, "classes")
    parts = 0.001 + 0.998 * (np.arange(64) + 0.5) / 64
    across, upwards = ([fitted(axis).inv_cdf(part) for part in parts] for axis in (0, 1))
    cells = np.array([[(x, y) for x in across] for y in reversed(upwards)])
    apart = np.square(cells[:, :, None] - CODES).sum(axis=-1)
    colours = np.array([list(bytes.fromhex(each["colour"][1:])) for each in found["legend"]])
    drawn, expected = levels(found["url"]), colours[CLASSES[apart.argmin(axis=-1)]]
    assert drawn.shape == (64, 64, 3)
    assert (drawn == expected).all(axis=-1).mean() > 0.999  # ties of nearness are broken by rounding


def test_every_cell_has_the_shade_of_how_many_test_images_lie_in_it(plane):
    parts = [[(fitted(axis).cdf(z) - 0.001) / 0.998 for z in CODES[:, axis]] for axis in (0, 1)]
    counts, _, _ = np.histogram2d(1 - np.array(parts[1]), parts[0], bins=16, range=[[0, 1], [0, 1]])
    plane.select_option("#show", "density")
    expect(plane.locator("[data-legend] li").last).to_have_text(f"{counts.max():.0f} in a cell")
    expect(plane.locator("[data-legend-about]")).to_contain_text(f"{counts.sum():,.0f} of 2,000 test images")
    drawn = levels(plane.evaluate(OVERLAY, "density")["url"]).astype(int)
    white = (drawn == 255).all(axis=-1)
    assert (white == (counts == 0)).all()
    order = np.argsort(counts.ravel(), kind="stable")
    assert (np.diff(drawn[..., 0].ravel()[order]) <= 0).all()  # the more, the less red


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
