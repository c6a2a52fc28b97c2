"""The explorer in a real browser: its sliders, its strips, ways, directions, and its state in the address."""

import io
import re
from collections.abc import Callable
from typing import Literal
from urllib.parse import parse_qs, urlsplit

import httpx
import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, Route, expect

from tests.conftest import FASHION_ACTIVE

PICTURE = "canvas[data-picture]"
PIXELS = """(canvas) => {
  const { width, height } = canvas;
  return [...canvas.getContext("2d").getImageData(0, 0, width, height).data].filter((_, k) => k % 4 === 0);
}"""

Open = Callable[..., Page]


@pytest.fixture
def opened(page: Page, service: str) -> Open:
    def open_explorer(query: str = "") -> Page:
        page.set_viewport_size({"width": 1280, "height": 900})
        page.goto(f"{service}/explorer{query}")
        page.wait_for_selector(f"{PICTURE}[data-point]")
        return page

    return open_explorer


def said(page: Page, name: str) -> str | None:
    """What the page's address says of a parameter."""
    return parse_qs(urlsplit(page.url).query).get(name, [None])[0]


def shown(page: Page) -> str:
    return str(page.get_attribute(PICTURE, "data-point"))


def code_of(point: str) -> list[float]:
    return [float(number) for number in point.removeprefix("z:").split(",")]


def shows(page: Page, point: str) -> None:
    expect(page.locator(PICTURE)).to_have_attribute("data-point", point)


def levels(page: Page, selector: str) -> list[int]:
    found: list[int] = page.eval_on_selector(selector, PIXELS)
    return found


def answered(service: str, path: str, **parameters: str | int) -> np.ndarray:
    answer = httpx.get(f"{service}/{path}", params=parameters)
    return np.asarray(Image.open(io.BytesIO(answer.raise_for_status().content)).convert("L"))


def number_of(page: Page, axis: int) -> float:
    return float(page.input_value(f"[data-axis='{axis}'] input[type=number]"))


def set_number(page: Page, axis: int, value: str) -> None:
    page.fill(f"[data-axis='{axis}'] input[type=number]", value)
    page.press(f"[data-axis='{axis}'] input[type=number]", "Enter")


def moved_to(page: Page, axis: int, value: float, within: float = 1e-9) -> None:
    """Wait until the address says that an axis is there."""

    def is_there(url: str) -> bool:
        at = parse_qs(urlsplit(url).query).get("at", [""])[0]
        return at.startswith("z:") and code_of(at)[axis] == pytest.approx(value, abs=within)

    page.wait_for_url(is_there)


def says(page: Page, name: str, value: str | None = None) -> None:
    """Wait until the address says something of a parameter, or this."""

    def is_said(url: str) -> bool:
        found = parse_qs(urlsplit(url).query).get(name)
        return found is not None and value in (None, found[0])

    page.wait_for_url(is_said)


def test_the_picture_is_the_one_of_the_point_in_the_address(opened: Open, service: str):
    page = opened("?model=fashion&at=seed:42/3")
    shows(page, "seed:42/3")
    expected = answered(service, "decode", model="fashion", points="seed:42/3")
    assert levels(page, PICTURE) == expected.ravel().tolist()
    assert page.locator(PICTURE).bounding_box()["width"] >= 280  # type: ignore[index]
    assert page.input_value("#seed") == "42/3"


@pytest.mark.parametrize(("seed", "point"), [("7", "seed:7/0"), ("tulip/3", "seed:tulip/3")])
def test_a_seed_in_the_address_alone_is_the_point_of_its_image(
    opened: Open, service: str, seed: str, point: str
):
    page = opened(f"?model=fashion&seed={seed}")
    shows(page, point)
    assert said(page, "at") == point
    assert page.input_value("#seed") == point.removeprefix("seed:")
    expected = answered(service, "decode", model="fashion", points=point)
    assert levels(page, PICTURE) == expected.ravel().tolist()


def test_the_axes_come_by_what_they_know_and_those_that_know_nothing_are_folded_away(
    opened: Open, service: str
):
    page = opened("?model=fashion-dense")
    axes = httpx.get(f"{service}/axes.json?model=fashion-dense&steps=2").json()["axes"]
    by_kl = sorted((axis for axis in axes if not axis["dead"]), key=lambda axis: -axis["kl"])
    listed = page.eval_on_selector_all(
        "[data-active-axes] > li", "rows => rows.map((row) => Number(row.dataset.axis))"
    )
    assert listed == [axis["axis"] for axis in by_kl]
    dead = page.locator("[data-inactive-axes] > li")
    assert dead.count() == sum(axis["dead"] for axis in axes) == 4
    expect(dead.first).to_be_hidden()
    page.click("details[data-inactive] summary")
    expect(dead.first).to_be_visible()


