"""Requests of pages that are slow or fail: the latest alone is shown, and what failed is asked for again.

The browser holds an answer back until the test lets it go, so that answers come in an order that the test chooses.
"""

import contextlib
import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Error, Page, Route, expect

from tests.browser.chromium import Pages

ENDS = """(image) => [0, 8].map((k) => {
  const context = Object.assign(document.createElement("canvas"), { width: 28, height: 28 }).getContext("2d");
  context.drawImage(image, -28 * k, 0);
  return [...context.getImageData(0, 0, 28, 28).data];
})"""

Held = Callable[[str], list[Route]]


@pytest.fixture
def held(page: Page) -> Held:
    """A function that holds back the answer to the first request for an address of a pattern."""

    def hold(pattern: str) -> list[Route]:
        routes: list[Route] = []

        def keep(route: Route) -> None:
            if routes:
                route.continue_()
            else:
                routes.append(route)

        page.route(re.compile(pattern), keep)
        return routes

    return hold


def waits_for(page: Page, routes: list[Route]) -> None:
    """Wait until the request is held back."""
    for _ in range(200):
        if routes:
            return
        page.wait_for_timeout(50)
    pytest.fail("no such request was made")


def let_go(page: Page, route: Route) -> None:
    """Let an answer come, unless the page no longer waits for it, and give the page time to show it."""
    with contextlib.suppress(Error):
        route.continue_()
    page.wait_for_timeout(1000)  # milliseconds: many times what the service and the page take


def test_the_latest_request_counts_whatever_comes_of_the_others(page: Page) -> None:
    page.goto("/shortcuts")
    told = page.evaluate("""async () => {
        const { isAborted, Latest } = await import("/static/js/latest.js");
        const latest = new Latest();
        const ends = [];
        const asked = ["late", "fails", "last"].map((name) => latest.ask(
            () => new Promise((resolve, reject) => ends.push(name === "fails" ? () => reject(Error(name)) : () => resolve(name))),
        ).catch((error) => (isAborted(error) ? "aborted" : error.message)));
        ends.reverse().forEach((end) => end());
        return Promise.all(asked);
    }""")
    assert told == ["aborted", "aborted", "last"]


def test_what_succeeded_is_remembered_and_what_failed_is_asked_for_again(page: Page) -> None:
    page.goto("/shortcuts")
    told = page.evaluate("""async () => {
        const { once, remembered } = await import("/static/js/remembered.js");
        const asked = [];
        const fails = new Set(["b"]);
        const find = remembered(async (key) => {
            asked.push(key);
            if (fails.delete(key)) {
                throw Error(key);
            }
            return key.toUpperCase();
        }, 2);
        const found = [];
        for (const key of ["a", "a", "b", "b", "c", "a"]) {
            found.push(await find(key).catch(() => "failed"));
        }
        const only = once(async () => asked.push("once"));
        await only();
        await only();
        return { asked, found };
    }""")
    assert told["found"] == ["A", "A", "failed", "B", "C", "A"]
    # c is the third, so a went; once is asked once.
    assert told["asked"] == ["a", "b", "b", "c", "a", "once"]


def test_in_the_explorer_the_point_that_was_chosen_last_stays(page: Page, held: Held) -> None:
    page.goto("/explorer?model=fashion")
    page.wait_for_selector("canvas[data-picture][data-point]")
    slow = held(r"decode\.json\?.*points=seed:7/0")
    page.fill("#seed", "7")
    page.press("#seed", "Enter")
    waits_for(page, slow)
    page.fill("#seed", "8")
    page.press("#seed", "Enter")
    picture = page.locator("canvas[data-picture]")
    expect(picture).to_have_attribute("data-point", "seed:8/0")
    let_go(page, slow[0])
    expect(picture).to_have_attribute("data-point", "seed:8/0")
    assert "at=seed:8/0" in page.url


def test_an_axis_that_is_reset_late_moves_no_other_point(page: Page, held: Held) -> None:
    page.goto("/explorer?model=fashion-map&at=z:0.5,0.5&start=seed:7/0")
    page.wait_for_selector("canvas[data-picture][data-point]")
    slow = held(r"decode\.json\?.*points=seed:7/0")
    page.locator("button[aria-label^='reset axis']").first.click()
    waits_for(page, slow)
    page.fill("#seed", "8")
    page.press("#seed", "Enter")
    expect(page.locator("canvas[data-picture]")).to_have_attribute("data-point", "seed:8/0")
    let_go(page, slow[0])
    assert "at=seed:8/0" in page.url


