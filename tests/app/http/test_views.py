import base64
import functools
import html
import json
import re
from urllib.parse import parse_qs, urljoin, urlsplit

import numpy as np
import pytest

from app.errors import ModelError, VitrineError
from app.http import navigation, views
from app.main import create_app
from app.settings import Settings
from tests.conftest import FASHION_VERSION, SHIPPED_STORE, Client
from tests.fakes import open_fake, pixels_of, png_bytes, write_version

DARK = png_bytes(np.arange(784, dtype=np.uint8).reshape(28, 28) // 4)


VIEWS = ["/", "/explorer", "/reconstructions", "/completions", "/test-set", "/plane", "/comparison"]


def described(client, path="/explorer"):
    """What a page tells its module of the model."""
    page = client.get(path).text
    return json.loads(
        re.search(r'<script type="application/json" id="described">(.*?)</script>', page, re.DOTALL)[1]
    )


@pytest.mark.parametrize("path", VIEWS)
def test_every_view_names_itself_its_model_and_its_module_in_one_page(client, path):
    answer = client.get(path)
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    page = answer.text
    (name,) = {view.name for view in navigation.VIEWS if view.path == path}
    assert f'<script type="module" src="./static/js/{name}.js">' in page
    assert client.get(f"/static/js/{name}.js").headers["content-type"].startswith("text/javascript")
    assert client.get(f"/static/{name}.css").status_code == 200
    assert page.count("aria-current") == 1
    assert page.count("<h1>") == 1
    assert "fake@1</option>" in page


def test_the_gallery_shows_the_images_of_a_seed_and_each_leads_to_its_point(client):
    page = html.unescape(client.get("/?seed=7").text)
    sources = re.findall(r'<img class="picture" src="([^"]+)"', page)
    links = re.findall(r'<li><a href="([^"]+)" data-image', page)
    assert len(sources) == len(links) == 21
    whole = pixels_of(client.get("/samples?seed=7&n=21&columns=1").content)
    height = whole.shape[0] // 21
    for k, source in enumerate(sources):
        answer = client.get(source)
        assert answer.headers["cache-control"].endswith("immutable")  # never another picture
        assert (pixels_of(answer.content) == whole[k * height : (k + 1) * height]).all()
    assert links[3].endswith("&at=seed:7/3")
    point = parse_qs(urlsplit(links[3]).query)["at"][0]
    decoded = pixels_of(client.get(f"/decode?points={point}").content)
    assert (decoded == whole[3 * height : 4 * height]).all()


@pytest.mark.parametrize(
    ("query", "point"),
    [
        ("", "seed:42/0"),
        ("?seed=7", "seed:7/0"),
        ("?seed=tulip/3", "seed:tulip/3"),
        ("?seed=7&at=centre", "centre"),
    ],
)
def test_the_explorer_without_javascript_shows_the_point_or_the_first_image_of_a_seed(client, query, point):
    page = html.unescape(client.get(f"/explorer{query}").text)
    assert f'name="at" type="text" value="{point}"' in page


def test_the_gallery_without_javascript_offers_every_kind_and_more_images(client_of_classes):
    page = html.unescape(client_of_classes.get("/?label=b&seed=tulip&temperature=0.5&offset=21").text)
    kinds = re.findall(r'name="label" value="([^"]+)"( checked)?', page)
    assert [name for name, _ in kinds] == list(described(client_of_classes)["classes"])
    source = re.search(r'<img class="picture" src="([^"]+)"', page)[1]
    assert "&seed=tulip&n=1&offset=21&" in source
    assert client_of_classes.get(source).status_code == 200 or "label=b" in source
    assert re.search(r'data-more href="[^"]*&offset=42"', page)


def test_the_page_of_completions_promises_no_more_than_draws_that_count(client):
    lead = re.search(r'<p class="lead">(.*?)</p>', client.get("/completions").text, re.DOTALL)[1]
    assert "Completions differ only as much as the draws that count" in lead


@pytest.mark.parametrize(("own", "other"), [("mean", "draw"), ("draw", "mean")])
def test_the_gallery_without_javascript_begins_with_what_its_model_s_samples_show(tmp_path, own, other):
    write_version(tmp_path, samples_render=own)
    client = Client(
        create_app(Settings(model_store=tmp_path, default_model="fake", worker_threads=1), open_fake)
    )

    def shown(query=""):
        page = html.unescape(client.get(f"/{query}").text)
        (checked,) = re.findall(r'name="render" value="(\w+)" checked', page)
        return checked, re.search(r'<img class="picture" src="([^"]+)"', page)[1]

    assert described(client)["samples_render"] == own
    for query, render in [("", own), (f"?render={own}", own), (f"?render={other}", other)]:
        checked, source = shown(query)
        assert checked == render
        # The picture's own address says it where it is not the model's own.
        assert ("render=" in source) == (render != own)
        assert f"&render={render}&" in client.get(source).headers["content-location"]
    client.close()


@pytest.mark.parametrize("render", ["mean", "draw"])
def test_an_image_of_the_gallery_is_the_same_in_the_explorer_without_javascript(tmp_path, render):
    write_version(tmp_path, samples_render=render)
    client = Client(
        create_app(Settings(model_store=tmp_path, default_model="fake", worker_threads=1), open_fake)
    )
    gallery = html.unescape(client.get("/?seed=tulip&offset=40").text)
    link, source = re.search(
        r'<a href="([^"]+)" data-image="42"><img class="picture" src="([^"]+)"', gallery
    ).groups()
    explorer = html.unescape(client.get(f"/{link}").text)
    shown, told = re.search(r'<img class="picture" src="([^"]+)"[^>]* alt="([^"]+)"', explorer).groups()
    assert told == f"{'A draw' if render == 'draw' else 'The mean'} of seed:tulip/42"
    same, other = (
        pixels_of(client.get(address).content)
        for address in (shown.replace("&zoom=12", ""), source.replace("offset=42", "offset=41"))
    )
    clicked = pixels_of(client.get(source).content)
    np.testing.assert_array_equal(same, clicked)
    assert np.any(other != clicked)
    client.close()


def test_what_a_page_tells_of_its_model_is_what_the_model_s_json_says(client_of_classes):
    told = described(client_of_classes)
    known = client_of_classes.get(f"/{told['page']}.json").json()
    assert told["model"] == known["pinned"]
    assert told["shape"] == known["image"]["shape"]
    assert told["classes"] == known["prior"]["classes"]
    assert [axis["kl"] for axis in told["axes"]] == pytest.approx(
        [axis["kl"] for axis in known["axes"]], rel=1e-5
    )


def test_only_views_that_need_them_are_told_of_every_axis(client):
    told = {view.name for view in navigation.VIEWS if described(client, view.path)["axes"]}
    assert told == {"explorer", "plane", "test-set"}


def test_no_text_of_a_model_ends_the_data_of_its_page():
    assert (
        views.embedded({"name": "</script><!--<script>"})
        == r'{"name":"\u003c/script>\u003c!--\u003cscript>"}'
    )


def test_a_view_of_an_older_or_another_model_is_asked_for_by_its_reference(client):
    assert described(client, "/explorer?model=fake@1")["name"] == "fake@1"
    answer = client.get("/explorer?model=nothing")
    assert (answer.status_code, answer.headers["content-type"]) == (404, "text/html; charset=utf-8")
    assert "nothing" in answer.text
    assert '<a href="./">' in answer.text


def test_a_word_is_explained_by_a_sentence_and_a_formula_without_javascript(client):
    page = client.get("/").text
    for key in set(re.findall(r'popovertarget="term-([a-z-]+)"', page)):
        assert re.search(rf'id="term-{key}" popover>\s*<p><strong>', page), key
    assert "<math" in page


@pytest.mark.parametrize("path", [*VIEWS, "/shortcuts", "/models", "/problems", "/manual"])
def test_no_page_has_a_script_or_a_style_of_its_own_within(client, path):
    page = client.get(path).text
    assert not re.search(r'<[^>]+ (style|on[a-z]+)="', page)
    assert "<style" not in page
    assert not re.search(r"<script(?![^>]* src=)(?! type=.application/json.)", page)


def sent_by_the_form(client, content, **headers):
    """What a browser gets that sends a file by the page's form."""
    form = re.search(r'<form [^>]*action="([^"]+)" method="post"', client.get("/reconstructions").text)
    return client.post(html.unescape(form[1]), files={"file": ("x.png", content)}, headers=headers)


@pytest.mark.parametrize("accept", ["text/html,application/xhtml+xml,*/*;q=0.8", "*/*"])
def test_the_form_is_answered_by_a_page_that_shows_the_picture_and_leads_back(client, accept):
    answer = sent_by_the_form(client, DARK, Accept=accept)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert answer.headers["cache-control"] == "no-store"
    kind, encoded = re.search(r'<img src="data:([^;]+);base64,([^"]+)"', answer.text).groups()
    assert kind == "image/png"
    assert "img-src 'self' data: blob:;" in answer.headers["content-security-policy"]
    expected = client.post("/reconstruct?invert=auto&zoom=6", files={"file": ("x.png", DARK)})
    assert expected.headers["content-type"] == "image/png"  # programs get the picture itself
    assert (pixels_of(base64.b64decode(encoded)) == pixels_of(expected.content)).all()
    assert '<a href="./">' in answer.text
    assert "<script>" not in answer.text


def test_the_answer_to_the_form_says_what_was_done_to_the_picture(client):
    light = png_bytes(np.full((8, 8), 255, np.uint8))
    expected = client.post("/reconstruct?invert=auto", files={"file": ("x.png", light)})
    assert expected.headers["x-notes"] == "file: inverted"
    assert "file: inverted." in sent_by_the_form(client, light).text


@pytest.mark.parametrize(
    ("content", "status", "words"),
    [
        (b"<b>no picture</b>", 415, ["expected a PNG, JPEG", "Convert the file to one of these formats."]),
        (b"", 422, ["an empty file"]),
        (b"\x89PNG\r\n\x1a\n<script>", 422, ["cannot be used"]),
        (b"\0" * 11_000_000, 413, ["10485760"]),
    ],
)
def test_a_file_that_cannot_be_used_is_explained_on_a_page_that_leads_back(client, content, status, words):
    answer = sent_by_the_form(client, content)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "text/html; charset=utf-8")
    assert answer.headers["cache-control"] == "no-store"
    for word in words:
        assert word in html.unescape(answer.text)
    assert '<a href="./">' in answer.text
    assert "<script>" not in answer.text  # what was received is shown escaped
    assert "<b>" not in answer.text
    assert '{"type"' not in answer.text
    as_program = client.post("/reconstruct", files={"file": ("x.png", content)})
    assert as_program.status_code == status
    assert as_program.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("status", [500, 503, 504])