def test_of_many_axes_twelve_are_shown_until_all_are_asked_for(opened: Open):
    page = opened("?model=fashion")
    expect(page.locator("[data-active-axes] > li:visible")).to_have_count(12)
    page.click("[data-more]")
    expect(page.locator("[data-active-axes] > li:visible")).to_have_count(FASHION_ACTIVE)
    page.reload()
    expect(page.locator("[data-active-axes] > li:visible")).to_have_count(FASHION_ACTIVE)
    page.fill("#find-axis", "30")
    page.press("#find-axis", "Enter")
    expect(page.locator("#axis-30")).to_be_focused()


def test_a_model_of_two_axes_has_two_sliders(opened: Open):
    page = opened("?model=fashion-map")
    assert page.locator("[data-active-axes] > li").count() == 2
    expect(page.locator("details[data-inactive]")).to_be_hidden()
    expect(page.locator("[data-more]")).to_be_hidden()


def test_a_slider_moves_its_axis_alone_and_the_picture_follows(opened: Open, service: str):
    page = opened("?model=fashion&at=seed:42/0")
    before = httpx.get(f"{service}/decode.json?model=fashion&points=seed:42/0").json()["images"][0]["point"]
    set_number(page, 3, "-1.5")
    moved_to(page, 3, -1.5)
    at = said(page, "at")
    assert at is not None
    expected = code_of(before)
    expected[3] = -1.5
    # Four significant digits: half a unit of the fourth is at most 5e-4 of the number.
    np.testing.assert_allclose(code_of(at), expected, rtol=5.1e-4, atol=1e-9)
    shows(page, at)
    assert levels(page, PICTURE) == answered(service, "decode", model="fashion", points=at).ravel().tolist()


def test_arrow_keys_that_are_held_down_are_one_step_to_undo(opened: Open):
    page = opened("?model=fashion")
    page.focus("#axis-0")
    for _ in range(5):
        page.keyboard.press("ArrowLeft")
    moved_to(page, 0, 0.4)  # from what is shown at 0.65, by 0.05 each
    page.keyboard.press("Control+z")
    shows(page, "seed:42/0")
    expect(page.locator("[data-undo]")).to_be_disabled()
    page.keyboard.press("Control+Shift+Z")
    moved_to(page, 0, 0.4)
    page.keyboard.press("Control+z")
    page.keyboard.press("Control+y")
    moved_to(page, 0, 0.4)


def test_back_and_forward_go_where_undo_and_redo_do(opened: Open):
    page = opened("?model=fashion")
    set_number(page, 0, "1")
    moved_to(page, 0, 1)
    set_number(page, 0, "2")
    moved_to(page, 0, 2)
    page.go_back()
    moved_to(page, 0, 1)
    expect(page.locator("[data-redo]")).to_be_enabled()
    page.click("[data-undo]")
    shows(page, "seed:42/0")


def test_a_copied_address_shows_the_same_in_another_window(opened: Open, browser: Browser):
    page = opened("?model=fashion")
    set_number(page, 5, "2")
    moved_to(page, 5, 2)
    page.check("input[name=unit][value=deviations]")
    page.check("[data-axis='5'] .lock input")
    expect(page.locator("[data-axis='5']")).to_have_class(re.compile("locked"))
    before, point = levels(page, PICTURE), shown(page)
    other = browser.new_page()
    other.goto(page.url)
    shows(other, point)
    assert levels(other, PICTURE) == before
    assert other.is_checked("input[name=unit][value=deviations]")
    assert other.is_checked("[data-axis='5'] .lock input")
    other.close()


def test_the_units_tell_one_and_the_same_place(opened: Open, service: str):
    page = opened("?model=fashion")
    set_number(page, 0, "0.5")
    moved_to(page, 0, 0.5)
    about = page.evaluate("JSON.parse(document.getElementById('described').textContent).axes[0]")
    page.check("input[name=unit][value=deviations]")
    assert number_of(page, 0) == pytest.approx((0.5 - about["mean"]) / about["std"], abs=5.1e-4)
    page.check("input[name=unit][value=quantile]")
    low, high = about["quantiles"]["0.5"], about["quantiles"]["0.75"]
    assert number_of(page, 0) == pytest.approx(50 + 25 * (0.5 - low) / (high - low), abs=5.1e-4)
    words = page.get_attribute("#axis-0", "aria-valuetext")
    assert words is not None
    assert words.endswith("percent of codes lie below")
    set_number(page, 0, "75")
    moved_to(page, 0, float(f"{high:.4g}"))


