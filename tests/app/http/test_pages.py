import base64
import html
import re
from urllib.parse import urljoin

import numpy as np
import pytest

from app.errors import VitrineError
from app.main import create_app
from app.settings import Settings
from tests.conftest import SHIPPED_STORE, Client
from tests.fakes import pixels_of, png_bytes

DARK = png_bytes(np.arange(784, dtype=np.uint8).reshape(28, 28) // 4)


def test_the_page_shows_the_three_pictures_and_each_address_works(client):
    html = client.get("/").text
    sources = [source.replace("&amp;", "&") for source in re.findall(r'<img src="([^"]+)"', html)]
    assert [source.partition("?")[0] for source in sources] == ["samples", "interpolate", "reconstruct"]
    for source in sources:
        assert client.get(source).headers["content-type"] == "image/png"


def test_a_caption_links_to_the_very_picture_that_is_shown(client):
    page = client.get("/").text
    shown = re.findall(r'<img src="([^"]+)"', page)
    read = re.findall(r"<code>GET <a [^>]+>([^<]+)</a>", page)
    linked = re.findall(r'<figcaption>.*?<a href="([^"]+)"', page, re.DOTALL)
    assert shown == linked
    assert read == [f"/{link}" for link in linked]
    assert "seed=42" in shown[0]
    for address in map(html.unescape, shown):
        assert client.get(address).headers["cache-control"].endswith("immutable")  # never another picture


def sent_by_the_form(client, content, **headers):
    """What a browser gets that sends a file by the page's form."""
    form = re.search(r'<form [^>]*action="([^"]+)" method="post"', client.get("/").text)
    return client.post(html.unescape(form[1]), files={"file": ("x.png", content)}, headers=headers)


@pytest.mark.parametrize("accept", ["text/html,application/xhtml+xml,*/*;q=0.8", "*/*"])
def test_the_form_is_answered_by_a_page_that_shows_the_picture_and_leads_back(client, accept):
    answer = sent_by_the_form(client, DARK, Accept=accept)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert answer.headers["cache-control"] == "no-store"
    kind, encoded = re.search(r'<img src="data:([^;]+);base64,([^"]+)"', answer.text).groups()
    assert kind == "image/png"
    assert "img-src 'self' data:;" in answer.headers["content-security-policy"]
    expected = client.post("/reconstruct?invert=auto&zoom=6", files={"file": ("x.png", DARK)})
    assert expected.headers["content-type"] == "image/png"  # programs get the picture itself
    assert (pixels_of(base64.b64decode(encoded)) == pixels_of(expected.content)).all()
    assert '<a href="./">' in answer.text
    assert "<script" not in answer.text


def test_the_answer_to_the_form_says_what_was_done_to_the_picture(client):
    light = png_bytes(np.full((28, 28), 255, np.uint8))
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
    assert "<script" not in answer.text  # what was received is shown escaped
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
    assert client.request("PUT", "/").headers["allow"] == "GET, HEAD, OPTIONS, POST"


LINK = re.compile(r'(?:href|src)="([^"]+)"')


def followed(client, start="/"):
    """Every address that can be reached from a page by links, each with what it answers; no other host's."""
    found, waiting = {}, [start]
    while waiting:
        path = waiting.pop()
        if path in found:
            continue
        answer = found[path] = client.get(path)
        if answer.headers.get("content-type", "").startswith("text/html"):
            assert answer.status_code == 200, path
            for link in map(html.unescape, LINK.findall(answer.text)):
                target, _, fragment = urljoin(path, link).partition("#")
                if "://" not in target:
                    waiting.append(target)
                    if fragment:
                        assert f'id="{fragment}"' in client.get(target).text, (path, link)
    return found


@pytest.mark.parametrize("which", ["client", "client_of_classes", "client_with_card"])
def test_every_link_of_every_page_leads_somewhere_and_to_the_part_that_it_names(request, which):
    found = followed(request.getfixturevalue(which))
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
    assert "/models/fashion-map/versions/4/files/manifold.png" in found
    assert "/models/fashion/versions/5.md" in found
    client.close()


@pytest.mark.parametrize("name", ["fashion@5", "fashion-dense@6"])
def test_the_page_names_what_it_shows_of_a_code(name):
    client = Client(create_app(Settings(model_store=SHIPPED_STORE, default_model=name, worker_threads=1)))
    page = " ".join(html.unescape(client.get("/").text).split())
    shown = "the centre of p(x given z)" if name == "fashion@5" else "the mean of p(x given z), E[x given z]"
    assert f"each shown as {shown}" in page
    assert "<code>render=draw</code>" in page
    client.close()


def test_the_page_says_where_the_walk_holds_the_other_axes(client, client_of_classes):
    assert "are held at zero." in " ".join(client.get("/").text.split())
    page = " ".join(client_of_classes.get("/").text.split())
    assert "are held at the centre of the highest-weight component of p(z)." in page


@pytest.mark.parametrize(
    ("ground", "said"), [("dark", "inverted if its border is light;"), ("light", "its border is dark;")]
)
def test_the_page_says_which_upload_is_inverted(tmp_path, ground, said):
    from tests.app.http.test_pictures import asked_of

    client = asked_of(tmp_path, ground)
    assert said in " ".join(client.get("/").text.split())
    client.close()


def test_the_page_promises_no_inversion_of_colour(tmp_path):
    from tests.app.http.test_pictures import asked_of

    client = asked_of(tmp_path, "light", (8, 8, 3))
    assert "inverted" not in client.get("/").text
    client.close()


def test_every_picture_of_the_page_has_its_true_size_and_a_text(client):
    html = client.get("/").text
    tags = re.findall(r"<img [^>]+>", html, re.DOTALL)
    assert len(tags) == 3
    for tag in tags:
        attributes = dict(re.findall(r'(\w+)="([^"]*)"', tag))
        assert attributes["alt"]
        height, width = pixels_of(client.get(attributes["src"].replace("&amp;", "&")).content).shape
        assert (int(attributes["width"]), int(attributes["height"])) == (width, height)


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