def test_whatever_goes_wrong_the_form_is_answered_by_a_page(client, monkeypatch, status):
    error = VitrineError("Try again.", headers={"Retry-After": "2"})
    error.status = status

    def refuse(work):
        raise error

    monkeypatch.setattr(client.app.service.engine, "submit", refuse)
    answer = sent_by_the_form(client, DARK)
    assert (answer.status_code, answer.headers["retry-after"]) == (status, "2")
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert "<p>Try again.</p>" in answer.text
    kind = 'vitrine_problems_total{kind="internal-error"} 1.0'
    assert kind in client.get("/metrics").text  # counted as for programs


def test_a_method_that_the_page_does_not_take_is_told_both_that_it_does(client):
    assert client.request("PUT", "/reconstructions").headers["allow"] == "GET, HEAD, OPTIONS, POST"


# The gallery has no last page; a map has thousands of images, and the links to each of them are alike.
ENDLESS = re.compile(r"[?&]offset=(?!21\b|[0-9]\b)|=map:[0-9]{2}|[?&]first=(?!60\b)")
SHIPPED = re.compile(r"model=fashion")  # documents link to what a store of another model does not have
LINK = re.compile(r'(?:href|src)="([^"]+)"')


def followed(client, start="/", passed_over=ENDLESS):
    """Every address that can be reached from a page by links, each with what it answers; no other host's."""
    found, waiting, asked = {}, [start], functools.cache(client.get)
    while waiting:
        path = waiting.pop()
        if path in found:
            continue
        answer = found[path] = asked(path)
        if answer.headers.get("content-type", "").startswith("text/html"):
            assert answer.status_code == 200, path
            for link in map(html.unescape, LINK.findall(answer.text)):
                target, _, fragment = urljoin(path, link).partition("#")
                if "://" not in target and not passed_over.search(target):
                    waiting.append(target)
                    if fragment:
                        assert f'id="{fragment}"' in asked(target).text, (path, link)
    return found


