"""Two models beside each other in a browser: the picture is the service's, and its state is in the address."""

import io
import re
from urllib.parse import parse_qs, urlsplit

import httpx
import numpy as np
from PIL import Image
from playwright.sync_api import Page, expect

from tests.browser.chromium import Pages

PICTURE = "[data-picture]"
PIXELS = """(image) => {
  const context = Object.assign(document.createElement("canvas"), { width: 12 * 28, height: 56 }).getContext("2d");
  context.drawImage(image, 0, 0);
  return [...context.getImageData(0, 0, 12 * 28, 56).data].filter((_, k) => k % 4 === 0);
}"""


def at(page: Page) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(page.url).query).items()}


def pixels(page: Page) -> list[int]:
    found: list[int] = page.locator(PICTURE).evaluate(PIXELS)
    return found


def compared(service: str, points: str, **parameters: str) -> list[int]:
    """Return the levels of the picture that the service answers."""
    query = {"model": "fashion", "with": "fashion-dense", "points": points} | parameters
    answer = httpx.get(f"{service}/compare", params=query).raise_for_status()
    levels: list[int] = np.asarray(Image.open(io.BytesIO(answer.content)).convert("L")).ravel().tolist()
    return levels


def twelve(seed: str) -> str:
    return ";".join(f"seed:{seed}/{k}" for k in range(12))


def shows(page: Page, expected: list[int]) -> None:
    """Wait until the page shows the picture of these levels."""
    for _ in range(100):
        if pixels(page) == expected:
            return
        page.wait_for_timeout(50)
    assert pixels(page) == expected


def test_other_images_reload_back_and_a_copied_link_show_the_same(
    page: Page, pages: Pages, service: str
) -> None:
    page.goto("/comparison?model=fashion&with=fashion-dense")
    first = compared(service, twelve("0"))
    shows(page, first)
    page.click("[data-others]")
    page.wait_for_url("**seed=**")
    seed = at(page)["seed"]
    others = compared(service, twelve(seed))
    assert others != first
    shows(page, others)
    expect(page.locator("#seed")).to_have_value(seed)
    page.reload()
    shows(page, others)
    shows(pages.open(page.url), others)
    page.go_back()
    shows(page, first)
    expect(page.locator("#seed")).to_have_value("0")
    page.go_forward()
    shows(page, others)


def test_the_second_model_is_in_the_address_and_the_images_stay(page: Page, service: str) -> None:
    points = ";".join(["seed:3/1", "centre", *[f"seed:4/{k}" for k in range(10)]])
    page.goto(f"/comparison?model=fashion&with=fashion-dense&points={points}")
    before = compared(service, points)
    shows(page, before)
    page.select_option("#with", index=1)
    page.wait_for_url("**with=fashion-map@**")
    assert at(page)["points"] == points
    shows(page, compared(service, points, **{"with": "fashion-map"}))
    page.go_back()
    page.wait_for_url("**with=fashion-dense**")
    shows(page, before)
    expect(page.locator("#with")).to_have_value(re.compile("^fashion-dense@"))


def test_points_of_the_address_give_way_to_a_seed_that_is_typed(page: Page, service: str) -> None:
    page.goto("/comparison?model=fashion&with=fashion-dense&points=centre;seed:1/1")
    page.fill("#seed", "tulip")
    shows(page, compared(service, twelve("tulip")))
    assert at(page) == {"model": "fashion", "with": "fashion-dense", "seed": "tulip"}


def test_a_seed_that_cannot_be_used_is_explained_until_it_is_mended(
    page: Page, pages: Pages, service: str
) -> None:
    pages.expect("status of 422")
    page.goto("/comparison?model=fashion&with=fashion-dense")
    page.fill("#seed", "1.5")
    expect(page.get_by_role("alert")).to_contain_text("seed:1.5/0")
    page.fill("#seed", "15")
    expect(page.get_by_role("alert")).to_have_count(0)
    shows(page, compared(service, twelve("15")))
