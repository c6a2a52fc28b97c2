"""The gallery in a browser: other images, a kind, a walk, a link to send."""

import re
from urllib.parse import parse_qs, urlsplit

from playwright.sync_api import expect


def at(page):
    """The page's state, as its address has it."""
    return {name: values[0] for name, values in parse_qs(urlsplit(page.url).query).items()}


def sources(page):
    return page.locator("[data-samples] img").evaluate_all("images => images.map((image) => image.src)")


def pixels(page, selector):
    """The levels of red that an image or a canvas shows."""
    return page.locator(selector).evaluate("""(shown) => {
      const [width, height] = [shown.naturalWidth ?? shown.width, shown.naturalHeight ?? shown.height];
      const canvas = Object.assign(document.createElement("canvas"), { width, height });
      const context = canvas.getContext("2d");
      context.drawImage(shown, 0, 0);
      return [...context.getImageData(0, 0, width, height).data].filter((_, k) => k % 4 === 0);
    }""")


def test_one_click_brings_other_images_and_back_the_ones_before(service, page):
    page.goto(f"{service}/")
    before = sources(page)[:21]
    page.click("[data-others]")
    expect(page.locator("#seed")).not_to_have_value("42")
    assert at(page)["seed"] != "42"
    page.wait_for_function(
        "(first) => document.querySelector('[data-samples] img').src !== first", arg=before[0]
    )
    page.go_back()
    page.wait_for_function(
        "(first) => document.querySelector('[data-samples] img').src === first", arg=before[0]
    )
    assert sources(page)[:21] == before


def test_one_click_brings_bags_and_the_state_survives_reload_and_a_copied_link(service, page):
    page.goto(f"{service}/")
    page.click("label:has-text('Bag')")
    bags = page.locator("[data-samples] img[alt$=', Bag']")
    expect(bags.first).to_be_visible()
    shown = sources(page)[:21]
    page.reload()
    page.wait_for_function(
        "(first) => document.querySelector('[data-samples] img').src === first", arg=shown[0]
    )
    assert at(page) == {"label": "Bag"}
    expect(page.locator("input[value=Bag]")).to_be_checked()
    expected = page.request.get(f"{service}/samples.json?label=Bag&seed=42&n=21").json()
    assert shown == [image["picture"] for image in expected["images"]]
    page.click("summary:has-text('Link')")
    page.click("[data-copy=link]")
    copied = parse_qs(urlsplit(page.locator("[data-copied]").inner_text()).query)
    assert copied["label"] == ["Bag"]
    assert re.fullmatch("fashion@[0-9]+-[0-9a-f]{12}", copied["model"][0])


def test_an_image_of_a_kind_leads_to_its_very_code(service, page):
    page.goto(f"{service}/?label=Bag&seed=7")
    expected = page.request.get(f"{service}/samples.json?label=Bag&seed=7&n=21").json()["images"][4]["point"]
    link = page.locator("[data-image='4']")
    expect(link).to_have_attribute("href", re.compile("at=z:"))
    assert parse_qs(urlsplit(link.get_attribute("href")).query)["at"] == [expected]


def test_the_explorer_shows_the_draw_that_was_clicked(service, page):
    for query in ("?seed=7", "?seed=7&label=Bag"):
        page.goto(f"{service}/{query}")
        expect(page.locator("[data-image='4']")).to_have_attribute(
            "href", re.compile("render=draw&noise=7/4")
        )
        expect(page.locator("[data-image='4'] img")).not_to_have_js_property("naturalWidth", 0)
        clicked = pixels(page, "[data-image='4'] img")
        page.locator("[data-image='4']").click()
        page.wait_for_selector("canvas[data-picture][data-render=draw]")
        assert pixels(page, "canvas[data-picture]") == clicked
        assert len(set(clicked)) > 20


def test_four_clicks_walk_between_two_shoes_and_a_fifth_plays_it(service, page):
    page.goto(f"{service}/")
    page.click("label:has-text('Sneaker')")
    expect(page.locator("[data-samples] img[alt$=', Sneaker']").first).to_be_visible()
    page.click("[data-walk-begin]")
    page.locator("[data-image='0']").click()
    page.locator("[data-image='3']").click()
    picture = page.locator("[data-walk-picture]")
    expect(picture).to_be_visible()
    assert picture.evaluate("image => [image.naturalWidth, image.naturalHeight]") == [9 * 28, 28]
    page.click("[data-walk-open]")
    page.wait_for_url("**/explorer?**")
    assert {"at", "to"} <= set(at(page))


def test_scrolling_brings_more_images_and_each_has_its_number(service, page):
    page.goto(f"{service}/")
    count = page.locator("[data-samples] li").count()
    page.mouse.wheel(0, 20_000)
    page.wait_for_function(
        "(count) => document.querySelectorAll('[data-samples] li').length > count", arg=count
    )
    numbers = page.locator("[data-image]").evaluate_all(
        "links => links.map((link) => Number(link.dataset.image))"
    )
    assert numbers == list(range(len(numbers)))


def test_by_keyboard_alone_one_chooses_a_kind_and_opens_an_image(service, page):
    page.goto(f"{service}/")
    page.locator("input[name=label][value='']").focus()
    page.keyboard.press("ArrowRight")
    expect(page.locator("input[name=label]").nth(1)).to_be_checked()
    expect(
        page.locator("[data-image='0'] img[alt$=', T-shirt/top']")
    ).to_be_visible()  # the images that were are gone
    page.locator("[data-image='0']").focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**/explorer?**")


def test_a_seed_that_cannot_be_used_is_explained_and_the_images_stay(service, browser):
    page = browser.new_page()  # the console names the refusal
    page.goto(f"{service}/")
    before = sources(page)[:21]
    page.click("label:has-text('Bag')")
    expect(page.locator("[data-samples] img[alt$=', Bag']").first).to_be_visible()
    page.fill("#seed", "1.5")
    expect(page.locator(".error-card")).to_contain_text("seed")
    page.fill("#seed", "15")
    expect(page.locator(".error-card")).to_have_count(0)
    assert sources(page)[:21] != before
    page.close()


def test_a_seed_of_an_address_that_cannot_be_used_is_explained(service, browser):
    page = browser.new_page()  # the console names the refusals
    page.goto(f"{service}/?seed={'x' * 65}")
    expect(page.locator(".error-card")).to_contain_text("64 characters")
    page.close()


def test_a_word_that_points_cannot_hold_leads_to_the_code_all_the_same(service, page):
    page.goto(f"{service}/?seed=a~b")
    expected = page.request.get(f"{service}/samples.json?seed=a~b&n=1").json()["images"][0]["point"]
    expect(page.locator("[data-image='0']")).to_have_attribute("href", re.compile("at=z:"))
    link = page.locator("[data-image='0']").get_attribute("href")
    assert parse_qs(urlsplit(link).query)["at"] == [expected]