def test_a_slider_goes_from_the_first_to_the_last_percent_of_the_data(opened: Open):
    page = opened("?model=fashion-map&at=centre")
    for axis in (0, 1):
        about = page.evaluate(f"JSON.parse(document.getElementById('described').textContent).axes[{axis}]")
        ends = [float(str(page.get_attribute(f"#axis-{axis}", end))) for end in ("min", "max")]
        # Ends lie on the steps of the slider, 0.05, outside of the quantiles.
        assert about["quantiles"]["0.01"] - 0.0501 <= ends[0] <= about["quantiles"]["0.01"]
        assert about["quantiles"]["0.99"] <= ends[1] <= about["quantiles"]["0.99"] + 0.0501


def test_the_strips_are_those_of_the_axes_around_the_point_and_a_click_goes_there(opened: Open, service: str):
    page = opened("?model=fashion-dense&at=seed:7/1")
    page.wait_for_selector("[data-axis='2'] .strip-frame:not([hidden])")
    sheet = answered(service, "axes", model="fashion-dense", at="seed:7/1", steps=7)
    strip = np.array(levels(page, "[data-axis='2'] canvas")).reshape(28, 7 * 28)
    np.testing.assert_array_equal(strip, sheet[2 * 28 : 3 * 28])
    about = page.evaluate("JSON.parse(document.getElementById('described').textContent).axes[2]")
    page.click("[data-axis='2'] canvas", position={"x": 5, "y": 5})
    moved_to(page, 2, float(f"{about['quantiles']['0.025']:.4g}"))


def test_buttons_step_an_axis_by_a_quarter_of_its_deviation_and_bring_it_back(opened: Open):
    page = opened("?model=fashion-map&at=z:0,0")
    about = page.evaluate("JSON.parse(document.getElementById('described').textContent).axes[1]")
    page.click("[data-axis='1'] .axis-slide button:last-child")
    moved_to(page, 1, float(f"{about['std'] / 4:.4g}"))
    page.click("[data-axis='1'] .axis-slide button:first-child")
    moved_to(page, 1, 0, within=1e-4)  # what is left of four significant digits of the step


def test_reset_of_an_axis_goes_back_to_where_the_sliders_began(opened: Open):
    page = opened("?model=fashion-map&at=seed:7/0")
    shows(page, "seed:7/0")
    expect(page.locator("#axis-0")).to_have_attribute("aria-valuetext", re.compile("."))
    began = number_of(page, 0)
    set_number(page, 0, "2")
    moved_to(page, 0, 2)
    page.reload()
    page.click("[data-axis='0'] .axis-more button")
    expect(page.locator("[data-axis='0'] input[type=number]")).to_have_value(str(began))
    page.keyboard.press("Escape")
    page.click("[data-reset]")
    shows(page, "seed:7/0")


def test_randomise_shows_its_seed_and_leaves_locked_axes_alone(opened: Open, service: str):
    page = opened("?model=fashion-map&lock=1&at=z:1,2")
    page.keyboard.press("r")
    expect(page.locator(PICTURE)).not_to_have_attribute("data-point", "z:1,2")
    seed = page.input_value("#seed")
    drawn = httpx.get(f"{service}/decode.json?model=fashion-map&points=seed:{seed}").json()["images"][0]
    expected = float(f"{code_of(drawn['point'])[0]:.4g}")
    shows(page, f"z:{expected:.10g},2")
    assert said(page, "seed") == seed


def test_a_word_is_a_seed(opened: Open):
    page = opened("?model=fashion")
    page.fill("#seed", "tulip")
    page.press("#seed", "Enter")
    shows(page, "seed:tulip/0")
    assert said(page, "at") == "seed:tulip/0"


def test_a_draw_shows_the_noise_of_the_pixels(opened: Open, service: str):
    page = opened("?model=fashion-dense&at=seed:1/0")
    page.check("input[name=render][value=draw]")
    says(page, "render", "draw")
    expected = answered(
        service, "samples", model="fashion-dense", of="seed:1/0", temperature=0, render="draw", n=1, seed=1
    )
    page.wait_for_selector(f"{PICTURE}[data-render=draw]")
    assert levels(page, PICTURE) == expected.ravel().tolist()
    page.click("[data-noise]")
    says(page, "noise")