@pytest.mark.parametrize("which", ["client", "client_of_classes", "client_with_card"])
def test_every_link_of_every_page_leads_somewhere_and_to_the_part_that_it_names(request, which):
    found = followed(
        request.getfixturevalue(which), passed_over=re.compile(f"{ENDLESS.pattern}|{SHIPPED.pattern}")
    )
    assert {path: answer.status_code for path, answer in found.items() if answer.status_code != 200} == {}
    pages = {
        "/",
        "/docs",
        "/manual",
        "/manual/docs/glossary",
        "/models",
        "/models/fake/versions/1",
        "/problems",
    }
    assert pages <= set(found)
    assert "/manual/docs/glossary.md" in found


def test_every_link_holds_for_the_models_that_are_shipped():
    client = Client(
        create_app(Settings(model_store=SHIPPED_STORE, default_model="fashion", worker_threads=2))
    )
    found = followed(client)
    assert {path: answer.status_code for path, answer in found.items() if answer.status_code != 200} == {}
    assert "/models/fashion-map/versions/5/files/manifold.png" in found
    assert f"/models/fashion/versions/{FASHION_VERSION.name}.md" in found
    client.close()


@pytest.mark.parametrize(
    ("ground", "said"), [("dark", "inverted if its border is light;"), ("light", "its border is dark;")]
)
def test_the_page_says_which_upload_is_inverted(tmp_path, ground, said):
    from tests.app.http.test_pictures import asked_of

    client = asked_of(tmp_path, ground)
    assert said in " ".join(client.get("/reconstructions").text.split())
    client.close()


