"""The map of the test set in a browser: what is drawn where, hover, click, walk, filter, keys, and its address."""

import base64
import io
from urllib.parse import parse_qs, urlsplit

import httpx
import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from tests.browser.chromium import NARROW, scrolls_sideways

MODEL = "fashion-map"  # two axes: places are codes
CANVAS = "canvas[data-map]"
# Read from a copy: a canvas that is read more than once is drawn by other means from then on.
PIXELS = """(source, { left, top, width, height }) => {
  const copy = new OffscreenCanvas(source.naturalWidth ?? source.width, source.naturalHeight ?? source.height);
  const context = copy.getContext("2d", { willReadFrequently: true });
  context.drawImage(source, 0, 0);
  const part = context.getImageData(left, top, width ?? copy.width, height ?? copy.height);
  let bytes = ""; // a list of a million numbers takes ten seconds to Python
  for (let k = 0; k < part.data.length; k += 8192) bytes += String.fromCharCode(...part.data.subarray(k, k + 8192));
  return [part.height, btoa(bytes)];
}"""


def at(page: Page) -> dict[str, str]:
    """The page's state, as its address has it."""
    return {name: values[0] for name, values in parse_qs(urlsplit(page.url).query).items()}


def asked(service: str, address: str, /, **parameters: str | int) -> httpx.Response:
    return httpx.get(f"{service}/{address}", params=parameters).raise_for_status()


def picture(service: str, address: str, /, **parameters: str | int) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(asked(service, address, **parameters).content)).convert("RGB"))


def pixels(page: Page, selector: str, **area: int) -> np.ndarray:
    """Levels of a canvas or a picture, or of a part of it."""
    height, found = page.eval_on_selector(selector, PIXELS, {"left": 0, "top": 0, **area})
    return np.frombuffer(base64.b64decode(found), np.uint8).reshape(height, -1, 4)[..., :3]


def address_says(page: Page, name: str, value: str | None) -> None:
    """Wait until the page's address says this of a parameter; None: it does not name it."""
    page.wait_for_function(
        "([name, value]) => new URLSearchParams(location.search).get(name) === value", arg=[name, value]
    )


def address_names(page: Page, name: str) -> None:
    page.wait_for_function("(name) => new URLSearchParams(location.search).has(name)", arg=name)


@pytest.fixture(scope="module")
def images(service: str) -> list[dict]:
    """Every image of the map, as the service says."""
    return asked(service, "map.json", model=MODEL).json()["images"]


@pytest.fixture(scope="module")
def lonely(images: list[dict]) -> int:
    """The image that is furthest from all others, so that none lies over it."""
    places = np.array([(each["x"], each["y"]) for each in images])
    apart = np.linalg.norm(places[:, None] - places, axis=2)
    np.fill_diagonal(apart, np.inf)
    return int(apart.min(axis=1).argmax())


@pytest.fixture(scope="module")
def empty(images: list[dict]) -> tuple[float, float]:
    """The place on the map that is furthest from all images."""
    places = np.array([(each["x"], each["y"]) for each in images])
    low, high = places.min(axis=0), places.max(axis=0)
    grid = np.stack(np.meshgrid(*np.linspace(low, high, 40).T), axis=-1).reshape(-1, 2)
    x, y = grid[np.linalg.norm(grid[:, None] - places, axis=2).min(axis=1).argmax()]
    return float(x), float(y)


def opened(page: Page, query: str = "", model: str = MODEL) -> Page:
    page.goto(f"/test-set?model={model}{query}")
    drawn(page)
    return page


def drawn(page: Page) -> None:
    """Wait until everything is drawn; what moves after that draws again."""
    page.wait_for_selector(f"{CANVAS}[data-drawn]")


def seen_at(images: list[dict], k: int, zoom: int = 20) -> str:
    """The query that has an image in the middle."""
    return f"&x={images[k]['x']}&y={images[k]['y']}&zoom={zoom}"


