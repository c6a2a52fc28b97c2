"""Own images and samples, reconstructed and scored in a real browser: what it shows is what the service answers."""

import base64
import io
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypedDict

import httpx
import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, Route, expect

from app.settings import Settings
from tests.browser.chromium import Pages
from tests.conftest import FASHION_VERSION
from tests.fakes import png_bytes, write_version
from tests.picture_files import encoded
from tests.serving import serving_fakes

MINUS = "−"
QUANTILES = json.loads((FASHION_VERSION / "manifest.json").read_text())["scores"]["corrected"]


class Chosen(TypedDict):
    """A file as Playwright's file chooser takes it."""

    name: str
    mimeType: str
    buffer: bytes


def chosen(name: str, content: bytes) -> Chosen:
    return {"name": name, "mimeType": "image/png", "buffer": content}


@pytest.fixture(scope="session")
def files() -> dict[str, bytes]:
    """A shirt, a coat and a coloured pattern, which is none of what the model knows."""
    folder = FASHION_VERSION / "examples"
    shirt, coat = (Image.open(sorted(folder.iterdir())[index]) for index in (0, 3))
    rows, columns = np.mgrid[:120, :200]
    waves = np.stack([127 + 120 * np.sin(columns / 9), 127 + 120 * np.sin(rows / 7), rows + columns % 90], -1)
    pattern = encoded(Image.fromarray(waves.clip(0, 255).astype(np.uint8)), "JPEG")
    return {"shirt.png": encoded(shirt), "coat.png": encoded(coat.resize((112, 112))), "pattern.jpg": pattern}


def choose(page: Page, files: dict[str, bytes]) -> None:
    page.set_input_files("[data-files]", [chosen(name, content) for name, content in files.items()])


def settled(page: Page, cards: int) -> None:
    """Wait until so many images are scored and nothing is under way."""
    expect(page.locator("[data-cards] [data-scores]")).to_have_count(cards)
    expect(page.locator("[data-progress]")).to_be_hidden()


def titles(page: Page) -> list[str]:
    return page.locator("[data-cards] h3").all_inner_texts()


def card(page: Page, name: str) -> Any:
    return page.locator(".card", has=page.locator("h3", has_text=name))


def numbers(found: Any) -> dict[str, str]:
    names, values = found.locator("dt").all_inner_texts(), found.locator("dd").all_inner_texts()
    return dict(zip(names, values, strict=True))


def written(value: float, digits: int = 1) -> str:
    return f"{value:.{digits}f}".replace("-", MINUS)


def pixels_of(url: str) -> np.ndarray:
    """The levels of a picture in a ``data:`` URL."""
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2]))))


def asked(service: str, path: str, content: bytes, **parameters: str) -> Any:
    query = {"model": "fashion", "invert": "auto", **parameters}
    answer = httpx.post(f"{service}/{path}", params=query, files={"file": ("a", content)}, timeout=60)
    return answer.raise_for_status().json()


def test_the_least_usual_of_three_files_is_named_two_clicks_from_the_gallery(
    page: Page, service: str, files: dict[str, bytes]
) -> None:
    page.goto(service)
    page.get_by_role("link", name="Reconstruct and score").click()
    with page.expect_file_chooser() as opened:
        page.get_by_text("Choose images").click()
    opened.value.set_files([chosen(name, content) for name, content in files.items()])
    settled(page, 3)
    expect(page.get_by_role("heading", name="The least usual of these 3: pattern.jpg")).to_be_visible()
    scores = {name: asked(service, "score.json", files[name])["images"][0]["corrected"] for name in files}
    order = sorted(scores, key=lambda name: -scores[name])
    assert order[0] == "pattern.jpg"
    assert titles(page) == [f"1. {order[0]} least usual", f"2. {order[1]}", f"3. {order[2]}"]