def test_the_page_promises_no_inversion_of_colour(tmp_path):
    from tests.app.http.test_pictures import asked_of

    client = asked_of(tmp_path, "light", (8, 8, 3))
    assert "inverted" not in client.get("/reconstructions").text
    client.close()


@pytest.mark.parametrize(
    "path",
    ["/", "/docs", "/models", "/static/style.css", "/static/reference.css", "/static/js/reference.js"],
)
def test_nothing_is_fetched_from_another_host(client, path):
    text = client.get(path).text.replace("http://www.w3.org/2000/svg", "")
    own = text.replace("http://vitrine", "")  # the service's own, in lines to be copied
    assert not re.search(r"(https?:)?//[a-z]", own)


@pytest.mark.parametrize(
    "path", ["/manual", "/manual/README", "/manual/docs/operating", "/problems", "/models/fake"]
)
def test_pages_with_texts_may_link_to_another_host_and_fetch_nothing_from_it(client, path):
    fetched = re.findall(r'(?:src|<link[^>]+href)="([^"]+)"', client.get(path).text)
    assert fetched
    assert not [address for address in fetched if "//" in address]


def test_pages_forbid_scripts_from_elsewhere(client):
    for path in ("/", "/docs"):
        policy = client.get(path).headers["content-security-policy"]
        assert "script-src 'self';" in policy
        assert "default-src 'none'" in policy


def test_a_view_knows_how_a_map_is_read_and_the_colours_of_its_classes(client, client_of_a_map):
    assert described(client)["map"] is None
    found = described(client_of_a_map)["map"]
    table = client_of_a_map.get("/map.json").json()
    assert (found["images"], found["columns"]) == (6, table["sprite_columns"])
    assert found["method"] == table["method"]
    assert [(each["name"], each["colour"]) for each in found["classes"]] == [
        (each["class"], each["colour"]) for each in table["classes"]
    ]
    # Colours are for the ground that pictures have, which is what the fake model's sheet shows in its corners.
    sheet = pixels_of(client_of_a_map.get("/map?show=classes").content)
    assert found["on_white"] == (sheet[0, -1].min() == 255)


def test_a_model_that_cannot_be_served_is_left_out_of_every_page(tmp_path):
    write_version(tmp_path, name="fake")
    write_version(tmp_path, name="other")

    def open_runtime(folder, threads):
        if folder.parent.name == "other":
            raise ModelError("needs what is not here")
        return open_fake(folder, threads)

    client = Client(create_app(Settings(model_store=tmp_path, default_model="fake"), open_runtime))
    assert client.get("/samples?model=other").status_code == 500
    for path in VIEWS:
        page = client.get(path)
        assert page.status_code == 200, path
        assert "other@1</option>" not in page.text
    client.close()
