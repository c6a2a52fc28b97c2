import re

import pytest

from tests.browser.chromium import NARROW, scrolls_sideways, violations


def pictures_shown(page):
    """How many pictures of samples a page shows: those that were loaded, and have pixels."""
    return page.evaluate(
        "[...document.querySelectorAll('main img')].filter((image) => image.complete && image.naturalWidth).length"
    )


def test_the_home_page_shows_samples_without_a_message_on_the_console(page):
    page.goto("/", wait_until="networkidle")
    assert pictures_shown(page) >= 1
    assert page.title().endswith("Vitrine")


def test_without_javascript_the_home_page_shows_samples_and_its_links_lead_on(pages):
    page = pages.open("/", javascript=False)
    page.wait_for_load_state("networkidle")
    assert pictures_shown(page) >= 1
    page.get_by_role("navigation").get_by_role("link", name="Models").click()
    assert page.url.endswith("/models")
    assert page.locator("h1").inner_text()


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [NARROW, 1280])
def test_the_home_page_can_be_read_by_everybody(pages, dark, width):
    page = pages.open("/", dark=dark, width=width)
    page.wait_for_load_state("networkidle")
    assert violations(page) == []
    assert not scrolls_sideways(page)


def test_what_the_reader_prefers_is_known_to_the_page(pages):
    page = pages.open("/", dark=True, reduced_motion=True, width=NARROW)
    asked = "(prefers-color-scheme: dark) and (prefers-reduced-motion: reduce) and (width: 320px)"
    assert page.evaluate("(query) => matchMedia(query).matches", asked)


def test_scripts_do_not_run_where_javascript_is_off(pages, service):
    page = pages.open(javascript=False)
    page.set_content("<p>before</p><script>document.body.textContent = 'after'</script>")
    assert re.sub(r"\s", "", page.locator("body").inner_text()) == "before"