def test_a_direction_that_failed_is_asked_for_again(page: Page, pages: Pages) -> None:
    pages.expect("net::ERR_FAILED")
    page.route("**/directions.json*", lambda route: route.abort(), times=1)
    page.goto("/explorer?model=fashion&plus=label:Bag&minus=label:Coat")
    expect(page.get_by_role("alert")).to_contain_text("does not answer")
    page.get_by_label("draw", exact=True).check()
    expect(page.locator("[data-along]")).to_be_visible()


def test_a_way_that_failed_is_asked_for_again(page: Page, pages: Pages) -> None:
    pages.expect("net::ERR_FAILED")
    page.route(re.compile("interpolate.json"), lambda route: route.abort(), times=1)
    with page.expect_event("requestfailed", lambda failed: "interpolate.json" in failed.url):
        page.goto("/explorer?model=fashion&at=seed:1/0&from=seed:1/0&to=seed:1/1")
        page.locator("[data-way]").scroll_into_view_if_needed()
    page.get_by_label("draw", exact=True).check()
    expect(page.locator("[data-frame-number]")).to_have_text("image 1 of 21")


def test_completions_that_come_late_are_not_shown_under_another_state(page: Page, held: Held) -> None:
    page.goto("/completions?model=fashion&k=64&n=2")
    expect(page.locator("[data-completions] img")).to_have_count(3)
    before = page.locator("[data-completions] img").first.get_attribute("src")
    slow = held(r"complete\.json\?.*seed=7")
    page.fill("#seed", "7")
    waits_for(page, slow)
    page.fill("#seed", "42")
    let_go(page, slow[0])
    assert page.locator("[data-completions] img").first.get_attribute("src") == before


def test_the_image_beside_completions_is_theirs_after_another_was_passed_over(page: Page, held: Held) -> None:
    page.goto("/completions?model=fashion&k=64&n=2")
    expect(page.locator("[data-completions] img")).to_have_count(3)
    slow = held(r"complete\.json")
    page.locator("[data-example='example:1']").click()
    expect(page.get_by_role("heading", name="The image: Example 1")).to_be_visible()
    waits_for(page, slow)
    page.go_back()
    expect(page.get_by_role("heading", name="The image: Example 0")).to_be_visible()
    let_go(page, slow[0])
    expect(page.get_by_role("heading", name="The image: Example 0")).to_be_visible()


def test_a_walk_of_the_gallery_that_comes_late_is_not_shown(page: Page, held: Held) -> None:
    page.goto("/")
    slow = held(r"interpolate\?")
    page.click("[data-walk-begin]")
    page.locator("[data-image='0']").click()
    page.locator("[data-image='3']").click()
    waits_for(page, slow)
    page.locator("[data-image='1']").click()
    let_go(page, slow[0])
    expect(page.locator("[data-walk-picture]")).to_be_hidden()
    expect(page.locator("[data-walk-hint]")).to_have_text("Choose the second image.")


def test_a_plane_that_could_not_be_opened_is_opened_when_it_is_chosen_again(page: Page, pages: Pages) -> None:
    pages.expect("net::ERR_FAILED")
    pages.expect("attempting to load TileSource")
    page.route("**/info.json", lambda route: route.abort(), times=1)
    page.goto("/plane?model=fashion-map")
    expect(page.get_by_role("alert")).to_contain_text("The plane cannot be shown.")
    with page.expect_response("**/info.json"):
        page.select_option("#show", "classes")
    expect(page.locator("[data-legend] li")).to_have_count(10)
    expect(page.get_by_role("alert")).to_have_count(0)


def test_places_of_a_plane_that_was_left_are_not_shown_on_the_next(page: Page, held: Held) -> None:
    slow = held(r"interpolate\?")
    page.goto("/plane?model=fashion-map&place=0.4,0.6&from=0.2,0.2")
    waits_for(page, slow)
    page.click("[data-end-way]")
    page.click("[data-set-from]")  # from the place to itself: the same image nine times
    page.wait_for_function("() => document.querySelector('[data-way-picture]').naturalWidth === 9 * 28")
    let_go(page, slow[0])
    first, last = page.locator("[data-way-picture]").evaluate(ENDS)
    assert first == last