def test_a_card_has_the_numbers_of_the_service(page: Page, service: str, files: dict[str, bytes]) -> None:
    page.goto(f"{service}/reconstructions?model=fashion&k=32")
    choose(page, files)
    settled(page, 3)
    score = asked(service, "score.json", files["coat.png"], k="32")["images"][0]
    close = asked(service, "reconstruct.json", files["coat.png"], show="error")
    found = card(page, "coat.png")
    bits = written(score["bits_per_dim"], 2)
    assert numbers(found) == {
        "corrected score": f"{written(score['corrected'])} nats",
        "L_32": f"{written(score['log_p_x'])} ± {written(score['standard_error'])} nats, {bits} bits a pixel",
        "ELBO": f"{written(score['elbo'])} nats",
        "its reconstruction term": f"{written(score['reconstruction'])} nats",
        "its KL": f"{written(score['kl'])} nats",
        "MSE": f"{close['mse']:.5f}",
        "PSNR": f"{close['psnr']:.1f} dB",
        "SSIM": f"{close['ssim']:.3f}",
    }
    percentile = score["corrected_percentile"]
    share = f"{percentile:.1f}" if percentile > 99 else f"{percentile:.0f}"
    expect(found.locator(".verdict")).to_have_text(f"More unusual than {share} % of held-out images")
    shown = found.locator(".stages img").evaluate_all("(images) => images.map((image) => image.src)")
    own, *pictures, surprise = shown
    assert own.startswith("blob:")
    for picture, each in zip(pictures, close["images"], strict=True):  # their recipes differ
        assert np.array_equal(pixels_of(picture), pixels_of(each["picture"]))
    assert surprise == score["surprise"]["picture"]
    expect(found.locator(".scale")).to_contain_text(f"{score['surprise']['high']:.1f} nats")
    link = found.get_by_role("link", name="Explore from its code").get_attribute("href")
    assert f"at={close['reconstructions'][0]['point']}" in link


def test_the_histogram_is_that_of_the_held_out_images(page: Page, service: str) -> None:
    page.goto(f"{service}/reconstructions?model=fashion")
    settled(page, 5)
    page.get_by_text("The histogram as a table").click()
    cells = page.locator("[data-table] tbody td").all_inner_texts()
    shares = [float(cell.removesuffix(" %")) for cell in cells[1::2]]
    edges = np.linspace(QUANTILES[1], QUANTILES[-2], len(shares) + 1)
    below = np.interp(edges, QUANTILES, np.linspace(0, 100, len(QUANTILES)))
    assert shares == pytest.approx(np.diff(below), abs=0.051)  # they are rounded to a tenth
    heights = page.locator("[data-histogram] rect").evaluate_all(
        "(bars) => bars.map((bar) => Number(bar.getAttribute('height')))"
    )
    assert np.array(heights) / max(heights) == pytest.approx(np.diff(below) / np.diff(below).max(), abs=1e-6)
    ticks = page.locator("[data-histogram] .score text").evaluate_all(
        "(texts) => texts.map((text) => [text.textContent, Number(text.getAttribute('x'))])"
    )
    assert len(ticks) >= 3
    for score, x in ticks:  # bars are between 8 and 292
        place = 8 + 284 * (float(score.replace(MINUS, "-")) - edges[0]) / (edges[-1] - edges[0])
        assert x == pytest.approx(place, abs=0.01)
    described = page.locator("[data-histogram] svg").get_attribute("aria-label")
    scores = httpx.get(f"{service}/score.json", params={"model": "fashion"}, timeout=60).json()["images"]
    for index, each in enumerate(scores):
        percentile = f"{each['corrected_percentile']:.0f}"
        assert f"Example {index} at {written(each['corrected'], 0)}, above {percentile} %" in described


def test_reload_and_back_show_own_images_again(page: Page, service: str, files: dict[str, bytes]) -> None:
    page.goto(f"{service}/reconstructions")
    choose(page, files)
    settled(page, 3)
    before = titles(page)
    page.reload()
    settled(page, 3)
    assert titles(page) == before
    card(page, "coat.png").get_by_role("link", name="Explore from its code").click()
    page.wait_for_url("**/explorer?**")
    page.go_back()
    settled(page, 3)
    assert titles(page) == before
    page.get_by_role("button", name="Remove coat.png").click()
    settled(page, 2)
    page.reload()
    settled(page, 2)
    assert not any("coat.png" in title for title in titles(page))


