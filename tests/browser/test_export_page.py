"""The page without a service in a real browser: served as files under a path, it shows what the service answers."""

import contextlib
import functools
import http.server
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest
from playwright.sync_api import Browser, Page, expect

from app.explore.seeds import read_seed
from app.export.folder import write
from app.export.litertjs import NotInstalled
from app.export.page import Source, opened, page_of
from app.models import Model
from app.pictures.formats import point_of
from app.pictures.grids import to_pixels
from app.settings import Settings
from tests.browser.chromium import NARROW, Pages, scrolls_sideways, violations
from tests.conftest import SHIPPED_STORE, skip

RUNS = "The decoder runs in your browser."
PATH = "people/me/vae"
PICTURE = "canvas[data-picture]"
PIXELS = """(shown) => {
  const context = new OffscreenCanvas(shown.width, shown.height).getContext("2d", { willReadFrequently: true });
  context.drawImage(shown, 0, 0);
  return [...context.getImageData(0, 0, shown.width, shown.height).data].filter((_, k) => k % 4 === 0);
}"""
# Levels of many points by the page's own source of pictures.
LEVELS = """async (points) => {
  const { picture } = await import("./static/js/pictures.js");
  const levels = [];
  for (const point of points) {
    const bitmap = await picture("decode", { points: point });
    const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
    const context = canvas.getContext("2d");
    context.drawImage(bitmap, 0, 0);
    const { data } = context.getImageData(0, 0, bitmap.width, bitmap.height);
    levels.push([...data].filter((_, k) => k % 4 === 0));
  }
  return levels;
}"""
CODES = """async ([asked, count]) => {
  const { facts } = await import("./static/js/pictures.js");
  return (await facts("samples.json", { ...asked, n: count })).images.map(({ point }) => point);
}"""
POINTS = "async (points) => (await (await import('./static/js/pictures.js')).facts('decode.json', { points })).images"


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Serves files as `python -m http.server` does, and writes nothing."""

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def source() -> tuple[Source, Model]:
    return opened(Settings(model_store=SHIPPED_STORE, default_model="fashion"))


@pytest.fixture(scope="module")
def model(source: tuple[Source, Model]) -> Model:
    return source[1]


@contextlib.contextmanager
def hosted(folder: Path) -> Iterator[str]:
    """Serve a folder as a host of files does; yield its address."""
    handler = functools.partial(Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture(scope="module")
def site(source: tuple[Source, Model], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A host of files, which has the page at PATH."""
    root = tmp_path_factory.mktemp("host")
    try:
        page = page_of(*source)
    except NotInstalled as error:
        skip(str(error))
    folder = root.joinpath(*PATH.split("/"))
    folder.parent.mkdir(parents=True)
    write(folder, page.files, force=False)
    with hosted(root) as address:
        yield address


@pytest.fixture
def pages(browser: Browser, site: str) -> Iterator[Pages]:
    """Opens pages that may ask nothing but the host of the files, and complain of nothing."""
    pages = Pages(browser, site)
    yield pages
    complaints = pages.close()
    assert not complaints, "\n".join(complaints)


@pytest.fixture
def page(pages: Pages) -> Page:
    return pages.open()


@pytest.fixture
def requests(page: Page) -> list[str]:
    """What a page has asked for."""
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    return asked


def has_loaded_decoder(requests: list[str]) -> bool:
    return any(url.endswith(".wasm") for url in requests)


def point_shown(page: Page) -> str:
    return str(page.get_attribute(PICTURE, "data-point"))


def levels(page: Page, selector: str = PICTURE) -> np.ndarray:
    return np.array(page.eval_on_selector(selector, PIXELS), np.int16)


def served(model: Model, codes: np.ndarray) -> np.ndarray:
    """What the service answers, in dark ink."""
    return 255 - to_pixels(model.decode(codes)).astype(np.int16).reshape(len(codes), -1)


def code_of(point: str) -> np.ndarray:
    return np.array([float(number) for number in point.removeprefix("z:").split(",")], np.float32)


def test_the_levels_of_500_points_lie_within_one_of_the_services(
    page: Page, requests: list[str], model: Model
):
    codes = model.prior.draw(7, 0, 500)
    page.goto(f"/{PATH}/index.html")
    found = np.array(page.evaluate(LEVELS, [point_of(code) for code in codes]), np.int16)
    away = np.abs(found - served(model, codes))
    assert away.max() <= 1
    # Sums are rounded in another order than on the server: 3 of 392,000 levels differed when this was written.
    assert (away > 0).sum() <= 40
    assert has_loaded_decoder(requests)


