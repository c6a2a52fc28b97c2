"""Parts of images painted away and completed in a real browser: what is sent, what is shown, and its state."""

import base64
import io
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from app.settings import Settings
from tests.browser.chromium import Pages
from tests.conftest import FASHION, FASHION_VERSION
from tests.fakes import png_bytes, write_version
from tests.picture_files import encoded
from tests.serving import serving_fakes

EXAMPLES = [sorted((FASHION_VERSION / "examples").iterdir())[k].read_bytes() for k in (0, 1, 2)]
COAT = encoded(Image.open(sorted((FASHION_VERSION / "examples").iterdir())[3]).resize((140, 140)))
SIDE = 28
LEVELS = """(canvas) => {
  const copy = Object.assign(document.createElement("canvas"), { width: 28, height: 28 });
  const context = copy.getContext("2d", { willReadFrequently: true });
  context.imageSmoothingEnabled = false;
  context.drawImage(canvas, 0, 0, 28, 28); // the middle of each pixel
  const { data } = context.getImageData(0, 0, 28, 28);
  return Array.from({ length: 784 }, (_, i) => [...data.slice(4 * i, 4 * i + 3)]);
}"""


def pixels_of(url: str) -> np.ndarray:
    """The levels of a picture in a ``data:`` URL."""
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2]))))


def canvas(page: Page) -> Any:
    return page.locator("[data-editor]")


def missing(page: Page) -> np.ndarray:
    """Which pixels are drawn as missing: in colours that no grey image has."""
    levels = np.array(canvas(page).evaluate(LEVELS)).reshape(SIDE, SIDE, 3)
    return np.ptp(levels, axis=2) > 0


def address(page: Page, name: str, default: str = "") -> str:
    return parse_qs(urlsplit(page.url).query).get(name, [default])[0]


def mask_in(page: Page) -> np.ndarray:
    """The mask that the address has as bits."""
    text = address(page, "mask")
    bits = np.unpackbits(np.frombuffer(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)), np.uint8))
    return bits[: SIDE * SIDE].reshape(SIDE, SIDE).astype(bool)


def shown(page: Page) -> list[np.ndarray]:
    images = page.locator("[data-completions] img").evaluate_all(
        "(images) => images.map((image) => image.src)"
    )
    return [pixels_of(image) for image in images]


def completed(service: str, image: bytes, mask: np.ndarray, **parameters: str) -> Any:
    files = {"file": ("a.png", image), "mask": ("b.png", png_bytes(mask.astype(np.uint8) * 255))}
    query = {"model": "fashion", **parameters}
    return (
        httpx.post(f"{service}/complete.json", params=query, files=files, timeout=60)
        .raise_for_status()
        .json()
    )


def shows_what_is_answered(page: Page, answer: Any) -> None:
    """Wait until the page shows an answer's completions, then its mean, and nothing else."""
    _, mean, *completions = (pixels_of(each["picture"]) for each in answer["images"])
    size = answer["completions"][0]["effective_sample_size"]
    digits = f"{size:.1f}" if size < 10 else f"{size:.0f}"
    expect(page.locator("[data-trust]")).to_contain_text(
        f"{digits} of {answer['parameters']['k']} draws count"
    )
    expect(page.locator("[data-completions] img")).to_have_count(len(completions) + 1)
    expect(page.locator("[data-progress]")).to_be_hidden()
    for picture, expected in zip(shown(page), [*completions, mean], strict=True):
        assert np.array_equal(picture, expected)