def test_while_new_images_are_scored_nothing_is_said_of_the_old_ones(
    page: Page, service: str, files: dict[str, bytes]
) -> None:
    page.goto(f"{service}/reconstructions?k=32")
    settled(page, 5)
    expect(page.locator("[data-summary]")).to_be_visible()
    held: list[Route] = []
    released = False
    page.route(re.compile(r"/score[.?]"), lambda route: route.continue_() if released else held.append(route))
    choose(page, files)
    expect(page.locator("[data-progress-words]")).to_contain_text("0 of 3 images scored")
    expect(page.locator("[data-summary]")).to_be_hidden()
    released = True
    for route in held:
        route.continue_()
    settled(page, 3)
    expect(page.locator("#least")).to_contain_text("The least usual of these 3: pattern.jpg")


def test_a_link_shows_the_same_samples_and_another_tab_no_own_images(
    browser: Browser, service: str, files: dict[str, bytes]
) -> None:
    context = browser.new_context()
    page = context.new_page()
    page.goto(f"{service}/reconstructions")
    page.get_by_role("button", name="Three that differ").click()
    settled(page, 3)
    before, link = titles(page), page.url
    assert "samples=example:0;turned:0;noise:1" in link
    page.get_by_role("button", name="A negative").click()
    settled(page, 4)
    page.go_back()
    settled(page, 3)
    choose(page, files)
    settled(page, 6)
    other = context.new_page()
    other.goto(link)
    settled(other, 3)
    assert titles(other) == before
    assert "Noise 1" in before[0]
    context.close()


def test_odd_samples_are_what_they_say(page: Page, service: str) -> None:
    page.goto(f"{service}/reconstructions?samples=example:1;turned:1;negative:1")
    settled(page, 3)
    seen = """(image) => image.decode().then(() => {
      const canvas = Object.assign(document.createElement("canvas"), { width: 28, height: 28 });
      const context = canvas.getContext("2d", { willReadFrequently: true });
      context.drawImage(image, 0, 0, 28, 28);
      return [...context.getImageData(0, 0, 28, 28).data].filter((_, i) => i % 4 === 0);
    })"""

    def levels(name: str) -> np.ndarray:
        found = page.locator(
            ".card", has=page.get_by_role("heading", name=re.compile(rf"\d\. {name}( least usual)?$"))
        )
        pixels: list[int] = found.locator(".stages img").first.evaluate(seen)
        return np.array(pixels).reshape(28, 28)

    plain = levels("Example 1")
    assert plain.std() > 0
    assert np.array_equal(levels("Example 1 upside down"), plain[::-1, ::-1])
    assert np.array_equal(levels("Example 1 as a negative"), 255 - plain)


def test_a_file_that_cannot_be_used_is_said_and_the_others_are_scored(
    pages: Pages, page: Page, service: str, files: dict[str, bytes]
) -> None:
    pages.expect("status of 422")
    pages.expect("status of 415")
    page.goto(f"{service}/reconstructions")
    choose(
        page,
        {"shirt.png": files["shirt.png"], "broken.png": files["coat.png"][:60], "notes.png": b"no image"},
    )
    settled(page, 1)
    expect(card(page, "broken.png").locator(".fault")).to_contain_text("The file is cut off: send it again")
    expect(card(page, "notes.png").locator(".fault")).to_contain_text(
        "Convert the file to one of these formats"
    )
    assert titles(page)[-1] == "shirt.png"


def test_a_file_that_cannot_be_used_is_told_in_sight_and_comes_before_the_images(
    pages: Pages, page: Page, service: str
) -> None:
    pages.expect("status of 415")
    page.set_viewport_size({"width": 1280, "height": 900})
    page.goto(f"{service}/reconstructions?k=32")
    page.get_by_role("button", name="Three that differ").click()
    settled(page, 3)
    choose(page, {"bad.png": b"no image here"})
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("bad.png cannot be used. Expected: ")
    settled(page, 3)
    expect(alert).to_be_in_viewport(ratio=1)  # also when the others are scored
    assert titles(page)[0] == "bad.png"
    expect(card(page, "bad.png")).to_be_in_viewport()
    page.get_by_role("button", name="Remove bad.png").click()
    expect(alert).to_have_count(0)


