"""What modules make of texts that anybody can write, and of versions that say no more than they must."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from app.settings import Settings
from tests.browser.chromium import Pages
from tests.fakes import MAP, write_version
from tests.serving import serving_fakes

VIEW_OF = """async (recipe) => (await import("/static/js/recipes.js")).viewOf(recipe)"""
COLOURS = "(all) => all.map((each) => each.style.backgroundColor.match(/[0-9]+/g).map(Number))"
MASK = """async (text) => (await import("/static/js/completions/mask.js")).Mask.read(text, 28, 28)"""


@pytest.mark.parametrize(
    "recipe",
    [
        {"address": "/samples?seed=1", "path": "constructor"},
        {"address": "/samples?seed=1", "path": "__proto__"},
        {"address": "/manifold/%E0%A4%A/full/28,/0/default.png"},
        {"address": "http://["},
        {"address": "/models"},
        {},
    ],
)
def test_a_recipe_of_no_view_leads_nowhere(page: Page, recipe: dict[str, str]) -> None:
    page.goto("/shortcuts")
    assert page.evaluate(VIEW_OF, recipe) is None


def test_a_recipe_leads_to_the_view_of_its_path(page: Page) -> None:
    page.goto("/shortcuts")
    assert page.evaluate(VIEW_OF, {"address": "/map?model=fashion"}).endswith("/test-set?model=fashion")


@pytest.mark.parametrize("text", ["constructor", "__proto__", "toString", "?"])
def test_a_mask_of_no_name_is_none(page: Page, text: str) -> None:
    page.goto("/shortcuts")
    assert page.evaluate(MASK, text) is None


def test_classes_laid_over_a_plane_have_their_names_and_colours(
    browser: Browser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ("Shoes, high = boots", "Größe 38")
    monkeypatch.setattr("tests.fakes.CLASSES", names)
    write_version(tmp_path, mapped=MAP)
    with serving_fakes(Settings(model_store=tmp_path, default_model="fake", worker_threads=2)) as port:
        pages = Pages(browser, f"http://127.0.0.1:{port}")
        page = pages.open("/plane?show=classes")
        entries = page.locator("[data-legend] li")
        expect(entries).to_have_text(list(names))
        answer = page.request.get("/manifold?show=classes&columns=3&rows=3")
        colours = re.findall("#[0-9a-f]{6}", answer.headers["x-classes"])
        drawn = entries.locator(".colour").evaluate_all(COLOURS)
        assert drawn == [[int(colour[k : k + 2], 16) for k in (1, 3, 5)] for colour in colours]
        assert pages.close() == []


@pytest.mark.parametrize(
    ("unit", "ends"),
    [
        # From the 2.5 to the 97.5 % quantile: -1.5 to 2.5 about a mean of 0.5; deviations of the second axis are 0.
        ("value", [["-1.5", "2.5"], ["-1.5", "2.5"]]),
        ("deviations", [["-1", "1"], ["-2", "2"]]),
        ("quantile", [["2", "98"], ["2", "98"]]),
    ],
)
def test_sliders_have_ends_where_only_two_quantiles_are_known_and_nothing_differs(
    browser: Browser, tmp_path: Path, unit: str, ends: list[list[str]]
) -> None:
    axis = {"kl": 1.0, "mean": 0.5, "std": 2.0, "quantiles": {"0.025": -1.5, "0.975": 2.5}}
    write_version(tmp_path, axes=[axis, axis | {"std": 0.0}])
    with serving_fakes(Settings(model_store=tmp_path, default_model="fake", worker_threads=2)) as port:
        pages = Pages(browser, f"http://127.0.0.1:{port}")
        page = pages.open(f"/explorer?at=z:0,0&unit={unit}")
        page.wait_for_selector("canvas[data-picture][data-point]")
        sliders = page.locator("[data-axis] input[type=range]")
        found = sliders.evaluate_all("(all) => all.map(({ min, max }) => [min, max])")
        assert found == ends
        assert pages.close() == []