def lower() -> np.ndarray:
    return np.broadcast_to(np.arange(SIDE)[:, None] >= SIDE // 2, (SIDE, SIDE))


def opened(page: Page, service: str, query: str = "?model=fashion") -> None:
    page.goto(f"{service}/completions{query}")
    expect(page.locator("[data-completions] img").first).to_be_visible()
    expect(page.locator("[data-progress]")).to_be_hidden()


def at(page: Page, row: int, column: int) -> tuple[float, float]:
    """The place of a pixel's middle in the window."""
    box = canvas(page).bounding_box()
    return box["x"] + (column + 0.5) / SIDE * box["width"], box["y"] + (row + 0.5) / SIDE * box["height"]


def drag(page: Page, start: tuple[int, int], end: tuple[int, int]) -> None:
    canvas(page).scroll_into_view_if_needed()
    page.mouse.move(*at(page, *start))
    page.mouse.down()
    page.mouse.move(*at(page, *end), steps=5)
    page.mouse.up()


def test_the_lower_half_of_the_first_example_is_completed_at_first(page: Page, service: str) -> None:
    opened(page, service)
    assert np.array_equal(missing(page), lower())
    shows_what_is_answered(page, completed(service, EXAMPLES[0], lower(), n="4", k="256", seed="42"))


def test_what_is_painted_is_sent_as_missing(page: Page, service: str) -> None:
    opened(page, service, "?model=fashion&k=64&n=2")
    page.get_by_role("button", name="Clear").click()
    expect(page.get_by_text("Nothing is missing yet")).to_be_visible()
    page.get_by_label("rectangle").check()
    drag(page, (4, 6), (12, 20))
    painted = np.zeros((SIDE, SIDE), bool)
    painted[4:13, 6:21] = True
    assert np.array_equal(missing(page), painted)
    assert np.array_equal(mask_in(page), painted)
    shows_what_is_answered(page, completed(service, EXAMPLES[0], painted, n="2", k="64", seed="42"))
    page.get_by_label("bring back").check()
    page.get_by_label("1", exact=True).check()
    drag(page, (5, 6), (5, 20))
    painted[5, 6:21] = False
    assert np.array_equal(missing(page), painted)
    shows_what_is_answered(page, completed(service, EXAMPLES[0], painted, n="2", k="64", seed="42"))


def test_undo_swap_and_halves_change_the_mask(page: Page, service: str) -> None:
    opened(page, service, "?model=fashion&k=64&n=2")
    page.get_by_role("button", name="left half").click()
    left = np.broadcast_to(np.arange(SIDE)[None] < SIDE // 2, (SIDE, SIDE))
    assert np.array_equal(missing(page), left)
    assert address(page, "mask") == "left"
    page.get_by_role("button", name="Swap missing and seen").click()
    assert np.array_equal(missing(page), ~left)
    assert address(page, "mask") == "right"
    page.get_by_role("button", name="Undo").click()
    assert np.array_equal(missing(page), left)
    page.keyboard.press("Control+z")
    assert np.array_equal(missing(page), lower())
    expect(page.get_by_role("button", name="Undo")).to_be_disabled()
    page.get_by_role("button", name="Clear").click()
    expect(page.locator("[data-completions] img")).to_have_count(0)
    page.get_by_role("button", name="Undo").click()
    shows_what_is_answered(page, completed(service, EXAMPLES[0], lower(), n="2", k="64", seed="42"))


def test_a_mask_is_painted_by_keys_alone(page: Page, service: str) -> None:
    page.goto(f"{service}/completions?model=fashion&k=64&n=2&mask=none")
    expect(page.get_by_text("Nothing is missing yet")).to_be_visible()
    page.get_by_label("3", exact=True).check()
    canvas(page).focus()
    for key in ("ArrowUp", "ArrowLeft", "Space"):  # from the middle, row 14 and column 14
        page.keyboard.press(key)
    painted = np.zeros((SIDE, SIDE), bool)
    painted[12:15, 12:15] = True
    assert np.array_equal(mask_in(page), painted)
    for _ in range(2):
        page.keyboard.press("Shift+ArrowDown")
    painted[12:17, 12:15] = True
    assert np.array_equal(mask_in(page), painted)
    expect(page.locator("[data-announce]")).to_contain_text(
        re.compile("Row 16, column 14: missing|completions")
    )
    shows_what_is_answered(page, completed(service, EXAMPLES[0], painted, n="2", k="64", seed="42"))


def test_reload_back_and_a_copied_link_show_the_same(page: Page, browser: Browser, service: str) -> None:
    opened(page, service, "?model=fashion&k=64&n=3&of=example:1&seed=7&render=draw")
    page.get_by_role("button", name="upper half").click()
    answer = completed(service, EXAMPLES[1], ~lower(), n="3", k="64", seed="7", render="draw")
    shows_what_is_answered(page, answer)
    page.reload()
    shows_what_is_answered(page, answer)
    link = page.url
    page.get_by_role("button", name="Others").click()
    page.wait_for_url(lambda url: "seed=7&" not in url)
    seed = address(page, "seed")
    others = completed(service, EXAMPLES[1], ~lower(), n="3", k="64", seed=seed, render="draw")
    shows_what_is_answered(page, others)
    page.go_back()
    shows_what_is_answered(page, answer)
    elsewhere = browser.new_page()
    elsewhere.goto(link)
    shows_what_is_answered(elsewhere, answer)
    elsewhere.close()


def test_an_own_image_is_completed_and_stays_in_this_browser(
    page: Page, browser: Browser, service: str
) -> None:
    opened(page, service, "?model=fashion&k=64&n=2")
    page.set_input_files("[data-files]", [{"name": "coat.png", "mimeType": "image/png", "buffer": COAT}])
    expect(page.get_by_role("heading", name="The image: coat.png")).to_be_visible()
    expect(page.get_by_text("Your image stays in this browser")).to_be_visible()
    answer = completed(service, COAT, lower(), n="2", k="64", seed="42", invert="auto")
    shows_what_is_answered(page, answer)
    page.reload()
    shows_what_is_answered(page, answer)
    elsewhere = browser.new_page()
    elsewhere.goto(page.url)
    expect(elsewhere.get_by_text("stayed in the browser where it was chosen")).to_be_visible()
    expect(elsewhere.get_by_role("heading", name="The image: Example 0")).to_be_visible()
    elsewhere.close()


def test_a_file_that_cannot_be_used_changes_nothing_of_what_is_shown(
    pages: Pages, page: Page, service: str
) -> None:
    pages.expect("status of 415")
    opened(page, service, "?model=fashion&k=64&n=2")
    before = page.url
    page.set_input_files(
        "[data-files]", [{"name": "bad.png", "mimeType": "image/png", "buffer": b"no image"}]
    )
    expect(page.get_by_role("alert")).to_contain_text("Convert the file")
    expect(page.get_by_role("heading", name="The image: Example 0")).to_be_visible()
    expect(page.locator("[data-example='example:0']")).to_have_attribute("aria-pressed", "true")
    expect(page.get_by_text("Your image stays in this browser")).to_be_hidden()
    assert page.url == before
    page.locator("[data-example='example:1']").click()
    expect(page.get_by_role("alert")).to_have_count(0)
    shows_what_is_answered(page, completed(service, EXAMPLES[1], lower(), n="2", k="64", seed="42"))


def test_everything_shown_is_downloaded_as_one_picture(page: Page, service: str) -> None:
    opened(page, service, "?model=fashion&k=64&n=2")
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Download as one picture").click()
    files = {"file": ("a.png", EXAMPLES[0]), "mask": ("b.png", png_bytes(lower().astype(np.uint8) * 255))}
    query = {"model": "fashion", "n": "2", "k": "64", "seed": "42", "zoom": "4"}
    expected = httpx.post(f"{service}/complete.png", params=query, files=files, timeout=60).content
    assert np.array_equal(
        np.asarray(Image.open(waiting.value.path())), np.asarray(Image.open(io.BytesIO(expected)))
    )


def test_a_seed_that_is_none_is_refused_in_words_until_it_is_mended(
    pages: Pages, page: Page, service: str
) -> None:
    pages.expect("status of 422")
    opened(page, service, "?model=fashion&k=64&n=2")
    page.fill("#seed", "1.5")
    expect(page.get_by_role("alert")).to_contain_text("a whole number in digits, or a word")
    page.fill("#seed", "tulip")
    expect(page.get_by_role("alert")).to_have_count(0)
    shows_what_is_answered(page, completed(service, EXAMPLES[0], lower(), n="2", k="64", seed="tulip"))


@pytest.fixture
def of_eight_pixels(tmp_path: Path) -> Iterator[str]:
    write_version(tmp_path)
    with serving_fakes(Settings(model_store=tmp_path, default_model="fake", worker_threads=2)) as port:
        yield f"http://127.0.0.1:{port}"


def test_a_mask_of_another_model_s_size_gives_way_to_the_lower_half(
    browser: Browser, of_eight_pixels: str
) -> None:
    page = browser.new_page()
    page.goto(f"{of_eight_pixels}/completions?mask={'A' * 131}&n=2")
    expect(page.locator("[data-completions] img")).to_have_count(3)
    seen = shown(page)
    # Above is what was seen, the example's 0.2 drawn as ink on paper.
    assert all((picture[:4] == 255 - 51).all() for picture in seen)
    assert not all((picture[4:] == 255 - 51).all() for picture in seen)
    page.close()


def test_without_javascript_a_form_completes_halves_of_the_examples(browser: Browser, service: str) -> None:
    page = browser.new_context(java_script_enabled=False).new_page()
    page.goto(f"{service}/completions?model=fashion")
    page.select_option("#mask", "left")
    page.select_option("#n", "2")
    page.get_by_role("button", name="Show").last.click()
    source = page.locator("figure img").get_attribute("src")
    assert re.search(
        rf"complete\?model={FASHION}-[0-9a-f]{{12}}&hide=left&n=2&k=256&seed=42&render=draw", source
    )
    size = page.locator("figure img").evaluate("(image) => image.decode().then(() => image.naturalWidth)")
    assert size == 3 * SIDE * (2 + 2)
    page.context.close()


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 320)])
def test_it_is_accessible_and_fits(
    browser: Browser, service: str, violations: Callable[[Page], list[str]], scheme: Any, width: int
) -> None:
    page = browser.new_page(color_scheme=scheme, viewport={"width": width, "height": 800})
    opened(page, service)
    assert violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    # Words that explain themselves stand in a sentence, and fields within a label as large as need be.
    small = page.locator("main :is(button:not(.term), select, input):visible").evaluate_all(
        "(all) => all.filter((each) => each.closest('label, p, .explanation') === null"
        " && Math.min(each.offsetWidth, each.offsetHeight) < 24).map((each) => each.outerHTML)"
    )
    assert small == []
    page.close()