def test_images_are_dropped_on_the_page_and_pasted_into_it(
    page: Page, service: str, files: dict[str, bytes]
) -> None:
    page.goto(f"{service}/reconstructions")
    settled(page, 5)
    give = """([kind, name, bytes]) => {
      const transfer = new DataTransfer();
      transfer.items.add(new File([new Uint8Array(bytes)], name, { type: "image/png" }));
      const event = kind === "drop" ? new DragEvent("drop", { dataTransfer: transfer, bubbles: true, cancelable: true })
        : new ClipboardEvent("paste", { clipboardData: transfer, bubbles: true, cancelable: true });
      document.body.dispatchEvent(event);
    }"""
    page.evaluate(give, ["drop", "shirt.png", list(files["shirt.png"])])
    settled(page, 1)
    page.evaluate(give, ["paste", "coat.png", list(files["coat.png"])])
    settled(page, 2)
    expect(page.get_by_role("heading", name="The least usual of these 2")).to_be_visible()


def test_inverting_sends_the_images_again(page: Page, service: str, files: dict[str, bytes]) -> None:
    page.goto(f"{service}/reconstructions")
    choose(page, {"shirt.png": files["shirt.png"]})
    settled(page, 1)
    page.select_option("#invert", "yes")
    expect(page.get_by_text("what the encoder saw: inverted")).to_be_visible()
    settled(page, 1)
    score = asked(service, "score.json", files["shirt.png"], invert="yes")["images"][0]
    assert numbers(card(page, "shirt.png"))["corrected score"] == f"{written(score['corrected'])} nats"
    assert "invert=yes" in page.url


def test_the_nearest_images_of_the_map_are_shown(page: Page, service: str, files: dict[str, bytes]) -> None:
    page.goto(f"{service}/reconstructions?model=fashion")
    choose(page, {"coat.png": files["coat.png"]})
    settled(page, 1)
    page.get_by_text("The nearest images of the test set").click()
    nearest = asked(service, "encode.json", files["coat.png"])["images"][0]["nearest_on_map"]
    words = [f"{each['class']}, at distance {each['distance']:.1f}" for each in nearest]
    expect(page.locator("details figcaption")).to_have_text(words)


@pytest.fixture
def without_scores(tmp_path: Path) -> Iterator[str]:
    write_version(tmp_path)
    with serving_fakes(Settings(model_store=tmp_path, default_model="fake", worker_threads=2)) as port:
        yield f"http://127.0.0.1:{port}"


def test_a_model_without_scores_of_held_out_images_says_so(browser: Browser, without_scores: str) -> None:
    page = browser.new_page()
    page.goto(f"{without_scores}/reconstructions")
    choose(
        page,
        {
            "a.png": png_bytes(np.full((8, 8), 90, np.uint8)),
            "b.png": png_bytes(np.eye(8, dtype=np.uint8) * 255),
        },
    )
    settled(page, 2)
    assert "The least usual of these 2" in page.locator("[data-least]").inner_text()
    expect(page.locator("[data-histogram]")).to_contain_text("published without scores of held-out images")
    expect(page.locator("svg.histogram")).to_have_count(0)
    page.close()


def test_without_javascript_examples_are_shown_and_a_form_reconstructs(
    browser: Browser, service: str, files: dict[str, bytes]
) -> None:
    page = browser.new_context(java_script_enabled=False).new_page()
    page.goto(f"{service}/reconstructions?model=fashion")
    width = page.locator("noscript img, figure img").first.evaluate("(image) => image.naturalWidth")
    assert width == 5 * 28 * 4
    page.set_input_files("[data-files]", [chosen("coat.png", files["coat.png"])])
    page.get_by_role("button", name="Reconstruct", exact=True).click()
    expect(page.get_by_role("heading", name="Your picture")).to_be_visible()
    shown = page.locator("figure img").evaluate("(image) => image.src")
    sent = {"model": "fashion", "invert": "auto", "zoom": "6"}
    drawn = httpx.post(f"{service}/reconstruct", params=sent, files={"file": files["coat.png"]}).content
    expected = np.asarray(Image.open(io.BytesIO(drawn)))
    assert np.array_equal(pixels_of(shown), expected)
    page.context.close()


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 320)])
def test_it_is_accessible_and_fits(
    browser: Browser,
    service: str,
    files: dict[str, bytes],
    violations: Callable[[Page], list[str]],
    scheme: Any,
    width: int,
) -> None:
    page = browser.new_page(color_scheme=scheme, viewport={"width": width, "height": 800})
    page.goto(f"{service}/reconstructions?samples=noise:1")
    choose(page, files | {"broken.png": b"none"})
    settled(page, 4)
    page.get_by_text("The histogram as a table").click()
    assert violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.close()