def middle(page: Page) -> tuple[float, float]:
    box = page.locator(CANVAS).bounding_box()
    assert box is not None
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def place_of(page: Page, images: list[dict], k: int) -> tuple[float, float]:
    """Where in the window an image is while the whole map is seen, which leaves a margin of 8 percent."""
    places = np.array([(each["x"], each["y"]) for each in images])
    low, high = places.min(axis=0), places.max(axis=0)
    box = page.locator(CANVAS).bounding_box()
    assert box is not None
    scale = min(box["width"] / (high - low)[0], box["height"] / (high - low)[1]) / 1.08
    right, up = (places[k] - (low + high) / 2) * scale
    x, y = middle(page)
    return x + float(right), y - float(up)


def hovered(page: Page, right: float = 0, down: float = 0) -> None:
    x, y = middle(page)
    page.mouse.move(x + right, y + down)


def chosen(page: Page) -> str | None:
    return page.get_attribute("canvas[data-real]", "data-image")


def decoded(page: Page, point: str) -> np.ndarray:
    expect(page.locator("canvas[data-picture]")).to_have_attribute("data-point", point)
    return pixels(page, "canvas[data-picture]")


def zoom_of(page: Page) -> float:
    return float(at(page).get("zoom", "1"))


def test_the_thumbnail_of_an_image_is_drawn_at_the_place_of_its_code(service, pages, images, lonely):
    page = opened(pages.open(), seen_at(images, lonely))
    side = 56  # CSS pixels of the largest thumbnail: twice those of the images
    width, height = page.eval_on_selector(CANVAS, "canvas => [canvas.width, canvas.height]")
    hovered(page, right=300, down=250)  # the frame of the image that is looked at is elsewhere
    page.wait_for_function(
        "([k]) => document.querySelector('[data-title]').textContent !== `Image ${k}`", arg=[lonely]
    )
    page.wait_for_timeout(100)
    found = pixels(
        page, CANVAS, left=width // 2 - side // 2, top=height // 2 - side // 2, width=side, height=side
    )
    sprites = picture(service, "map", model=MODEL, show="sprites")
    column, row = images[lonely]["cell"]
    real = sprites[28 * row : 28 * row + 28, 28 * column : 28 * column + 28].astype(float)
    classes = {
        each["class"]: each["colour"] for each in asked(service, "map.json", model=MODEL).json()["classes"]
    }
    colour = classes[images[lonely]["class"]]
    tint = np.array([int(colour[start : start + 2], 16) for start in (1, 3, 5)])
    expected = np.kron(real * tint / 255, np.ones((2, 2, 1)))
    # The image lies within half a pixel of where the canvas puts it: of the two rows or columns that a level takes
    # one is right in any case. Two levels: multiplication rounds.
    apart = [
        np.abs(np.roll(found, (down, right), (0, 1)).astype(float) - expected)[2:-2, 2:-2].max()
        for down in (-1, 0, 1)
        for right in (-1, 0, 1)
    ]
    assert min(apart) <= 2


def test_the_numbers_beside_it_are_those_of_the_codes_there(service, pages):
    page = pages.open(f"/test-set?model={MODEL}")
    page.wait_for_selector(f"{CANVAS}[data-drawn]")
    codes = np.load(io.BytesIO(asked(service, "map.npy", model=MODEL, array="z_mean").content))
    low, high = codes.min(axis=0), codes.max(axis=0)
    box = page.locator(CANVAS).evaluate("(canvas) => [canvas.clientWidth, canvas.clientHeight]")
    scale = min(box / (high - low)) / 1.08  # pixels of a unit
    for axis, side in ((0, "left"), (1, "top")):
        at = f"(labels) => labels.map((each) => [each.textContent, parseFloat(each.style.{side})])"
        ticks = page.locator(f"[data-ruler='{'xy'[axis]}'] span").evaluate_all(at)
        assert len(ticks) >= 5
        for text, place in ticks:
            off = (float(text.replace("−", "-")) - (low[axis] + high[axis]) / 2) * scale
            assert place == pytest.approx(box[axis] / 2 + (-off if axis else off), abs=1)


def test_a_map_whose_places_are_no_codes_has_no_numbers_beside_it(pages):
    page = pages.open("/test-set?model=fashion-dense")
    page.wait_for_selector(f"{CANVAS}[data-drawn]")
    expect(page.locator("[data-ruler]")).to_have_count(0)