@pytest.mark.parametrize(
    ("asked", "temperature", "label"),
    [
        ({"seed": "7"}, 1.0, None),
        ({"seed": str(2**63 - 1), "label": "Bag"}, 1.0, 8),
        ({"seed": "0", "temperature": "0.7"}, 0.7, None),
    ],
)
def test_the_codes_of_a_seed_are_those_of_the_service(
    page: Page, model: Model, asked: dict[str, str], temperature: float, label: int | None
):
    page.goto(f"/{PATH}/index.html")
    points = page.evaluate(CODES, [asked, 1000])
    found = np.array([code_of(point) for point in points])
    expected = model.prior.draw(int(asked["seed"]), 0, 1000, temperature, label)
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    ("seed", "k"),
    [("tulip", 3), (" Größe  zwei ", 0), ("9", 2**40 - 1)],
)
def test_words_and_far_images_are_those_of_the_service_too(page: Page, model: Model, seed: str, k: int):
    page.goto(f"/{PATH}/index.html")
    (found,) = page.evaluate(POINTS, f"seed:{seed}/{k}")
    np.testing.assert_array_equal(code_of(found["point"]), model.prior.draw(read_seed(seed), k, 1)[0])


def test_the_gallery_shows_its_pictures_before_the_decoder_is_loaded(
    page: Page, requests: list[str], model: Model
):
    page.goto(f"/{PATH}/")
    page.wait_for_load_state("networkidle")
    widths = page.eval_on_selector_all("[data-samples] img", "all => all.map((each) => each.naturalWidth)")
    assert widths == [28] * 21
    page.mouse.wheel(0, 2000)
    page.wait_for_timeout(300)
    assert not has_loaded_decoder(requests)
    page.click("[data-start]")
    expect(page.locator("[data-decoder-words]")).to_have_text(RUNS)
    assert has_loaded_decoder(requests)


def test_other_images_and_kinds_are_computed_and_lead_to_the_explorer(page: Page, model: Model):
    page.goto(f"/{PATH}/index.html")
    page.check("input[name=label][value=Sandal]", force=True)
    image = page.locator("[data-image='0'] img")
    expect(image).to_have_attribute("src", re.compile("^data:image/png"))
    expect(page.locator("[data-image='0']")).to_have_attribute("href", re.compile(r"explorer\.html\?.*at=z:"))
    code = model.prior.draw(42, 0, 1, 1.0, 5)
    page.locator("[data-image='0']").click()
    page.wait_for_selector(f"{PICTURE}[data-point]")
    assert urlsplit(page.url).path.endswith("/explorer.html")
    np.testing.assert_array_equal(code_of(point_shown(page)), code[0])
    assert np.abs(levels(page) - served(model, code)[0]).max() <= 1


def test_a_slider_changes_the_picture_and_the_address_and_a_copied_link_shows_the_same(
    page: Page, requests: list[str], model: Model, pages: Pages
):
    page.goto(f"/{PATH}/explorer.html")
    expect(page.locator(PICTURE)).to_have_attribute("data-point", "seed:42/0")
    before = levels(page)
    np.testing.assert_array_equal(before, served(model, model.prior.draw(42, 0, 1))[0])
    page.wait_for_timeout(500)
    assert not has_loaded_decoder(requests)
    page.fill("[data-axis='0'] input[type=number]", "-1")
    page.press("[data-axis='0'] input[type=number]", "Enter")
    page.wait_for_url(re.compile("at=z:-1,"))
    expect(page.locator(PICTURE)).to_have_attribute("data-point", re.compile("^z:-1,"))
    after, point = levels(page), point_shown(page)
    assert np.abs(after - before).max() > 20
    assert np.abs(after - served(model, code_of(point)[None])[0]).max() <= 1
    page.wait_for_selector("[data-axis='1'] .strip-frame:not([hidden])")
    other = pages.open(page.url)
    expect(other.locator(PICTURE)).to_have_attribute("data-point", point)
    np.testing.assert_array_equal(levels(other), after)
    page.go_back()
    expect(page.locator(PICTURE)).to_have_attribute("data-point", "seed:42/0")


def test_the_strips_are_those_of_the_axes(page: Page, model: Model):
    page.goto(f"/{PATH}/explorer.html?at=seed:5/1")
    page.wait_for_selector("[data-axis='2'] .strip-frame:not([hidden])")
    strip = levels(page, "[data-axis='2'] canvas").reshape(28, 7, 28)
    quantiles = model.manifest.axes[2].quantiles
    codes = np.tile(model.prior.draw(5, 1, 1), (7, 1))
    codes[:, 2] = np.linspace(quantiles["0.025"], quantiles["0.975"], 7, dtype=np.float32)
    expected = served(model, codes).reshape(7, 28, 28).swapaxes(0, 1)
    # The page knows quantiles by six digits, which moves a level at most to the next.
    assert np.abs(strip - expected).max() <= 1