def test_the_way_from_a_to_b_is_scrubbed_and_explored_from(opened: Open, service: str):
    page = opened("?model=fashion&at=seed:1/0&to=label:Bag&path=slerp&steps=5")
    expect(page.locator("[data-frame-number]")).to_have_text("image 1 of 5")
    assert page.input_value("#way-from") == "seed:1/0"
    page.focus("#way-scrub")
    page.keyboard.press("ArrowRight")
    expect(page.locator("[data-frame-number]")).to_have_text("image 2 of 5")
    parameters = {"model": "fashion", "from": "seed:1/0", "to": "label:Bag", "steps": 5, "path": "slerp"}
    images = httpx.get(f"{service}/interpolate.json", params=parameters).json()["images"]
    assert page.get_attribute("canvas[data-frame]", "data-point") == images[1]["point"]
    says(page, "t", "0.25")
    page.click("[data-from-here]")
    expect(page.locator(PICTURE)).to_have_attribute("data-point", re.compile("^z:"))
    # Four significant digits, as above.
    np.testing.assert_allclose(code_of(shown(page)), code_of(images[1]["point"]), rtol=5.1e-4, atol=1e-9)
    page.click("[data-set=to]")
    expect(page.locator("#way-to")).to_have_value(shown(page))
    expect(page.locator("[data-frame-number]")).to_have_text("image 5 of 5")


def test_space_plays_the_way_and_pauses_and_nothing_plays_by_itself(opened: Open):
    page = opened("?model=fashion-map&at=centre&to=seed:1/0&steps=30")
    number = page.locator("[data-frame-number]")
    expect(number).to_have_text("image 1 of 30")
    page.wait_for_timeout(300)
    expect(number).to_have_text("image 1 of 30")
    page.keyboard.press(" ")
    expect(number).to_have_text(re.compile("image ([3-9]|[12][0-9]) of 30"))
    page.keyboard.press(" ")
    paused = number.inner_text()
    page.wait_for_timeout(300)
    expect(number).to_have_text(paused)
    assert said(page, "t") is not None


def test_the_way_comes_as_an_animation(opened: Open, service: str):
    page = opened("?model=fashion-map&at=centre&to=seed:1/0&steps=4")
    expect(page.locator("[data-frame-number]")).to_have_text("image 1 of 4")
    animation = httpx.get(str(page.get_attribute("a[data-format=gif]", "href")))
    found = Image.open(io.BytesIO(animation.content))
    assert found.n_frames == 6  # there and back
    assert found.size == (28 * 8, 28 * 8)


def test_a_direction_between_two_heaps_moves_the_axes_that_are_free(opened: Open, service: str):
    page = opened("?model=fashion&at=seed:42/0&lock=3")
    page.select_option("[data-heap=plus] select", "label:Bag")
    page.select_option("[data-heap=minus] select", "label:Shirt")
    expect(page.locator("[data-along]")).to_be_visible()
    answer = httpx.get(f"{service}/directions.json?model=fashion&plus=label:Bag&minus=label:Shirt").json()
    strongest = page.locator("[data-strongest] button").first
    expect(strongest).to_contain_text(f"axis {answer['axes'][0]['axis']} ")
    page.focus("#strength")
    for _ in range(10):
        page.keyboard.press("ArrowRight")
    says(page, "strength", "0.5")
    before = httpx.get(f"{service}/decode.json?model=fashion&points=seed:42/0").json()["images"][0]["point"]
    expected = np.array(code_of(before)) + 0.5 * np.array(code_of(answer["direction"]))
    expected[3] = code_of(before)[3]
    np.testing.assert_allclose(code_of(shown(page)), expected, rtol=5.1e-4, atol=1e-6)
    point = shown(page)
    page.reload()
    shows(page, point)
    strongest.click()
    expect(page.locator(f"#axis-{answer['axes'][0]['axis']}")).to_be_focused()


def test_images_of_ones_own_become_points_of_a_heap(opened: Open, service: str):
    page = opened("?model=fashion-map")
    picture = httpx.get(f"{service}/samples?model=fashion-map&n=1&seed=5").content
    page.set_input_files("#files-plus", {"name": "a.png", "mimeType": "image/png", "buffer": picture})
    entry = page.locator("[data-heap=plus] li")
    expect(entry).to_have_count(1)
    assert re.fullmatch(r"z:[-0-9.e]+,[-0-9.e]+", str(said(page, "plus")))
    page.reload()
    expect(entry).to_have_count(1)
    entry.get_by_role("button").click()
    expect(entry).to_have_count(0)
    assert said(page, "plus") is None