def test_nothing_is_drawn_where_no_image_is_and_the_place_itself_is_decoded(service, pages, empty):
    page = opened(pages.open(), f"&x={empty[0]}&y={empty[1]}&zoom=30")
    hovered(page)
    expect(page.locator("[data-title]")).to_have_text("No image here")
    page.wait_for_function(
        "() => document.querySelector('canvas[data-picture]').dataset.point?.startsWith('z:')"
    )
    point = page.get_attribute("canvas[data-picture]", "data-point") or ""
    x, y = map(float, point.removeprefix("z:").split(","))
    assert (x, y) == pytest.approx(empty, abs=0.02)  # within a pixel of the canvas
    assert np.array_equal(decoded(page, point), picture(service, "decode", model=MODEL, points=point))
    expect(page.locator("[data-real-figure]")).to_be_hidden()
    assert len(np.unique(pixels(page, CANVAS, left=40, top=40, width=60, height=60))) == 1


def test_hover_shows_the_real_image_and_what_the_service_decodes_of_its_code(service, pages, images, lonely):
    page = opened(pages.open(), seen_at(images, lonely))
    hovered(page)
    expect(page.locator("[data-title]")).to_have_text(f"Image {lonely}, {images[lonely]['class']}")
    expected = picture(service, "decode", model=MODEL, points=f"map:{lonely}")
    assert np.array_equal(decoded(page, f"map:{lonely}"), expected)
    sprites = picture(service, "map", model=MODEL, show="sprites")
    column, row = images[lonely]["cell"]
    real = sprites[28 * row : 28 * row + 28, 28 * column : 28 * column + 28]
    assert np.array_equal(pixels(page, "canvas[data-real]"), real)


def test_a_click_opens_the_explorer_at_the_very_code(service, pages, images, lonely):
    page = opened(pages.open(), seen_at(images, lonely))
    page.mouse.click(*middle(page))
    page.wait_for_url("**/explorer?**")
    assert at(page)["at"] == f"map:{lonely}"
    expected = picture(service, "decode", model=MODEL, points=images[lonely]["point"])
    assert np.array_equal(decoded(page, f"map:{lonely}"), expected)
    page.go_back()
    drawn(page)
    assert float(at(page)["x"]) == pytest.approx(images[lonely]["x"], rel=1e-5)


def test_the_panel_has_a_plain_link_to_the_explorer(pages, images, lonely):
    page = opened(pages.open(), seen_at(images, lonely))
    hovered(page)
    expect(page.locator("[data-title]")).to_contain_text(f"Image {lonely},")
    page.click("a[data-open]")
    page.wait_for_url(f"**/explorer?**at=map:{lonely}")


@pytest.mark.parametrize(("model", "path"), [("fashion", "density"), ("fashion-map", "slerp")])
def test_two_clicks_make_a_walk_which_the_explorer_plays(service, pages, model, path):
    page = opened(pages.open(), model=model)
    page.click("[data-walk-begin]")
    expect(page.locator("[data-walk-hint]")).to_contain_text("begins")
    images = asked(service, "map.json", model=model).json()["images"]
    page.mouse.click(*place_of(page, images, 3))
    address_names(page, "a")
    page.mouse.click(*place_of(page, images, 9))
    address_names(page, "b")
    a, b = int(at(page)["a"]), int(at(page)["b"])
    strip = page.locator("[data-walk-picture]")
    expect(strip).to_be_visible()
    expected = picture(
        service, "interpolate", model=model, **{"from": f"map:{a}", "to": f"map:{b}"}, path=path, steps=9
    )
    assert np.array_equal(pixels(page, "[data-walk-picture]"), expected)
    page.reload()
    expect(strip).to_be_visible()
    assert np.array_equal(pixels(page, "[data-walk-picture]"), expected)
    page.click("[data-walk-open]")
    page.wait_for_url("**/explorer?**")
    assert (at(page)["at"], at(page)["to"]) == (f"map:{a}", f"map:{b}")


