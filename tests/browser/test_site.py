"""What every page has, in a browser: no message in the console, no violation of axe, 320 pixels, keys, drops."""

import base64
import io

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect

from tests.app.http.test_inspection import with_packet
from tests.fakes import png_bytes

PAGES = [
    "/", "/explorer", "/reconstructions", "/completions", "/test-set", "/plane", "/comparison",
    "/models", "/models/fashion", "/manual", "/manual/docs/lesson", "/docs", "/problems",
    "/problems/invalid-parameter", "/shortcuts",
]  # fmt: skip


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", PAGES)
def test_no_page_violates_a_rule_of_axe_says_anything_in_the_console_or_asks_another_host(
    pages, violations, path, scheme
):
    page = pages.open(path, dark=scheme == "dark")  # the fixture fails of what a page says and asks
    page.wait_for_load_state("networkidle")
    assert violations(page) == []


@pytest.mark.parametrize("path", PAGES)
def test_no_page_is_wider_than_a_narrow_screen(service, browser, path):
    page = browser.new_page(viewport={"width": 320, "height": 800})
    page.goto(f"{service}{path}")
    page.wait_for_load_state("networkidle")
    assert page.evaluate("document.documentElement.scrollWidth") <= 320
    page.close()


@pytest.mark.parametrize("width", [1280, 390])
def test_no_column_of_addresses_leaves_the_others_of_the_manual_without_space(pages, width):
    page = pages.open("/manual/README", width=width)
    columns = page.evaluate(
        "[...document.querySelector('td').parentElement.cells].map((cell) => cell.offsetWidth)"
    )
    assert max(columns) == columns[2]  # of parameters, which has most words
    scrolls = "[...document.querySelectorAll('.scroll')].map((each) => each.scrollWidth - each.clientWidth)"
    assert page.evaluate(scrolls)[0] < 20  # pixels


def test_most_tables_of_the_reference_fit_a_telephone_and_a_shadow_tells_of_those_that_scroll(pages):
    page = pages.open("/docs", width=390)
    shown = page.evaluate("""() => [...document.querySelectorAll(".reference .scroll")]
      .filter((each) => each.checkVisibility())
      .map((each) => [each.scrollWidth - each.clientWidth, getComputedStyle(each).backgroundImage])""")
    assert len(shown) > 10
    beyond = [over for over, _ in shown if over > 0]
    assert len(beyond) < len(shown) / 4
    assert all(background.count("linear-gradient") == 4 for _, background in shown)


def test_the_reference_with_all_of_it_open_is_at_no_width_wider_than_the_screen(pages):
    page = pages.open("/docs")
    page.evaluate("document.querySelectorAll('details').forEach((each) => each.open = true)")
    over = """() => [...document.querySelectorAll(".reference .scroll")].filter((each) => each.scrollWidth > each.clientWidth)
      .map((each) => each.ariaLabel)"""
    beyond = {}
    for width in (320, 390, 640, 768, 1024, 1265, 1280):
        page.set_viewport_size({"width": width, "height": 800})
        assert page.evaluate("document.documentElement.scrollWidth") == width
        beyond[width] = page.evaluate(over)
    assert beyond[1265] == beyond[1280] == []  # without and with the width of a scrollbar
    assert "Parameters of GET /samples" not in beyond[390]


@pytest.mark.parametrize("dark", [False, True])
def test_placeholders_have_the_contrast_of_text(pages, dark):
    page = pages.open("/docs", dark=dark)
    style = "(input) => [getComputedStyle(input, '::placeholder'), getComputedStyle(input)]"
    read = f"(input) => {{ const [own, around] = ({style})(input); return [own.color, around.backgroundColor, own.opacity]; }}"
    colour, ground, opacity = page.locator("input[placeholder]").first.evaluate(read)
    assert opacity == "1"

    def luminance(rgb):
        levels = np.array([int(each) for each in rgb.removeprefix("rgb(").removesuffix(")").split(",")]) / 255
        linear = np.where(levels <= 0.04045, levels / 12.92, ((levels + 0.055) / 1.055) ** 2.4)
        return linear @ [0.2126, 0.7152, 0.0722]

    low, high = sorted([luminance(colour), luminance(ground)])
    assert (high + 0.05) / (low + 0.05) >= 4.5


@pytest.mark.parametrize("width", [1280, 390, 320])
def test_the_text_of_charts_is_whole_and_large_enough(pages, width):
    page = pages.open("/models/fashion", width=width)
    found = page.evaluate("""() => [...document.querySelectorAll(".chart > svg text")].map((text) => {
      const [box, whole] = [text.getBoundingClientRect(), text.ownerSVGElement.getBoundingClientRect()];
      const scale = whole.width / 600;
      const inside = box.left >= whole.left && box.right <= whole.right && box.bottom <= whole.bottom && box.top >= whole.top;
      return { words: text.textContent, size: parseFloat(getComputedStyle(text).fontSize) * scale, inside };
    })""")
    assert len(found) > 20
    assert [each for each in found if each["size"] < 10 or not each["inside"]] == []


@pytest.mark.parametrize("path", PAGES)
def test_every_page_stands_without_javascript(service, browser, path):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{service}{path}")
    expect(page.locator("h1")).to_be_visible()
    broken = page.locator("img").all()
    for image in broken[:30]:
        source = image.get_attribute("src")
        if source and not source.startswith("data:"):
            assert page.request.get(page.url.rsplit("/", 1)[0] + "/" + source).ok, source
    context.close()


def test_the_scheme_is_switched_and_kept(service, browser):
    page = browser.new_page(color_scheme="light")
    page.goto(f"{service}/")
    light = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.click("[data-theme-switch]")
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert dark != light
    page.goto(f"{service}/models")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == dark
    page.close()


