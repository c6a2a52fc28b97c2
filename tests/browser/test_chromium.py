"""The watch itself: what it reports, each provoked."""

import pytest

from tests.browser.chromium import Pages, scrolls_sideways, violations


@pytest.fixture
def unwatched(browser, service):
    """Pages whose complaints a test reads, and which do not fail it."""
    pages = Pages(browser, service)
    yield pages
    pages.close()


@pytest.mark.parametrize("kind", ["log", "warn", "error"])
def test_a_message_on_the_console_is_a_complaint(unwatched, kind):
    page = unwatched.open("/")
    page.evaluate(f"console.{kind}('words')")
    assert [each.split(": ")[1] for each in unwatched.close()] == ["words"]


def test_an_error_of_a_script_is_a_complaint(unwatched):
    page = unwatched.open("/")
    page.evaluate("new Promise((done) => setTimeout(() => { setTimeout(done); throw new Error('broken'); }))")
    (complaint,) = unwatched.close()
    assert complaint.startswith("error:")
    assert "broken" in complaint


def test_a_request_of_another_origin_is_a_complaint(unwatched):
    page = unwatched.open()
    page.set_content('<img alt="" src="http://127.0.0.1:9/picture.png">')
    page.wait_for_load_state("networkidle")
    assert "request of another origin: http://127.0.0.1:9/picture.png" in unwatched.close()


def test_what_the_policy_forbids_is_a_complaint(unwatched):
    page = unwatched.open("/")
    page.evaluate("document.body.append(Object.assign(document.createElement('script'), {text: 'x = 1'}))")
    assert any("Content Security Policy" in each for each in unwatched.close())


def test_an_expected_complaint_is_none_and_its_absence_is_one(unwatched):
    page = unwatched.open("/")
    page.evaluate("console.error('as expected')")
    unwatched.expect("as expected")
    unwatched.expect("never said")
    assert unwatched.close() == ["expected, and missing: never said"]


def test_a_violation_names_the_rule_and_the_element(unwatched):
    page = unwatched.open()
    page.set_content(
        '<html lang="en"><title>t</title><main><h1>h</h1><img src="data:image/png,"></main></html>'
    )
    (found,) = violations(page)
    assert found.startswith('image-alt (critical): <img src="data:image/png,">')


def test_a_page_wider_than_its_window_scrolls_sideways(unwatched):
    page = unwatched.open(width=320)
    page.set_content('<p style="width: 300px; margin: 0">narrow</p>')
    assert not scrolls_sideways(page)
    page.set_content('<p style="width: 330px; margin: 0">wide</p>')
    assert scrolls_sideways(page)