def test_keys_go_from_axis_to_axis_and_lock_them(opened: Open):
    page = opened("?model=fashion-dense")
    page.keyboard.press("]")
    expect(page.locator("#axis-5")).to_be_focused()
    page.keyboard.press("]")
    expect(page.locator("#axis-2")).to_be_focused()
    page.keyboard.press("l")
    expect(page.locator("[data-axis='2'] .lock input")).to_be_checked()
    page.keyboard.press("[")
    page.keyboard.press("l")
    assert said(page, "lock") == "2,5"
    page.keyboard.press("l")
    assert said(page, "lock") == "2"


def test_every_key_of_the_explorer_is_in_the_list_of_shortcuts(page: Page, service: str):
    page.goto(f"{service}/shortcuts")
    rows = page.locator("tr", has=page.get_by_text("explorer", exact=True))
    keys = [" ".join(row.locator("td").first.inner_text().split()) for row in rows.all()]
    assert keys == ["r", "0", "l", "[", "]", "space", "Ctrl z", "Ctrl y"]


def test_a_refusal_is_shown_in_words_and_the_page_goes_on(browser: Browser, service: str):
    page = browser.new_page()  # the console names the refusal
    page.goto(f"{service}/explorer?model=fashion")
    page.wait_for_selector(f"{PICTURE}[data-point]")
    page.fill("#way-to", "label:Fridge")
    page.press("#way-to", "Enter")
    page.locator("#way").scroll_into_view_if_needed()
    expect(page.locator(".error-card")).to_contain_text("Fridge")
    set_number(page, 0, "1")
    moved_to(page, 0, 1)
    page.goto(f"{service}/explorer?model=fashion&at=label:Fridge")
    expect(page.locator(".error-card")).to_contain_text("Fridge")
    page.close()


def test_nothing_is_wider_than_a_small_phone(browser: Browser, service: str):
    page = browser.new_page(viewport={"width": 320, "height": 640})
    page.goto(f"{service}/explorer?model=fashion&plus=label:Bag&minus=label:Coat&lock=1")
    page.wait_for_selector("[data-axis='0'] .strip-frame:not([hidden])")
    assert page.evaluate("document.documentElement.scrollWidth") == 320
    page.close()


def test_without_javascript_there_are_the_picture_its_axes_and_links(browser: Browser, service: str):
    page = browser.new_page(java_script_enabled=False)
    page.goto(f"{service}/explorer?model=fashion&at=seed:tulip/3")
    pictures = page.locator("main img.picture")
    assert pictures.evaluate_all("all => all.map((each) => each.naturalWidth)") == [28 * 12, 28 * 7 * 2]
    expect(page.locator(PICTURE)).to_be_hidden()
    page.get_by_role("link", name="Bag", exact=True).click()
    assert parse_qs(urlsplit(page.url).query)["at"] == ["label:Bag"]
    expect(page.get_by_role("link", name="the way to Coat")).to_be_visible()
    page.fill("#plain-at", "seed:9")
    page.get_by_role("button", name="Show").last.click()
    assert parse_qs(urlsplit(page.url).query)["at"] == ["seed:9"]
    page.close()


def test_the_newest_move_wins_and_none_queue(opened: Open):
    page = opened("?model=fashion-map&at=z:0,0")
    page.wait_for_selector("[data-axis='0'] .strip-frame:not([hidden])")
    asked: list[str] = []

    def answer_late(route: Route) -> None:
        asked.append(route.request.url)
        page.wait_for_timeout(150)
        route.continue_()

    page.route("**/decode?*", answer_late)
    page.focus("#axis-0")
    for _ in range(12):
        page.keyboard.press("ArrowRight")
    shows(page, "z:0.6,0")
    # The first, and of those that came while an answer was awaited each time the newest alone.
    assert 2 <= len(asked) < 12
    assert asked[-1].endswith("points=z:0.6,0")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(
    opened: Open, violations: Callable[[Page], list[str]], scheme: Literal["light", "dark"]
):
    page = opened("?model=fashion&plus=label:Bag&minus=label:Coat&lock=1&render=draw")
    page.emulate_media(color_scheme=scheme)
    page.eval_on_selector_all("main details", "all => all.forEach((each) => { each.open = true; })")
    page.wait_for_selector("[data-axis='0'] .strip-frame:not([hidden])")
    assert violations(page) == []