def test_the_first_tab_leads_past_the_navigation(service, page):
    page.goto(f"{service}/")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    page.keyboard.press("Enter")
    assert page.url.endswith("#main")


def dropped(page, *files):
    """Drop files on a page, as from a desktop."""
    page.evaluate(
        """(files) => {
          const transfer = new DataTransfer();
          for (const { name, bytes } of files) {
            const content = Uint8Array.from(atob(bytes), (character) => character.charCodeAt(0));
            transfer.items.add(new File([content], name, { type: "image/png" }));
          }
          document.body.dispatchEvent(new DragEvent("drop", { dataTransfer: transfer, bubbles: true, cancelable: true }));
        }""",
        [{"name": name, "bytes": base64.b64encode(content).decode()} for name, content in files],
    )


@pytest.mark.parametrize(
    ("address", "view", "state"),
    [
        ("/samples?seed=5&n=1&offset=3", "/explorer?", "at=seed:5/3&render=draw&noise=5/3"),
        ("/samples?seed=5&n=1&offset=3&render=mean", "/explorer?", "at=seed:5/3"),
        (
            "/samples?of=label:Bag&temperature=0&render=draw&seed=5&n=1",
            "/explorer?",
            "at=label:Bag&render=draw&noise=5/0",
        ),
        ("/samples?seed=5&label=Bag", "/?", "label=Bag"),
        ("/decode?points=label:Bag;centre", "/explorer?", "at=label:Bag"),
        ("/interpolate?from=seed:1/0&to=seed:1/1&path=slerp", "/explorer?", "to=seed:1/1"),
        ("/manifold?model=fashion-map&columns=3&rows=3", "/plane?", "model=fashion-map"),
        ("/compare?with=fashion-map&points=seed:3/1", "/comparison?", "points=seed:3/1"),
    ],
)
def test_a_picture_of_ours_leads_back_to_the_view_that_made_it_and_is_told_to_be_genuine(
    service, page, address, view, state
):
    picture = page.request.get(f"{service}{address}").body()
    page.goto(f"{service}/models")
    dropped(page, ("kept.png", picture))
    page.wait_for_url(f"**{view}**")
    assert state in page.url
    expect(page.locator(".notice")).to_contain_text("Genuine: kept.png was generated here")


def test_a_picture_that_was_changed_is_not_told_to_be_genuine(service, page):
    image = Image.open(io.BytesIO(page.request.get(f"{service}/samples?seed=5&n=1").body()))
    changed = np.asarray(image).copy()
    changed[5, 11] ^= 1  # by one level of grey
    page.goto(f"{service}/")
    dropped(page, ("kept.png", with_packet(changed, image.info["xmp"].decode())))
    expect(page.locator(".notice")).to_contain_text("Not genuine")


def test_pictures_that_are_not_ours_are_handed_to_the_view_that_scores_them(service, page):
    noise = np.random.default_rng(0).integers(0, 256, (28, 28), np.uint8)
    page.goto(f"{service}/")
    dropped(page, ("noise.png", png_bytes(noise)))
    page.wait_for_url("**/reconstructions**")
    expect(page.locator("main")).to_contain_text("noise.png")


def test_a_picture_of_any_size_is_handed_over(service, page):
    noise = np.random.default_rng(0).integers(0, 256, (2300, 2300), np.uint8)
    picture = png_bytes(noise)
    assert len(picture) > 5_000_000  # more than a text that browsers keep for a tab
    page.goto(f"{service}/")
    dropped(page, ("large.png", picture))
    page.wait_for_url("**/reconstructions**")
    expect(page.locator("main")).to_contain_text("large.png")
    page.goto(f"{service}/completions")  # it was handed over once
    page.wait_for_load_state("networkidle")
    expect(page.get_by_role("heading", name="The image: Example 0")).to_be_visible()


def test_a_view_takes_a_picture_that_cannot_be_inspected(service, page, pages):
    pages.expect("status of 503")
    page.goto(f"{service}/reconstructions")
    page.route("**/inspect*", lambda route: route.fulfill(status=503, json={"detail": "too busy"}))
    dropped(page, ("noise.png", png_bytes(np.random.default_rng(0).integers(0, 256, (28, 28), np.uint8))))
    expect(page.locator("[data-cards]")).to_contain_text("noise.png")
    expect(page.locator(".error-card")).to_have_count(0)


FORBIDDEN = """for (const name of ["sessionStorage", "localStorage", "indexedDB"]) {
  Object.defineProperty(window, name, { get() { throw new DOMException("denied", "SecurityError"); } });
}"""


def test_where_nothing_may_be_kept_pages_work_and_say_what_they_cannot_do(service, page):
    page.add_init_script(FORBIDDEN)
    page.goto(f"{service}/")
    page.click("[data-theme-switch]")
    expect(page.locator("html")).to_have_attribute("data-scheme", "dark")
    dropped(page, ("noise.png", png_bytes(np.random.default_rng(0).integers(0, 256, (28, 28), np.uint8))))
    expect(page.locator(".error-card")).to_contain_text("keeps nothing from page to page")
    dropped(page, ("ours.png", page.request.get(f"{service}/samples?seed=5&n=1").body()))
    expect(page.locator(".notice")).to_contain_text("Genuine: ours.png was generated here")
    page.locator(".notice").get_by_role("link").click()
    page.wait_for_url("**/explorer?**at=seed:5/0**")
    page.wait_for_selector("canvas[data-picture][data-point]")


def test_a_key_opens_the_shortcuts_and_none_does_while_one_writes(service, page):
    page.goto(f"{service}/")
    page.fill("#seed", "a")
    page.keyboard.press("o")
    assert page.input_value("#seed") == "ao"
    page.locator("h1").click()
    page.keyboard.press("?")
    page.wait_for_url("**/shortcuts")
