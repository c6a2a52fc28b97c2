"""The link that a page copies: it shows the same when the model has a newer version."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from app.settings import Settings
from tests.browser.chromium import Pages
from tests.fakes import MIXTURE, record, write_version
from tests.serving import serving_fakes

# The pixels of all pictures, once each of them is there.
SHOWN = """() => {
  const shown = [...document.querySelectorAll("[data-samples] img, canvas[data-picture], .compared img")];
  if (!shown.every((each) => each.naturalWidth || each.dataset.point)) {
    return null;
  }
  return shown.map((each) => {
    const [width, height] = [each.naturalWidth ?? each.width, each.naturalHeight ?? each.height];
    const context = Object.assign(document.createElement("canvas"), { width, height }).getContext("2d");
    context.drawImage(each, 0, 0);
    return [width, height, ...context.getImageData(0, 0, width, height).data];
  });
}"""
PATHS = (
    "/?seed=7&label=Low&temperature=0.5&render=draw",
    "/explorer?at=seed:7/3&lock=1&unit=deviation",
    "/comparison?seed=5",
)


@pytest.fixture
def publish(tmp_path: Path) -> Callable[[str, int], None]:
    """A function that publishes a version of a model, of which each has images of another size."""

    def publish(name: str, number: int) -> None:
        record(write_version(tmp_path, name, number, shape=(8 + 2 * number, 10), mixture=MIXTURE))

    return publish


@pytest.fixture
def pages_of_fakes(browser: Browser, tmp_path: Path, publish: Callable[[str, int], None]) -> Iterator[Pages]:
    for name in ("fake", "other"):
        publish(name, 1)
    settings = Settings(model_store=tmp_path, default_model="fake", store_poll_seconds=0.2)
    with serving_fakes(settings) as port:
        pages = Pages(browser, f"http://127.0.0.1:{port}")
        yield pages
        assert pages.close() == []


def copied(page: Page) -> str:
    page.click("[data-share] summary")
    page.click("[data-copy=link]")
    return page.locator("[data-copied]").inner_text()


def shown(page: Page) -> list[list[int]]:
    found: list[list[int]] = page.wait_for_function(SHOWN).json_value()
    return found


def test_copied_links_show_the_same_pictures_after_new_versions_are_published(
    pages_of_fakes: Pages, publish: Callable[[str, int], None]
) -> None:
    before = {}
    for path in PATHS:
        page = pages_of_fakes.open(path)
        pictures, link = shown(page), copied(page)
        query = parse_qs(urlsplit(link).query)
        assert query.pop("model")[0].startswith("fake@1-")
        given = parse_qs(urlsplit(path).query)
        assert {name: values for name, values in query.items() if name in given} == given
        before[link] = pictures
    for name in ("fake", "other"):
        publish(name, 2)
    _wait_for(urlsplit(link).netloc, "fake@2", "other@2")
    for link, pictures in before.items():
        page = pages_of_fakes.open(link)
        assert shown(page) == pictures, link  # of the new version they have another size
        expect(page.locator("select#model")).to_have_value("fake@1")


def _wait_for(host: str, *references: str) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if all(reference in httpx.get(f"http://{host}/").text for reference in references):
            return
        time.sleep(0.1)
    raise AssertionError(f"{references} were not taken up")