def test_classes_that_are_filtered_away_are_not_drawn_and_come_back_with_back(pages, images):
    page = opened(pages.open())
    before = pixels(page, CANVAS)
    page.uncheck("[data-class='1']")
    assert at(page)["hidden"] == "1"
    page.click("[data-no-classes]")
    assert at(page)["hidden"] == "0,1,2,3,4,5,6,7,8,9"
    page.wait_for_timeout(300)
    assert len(np.unique(pixels(page, CANVAS, left=300, top=200, width=100, height=100))) == 1
    page.go_back()
    expect(page.locator("[data-class='0']")).to_be_checked()
    expect(page.locator("[data-class='1']")).not_to_be_checked()
    page.go_back()
    expect(page.locator("[data-class='1']")).to_be_checked()
    page.wait_for_timeout(300)
    assert np.array_equal(pixels(page, CANVAS), before)


def test_an_image_of_a_hidden_class_is_not_found_by_the_pointer(pages, images, lonely):
    page = opened(pages.open(), seen_at(images, lonely))
    label = page.locator(f".map-classes label:has-text('{images[lonely]['class']}') input")
    label.uncheck()
    hovered(page)
    expect(page.locator("[data-title]")).to_have_text("No image here")


def test_drag_and_wheel_move_the_map_and_a_copied_link_shows_the_same(pages):
    page = opened(pages.open())
    x, y = middle(page)
    for _ in range(4):
        hovered(page, 40, 30)
        page.mouse.wheel(0, -300)
    page.mouse.down()
    page.mouse.move(x - 80, y - 60, steps=4)
    page.mouse.up()
    address_names(page, "zoom")
    page.wait_for_timeout(600)
    assert urlsplit(page.url).path == "/test-set"  # a drag is no click
    assert zoom_of(page) > 3
    link = page.url
    other = pages.open()
    other.goto(link)
    drawn(other)
    hovered(other, 300, 200)
    hovered(page, 300, 200)
    page.wait_for_timeout(500)
    expect(other.locator("[data-title]")).to_have_text(page.inner_text("[data-title]"))
    # The address has six digits of the place: an edge may fall on the next pixel.
    same = (pixels(page, CANVAS) == pixels(other, CANVAS)).all(axis=2).mean()
    assert same > 0.9
    page.reload()
    drawn(page)
    assert page.url == link


def test_by_keyboard_alone_one_goes_from_image_to_image_and_opens_one(pages, images):
    page = opened(pages.open())
    first = int(chosen(page) or "-1")
    page.locator(CANVAS).focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_function(
        "(k) => document.querySelector('canvas[data-real]').dataset.image !== k", arg=str(first)
    )
    second = int(chosen(page) or "-1")
    assert images[second]["x"] > images[first]["x"]
    page.keyboard.press("ArrowUp")
    page.wait_for_function(
        "(k) => document.querySelector('canvas[data-real]').dataset.image !== k", arg=str(second)
    )
    third = int(chosen(page) or "-1")
    assert images[third]["y"] > images[second]["y"]
    expect(page.locator("[data-announce]")).to_have_text(f"Image {third}, {images[third]['class']}")
    page.keyboard.press("Enter")
    page.wait_for_url("**/explorer?**")
    assert at(page)["at"] == f"map:{third}"


def test_keys_zoom_and_move_and_show_the_whole_again(pages):
    page = opened(pages.open())
    page.locator(CANVAS).focus()
    page.keyboard.press("+")
    address_says(page, "zoom", "1.5")
    before = float(at(page)["x"])
    page.keyboard.press("Shift+ArrowRight")
    page.wait_for_function("(x) => Number(new URLSearchParams(location.search).get('x')) > x", arg=before)
    page.keyboard.press("-")
    address_says(page, "zoom", None)
    page.keyboard.press("0")
    address_says(page, "x", None)
    assert at(page) == {"model": MODEL}
    page.click("[data-zoom-in]")
    address_says(page, "zoom", "1.5")