def test_the_way_from_a_to_b_and_a_direction_need_no_service(page: Page, model: Model):
    page.goto(
        f"/{PATH}/explorer.html?at=seed:5/1&from=seed:5/1&to=label:Bag&path=slerp&steps=5&t=1&plus=label:Bag&minus=label:Shirt"
    )
    page.locator("#way").scroll_into_view_if_needed()
    expect(page.locator("[data-frame-number]")).to_have_text("image 5 of 5")
    bag = model.prior.centre_of(8)
    assert np.abs(levels(page, "canvas[data-frame]") - served(model, bag[None])[0]).max() <= 1
    change = (bag - model.prior.centre_of(6)) / [axis.std for axis in model.manifest.axes]
    strongest = int(np.argmax(np.abs(change)))
    expect(page.locator("[data-strongest] button").first).to_contain_text(f"axis {strongest} ")


def test_a_model_of_two_axes_and_no_classes_has_a_page_too(browser: Browser, tmp_path: Path):
    source, model = opened(Settings(model_store=SHIPPED_STORE, default_model="fashion-map"))
    write(tmp_path / "page", page_of(source, model).files, force=False)
    with hosted(tmp_path) as address:
        pages = Pages(browser, address)
        page = pages.open("/page/explorer.html?at=seed:tulip/5")
        expect(page.locator(PICTURE)).to_have_attribute("data-point", "seed:tulip/5")
        code = model.prior.draw(read_seed("tulip"), 5, 1)
        assert np.abs(levels(page) - served(model, code)[0]).max() <= 1
        assert page.locator("[data-active-axes] > li").count() == 2
        assert pages.close() == []


def test_what_cannot_be_done_here_is_said_in_words(page: Page):
    page.goto(f"/{PATH}/explorer.html?at=seed:5/1")
    page.wait_for_selector(f"{PICTURE}[data-point]")
    page.fill("#seed", "1.5")
    page.press("#seed", "Enter")
    expect(page.locator(".error-card")).to_contain_text("A seed is a whole number, or a word")
    page.goto(f"/{PATH}/explorer.html?at=seed:5/1&render=draw")
    expect(page.locator(".error-card")).to_contain_text("draws need the service")


def test_a_file_that_was_not_copied_is_named(pages: Pages):
    page = pages.open()
    page.route("**/model/decoder.tflite", lambda route: route.fulfill(status=404))
    page.goto(f"/{PATH}/explorer.html")
    page.wait_for_selector(f"{PICTURE}[data-point]")
    page.click("[data-start]")
    expect(page.locator(".error-card")).to_contain_text("decoder.tflite is missing where this page lies")
    page.unroute("**/model/decoder.tflite")
    page.click("[data-start]")
    expect(page.locator("[data-decoder-words]")).to_have_text(RUNS)


def test_a_missing_script_of_the_decoder_is_named(pages: Pages):
    page = pages.open()
    page.route("**/decoder-worker.js", lambda route: route.fulfill(status=404))
    page.goto(f"/{PATH}/explorer.html")
    page.wait_for_selector(f"{PICTURE}[data-point]")
    page.click("[data-start]")
    expect(page.locator(".error-card")).to_contain_text("decoder-worker.js is missing where this page lies")
    page.unroute("**/decoder-worker.js")
    page.click("[data-start]")
    expect(page.locator("[data-decoder-words]")).to_have_text(RUNS)


@pytest.mark.parametrize("name", ["index.html", "explorer.html", "shortcuts.html"])
def test_a_key_opens_the_list_of_keys(page: Page, name: str):
    page.goto(f"/{PATH}/{name}")
    page.keyboard.press("?")
    page.wait_for_url(f"**/{PATH}/shortcuts.html")
    expect(page.get_by_role("heading", name="Keyboard shortcuts")).to_be_visible()


def test_without_javascript_the_gallery_has_its_pictures(pages: Pages):
    page = pages.open(f"/{PATH}/", javascript=False)
    pictures = page.locator("[data-samples] img")
    assert pictures.evaluate_all("all => all.map((each) => each.naturalWidth)") == [28] * 21
    expect(page.locator("noscript p").first).to_be_visible()
    assert "the sliders, need JavaScript" in page.locator("noscript p").first.inner_text()


@pytest.mark.parametrize("name", ["index.html", "explorer.html"])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [NARROW, 1280])
def test_it_can_be_read_by_everybody(pages: Pages, name: str, dark: bool, width: int):
    page = pages.open(f"/{PATH}/{name}", dark=dark, width=width)
    page.wait_for_load_state("networkidle")
    assert violations(page) == []
    page.click("[data-start]")
    expect(page.locator("[data-decoder-words]")).to_have_text(RUNS)
    page.wait_for_timeout(500)
    assert violations(page) == []
    assert not scrolls_sideways(page)