def test_a_walk_needs_no_mouse(pages):
    page = opened(pages.open())
    page.locator(CANVAS).focus()
    page.keyboard.press("w")
    page.keyboard.press("Enter")
    for _ in range(3):
        page.keyboard.press("ArrowLeft")
    page.keyboard.press("Enter")
    expect(page.locator("[data-walk-picture]")).to_be_visible()
    assert at(page)["a"] != at(page)["b"]
    page.keyboard.press("w")
    expect(page.locator("[data-walk]")).to_be_hidden()
    page.go_back()
    expect(page.locator("[data-walk-picture]")).to_be_visible()


def test_a_pinch_zooms(pages):
    page = opened(pages.open())
    page.eval_on_selector(
        CANVAS,
        """(canvas) => {
          canvas.setPointerCapture = () => {};  // there is no such finger
          const box = canvas.getBoundingClientRect();
          const send = (type, id, x) => canvas.dispatchEvent(new PointerEvent(type, {
            pointerId: id, pointerType: "touch", button: type === "pointermove" ? -1 : 0,
            clientX: box.left + x, clientY: box.top + 200, bubbles: true }));
          send("pointerdown", 1, 200);
          send("pointerdown", 2, 300);
          send("pointermove", 2, 400);
          send("pointerup", 2, 400);
          send("pointerup", 1, 200);
        }""",
    )
    address_says(page, "zoom", "2")
    assert urlsplit(page.url).path == "/test-set"


def test_no_frame_is_asked_for_while_nothing_moves(pages):
    page = opened(pages.open())
    page.wait_for_timeout(500)
    before = page.get_attribute(CANVAS, "data-drawn")
    page.evaluate("""() => {
      window.asked = 0;
      const request = window.requestAnimationFrame;
      window.requestAnimationFrame = (then) => { window.asked += 1; return request(then); };
    }""")
    page.wait_for_timeout(500)
    assert page.evaluate("window.asked") == 0
    assert page.get_attribute(CANVAS, "data-drawn") == before
    page.click("[data-zoom-in]")
    page.wait_for_function("window.asked > 0")


@pytest.mark.parametrize("width", [NARROW, 1280])
def test_the_canvas_has_the_pixels_of_the_screen_and_the_page_does_not_scroll_sideways(pages, width):
    page = opened(pages.open(width=width), "&a=3&b=9")
    expect(page.locator("[data-walk-picture]")).to_be_visible()
    assert not scrolls_sideways(page)
    inside = page.eval_on_selector(CANVAS, "canvas => [canvas.width / devicePixelRatio, canvas.clientWidth]")
    assert inside[0] == inside[1]


@pytest.mark.parametrize("dark", [False, True])
def test_no_rule_of_axe_is_violated_while_images_are_chosen_and_the_list_is_open(pages, violations, dark):
    page = opened(pages.open(dark=dark), "&a=3&b=9&class=Bag")
    expect(page.locator("[data-walk-picture]")).to_be_visible()
    assert violations(page) == []


def test_without_javascript_there_is_a_picture_and_a_list_of_links_by_class(service, pages, images):
    page = pages.open(f"/test-set?model={MODEL}", javascript=False)
    picture_of_all = page.locator("main noscript img, main img[alt^='2000 test images']").first
    assert picture_of_all.evaluate("image => image.complete && image.naturalWidth") > 1000
    page.click("summary:has-text('The same images as a list')")
    page.click(".map-list nav a:has-text('Bag')")
    bags = [k for k, each in enumerate(images) if each["class"] == "Bag"]
    links = page.locator(".listed a")
    assert links.all_inner_texts() == [f"image {k}, Bag" for k in bags[:60]]
    page.click("a:has-text('More images')")
    assert links.first.inner_text() == f"image {bags[60]}, Bag"
    assert links.first.get_attribute("href").endswith(f"&at=map:{bags[60]}")
    links.first.click()
    assert at(page)["at"] == f"map:{bags[60]}"


def test_what_cannot_be_shown_of_an_address_is_left_out(pages):
    page = opened(pages.open(), "&a=999999&b=-1&x=nan&zoom=many&hidden=77")
    expect(page.locator("[data-walk]")).to_be_hidden()
    assert len(np.unique(pixels(page, CANVAS))) > 50
