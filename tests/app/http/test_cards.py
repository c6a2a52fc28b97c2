import hashlib
import json
import math
import re

import pytest

from app.main import create_app
from app.settings import Settings
from tests.conftest import SHIPPED_STORE, Client
from tests.fakes import CARD, MIXTURE, open_fake, seal, write_version


@pytest.fixture
def of_two(tmp_path):
    """A service of a model of two versions, and of another that cannot be served."""
    write_version(tmp_path, number=1, card=CARD)
    write_version(
        tmp_path,
        number=2,
        card=CARD.replace("two axes", "two axes again"),
        mixture=MIXTURE,
        samples_render="draw",
    )
    (write_version(tmp_path, "broken") / "decoder" / "weights").write_bytes(b"other")
    client = Client(
        create_app(Settings(model_store=tmp_path, default_model="fake@1", worker_threads=1), open_fake)
    )
    yield client
    client.close()


@pytest.fixture(scope="module")
def of_the_project():
    client = Client(
        create_app(Settings(model_store=SHIPPED_STORE, default_model="fashion", worker_threads=1))
    )
    yield client
    client.close()


def test_the_list_has_every_version_the_default_and_what_is_not_served(of_two):
    found = of_two.get("/models.json").json()
    assert found["default_model"] == "fake@1"
    assert [each["model"] for each in found["models"]] == ["fake@1", "fake@2"]
    assert [each["classes"] for each in found["models"]] == [[], ["Low", "High"]]
    assert found["models"][0]["image_shape"] == [8, 8]
    assert [each["samples_render"] for each in found["models"]] == ["mean", "draw"]
    assert list(found["rejected"]) == ["broken/1"]
    for each in found["models"]:
        assert of_two.get(each["address"]).json()["digest"] == each["digest"]


def test_the_page_of_the_list_links_to_each_version_and_names_what_is_not_served(of_two):
    page = of_two.get("/models").text
    assert {"./models/fake/versions/1", "./models/fake/versions/2"} <= set(
        re.findall(r'href="([^"]+)"', page)
    )
    assert "<strong>fake@1</strong>" in page
    assert "broken/1" in page


def test_what_samples_show_is_told_of_every_version_whether_or_not_its_manifest_says_it(of_two):
    page = of_two.get("/models").text
    assert page.index("samples are means unless") < page.index("samples are draws unless")
    for number, render in [(1, "mean"), (2, "draw")]:
        found = of_two.get(f"/models/fake/versions/{number}.json").json()
        assert found["samples_render"] == render
        assert found["options"]["GET /samples"]["render"]["default"] == render
        assert found["options"]["GET /complete"]["render"]["default"] == render
        told = of_two.get(f"/models/fake/versions/{number}").text
        assert ("Samples are draws from it" in told) == (render == "draw")


def test_a_bare_name_is_its_newest_version(of_two):
    assert of_two.get("/models/fake.json").json()["newest"] == "fake@2"
    assert [each["model"] for each in of_two.get("/models/fake.json").json()["versions"]] == [
        "fake@1",
        "fake@2",
    ]
    assert "<h1>fake@2</h1>" in of_two.get("/models/fake").text
    assert "two axes again" in of_two.get("/models/fake.md").text


def test_a_versions_json_has_all_of_its_manifest(of_two, tmp_path):
    found = of_two.get("/models/fake/versions/1.json").json()
    manifest = json.loads((tmp_path / "fake" / "1" / "manifest.json").read_text())
    assert {key: found[key] for key in manifest} == manifest
    assert found["model"] == "fake@1"
    assert found["pinned"] == f"fake@1-{manifest['digest'][:12]}"
    assert found["runtime"] == "fake"
    assert found["shows"] == "the mean of p(x given z), E[x given z]"
    assert found["limits"]["max_upload_images"] == 32


def test_files_are_listed_with_what_they_are_and_the_pictures_among_them_are_served(of_two):
    found = of_two.get("/models/fake/versions/1.json").json()
    listed = {file["path"]: file for file in found["files"]}
    assert {"card.md", "axes.png", "decoder/weights"} <= set(listed)
    prefix = "/models/fake/versions/1/files/"
    shown = [address.removeprefix(prefix) for address in found["addresses"]["pictures"]]
    assert shown == ["axes.png", "examples/0.png", "examples/1.png"]
    for path in shown:
        answer = of_two.get(prefix + path)
        assert answer.headers["content-type"] == "image/png"
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert hashlib.sha256(answer.content).hexdigest() == listed[path]["sha256"]
        assert len(answer.content) == listed[path]["size"]


@pytest.mark.parametrize(
    "path",
    ["decoder/weights", "manifest.json", "card.md", "../1/axes.png", "%2e%2e/1/axes.png", "", "examples"],
)
def test_no_file_is_served_but_pictures(of_two, path):
    assert of_two.get(f"/models/fake/versions/1/files/{path}").status_code == 404


def test_the_card_is_a_page_and_the_markdown_that_it_is(of_two, tmp_path):
    markdown = of_two.get("/models/fake/versions/1.md")
    assert markdown.headers["content-type"] == "text/markdown; charset=utf-8"
    assert markdown.content == (tmp_path / "fake" / "1" / "card.md").read_bytes()
    page = of_two.get("/models/fake/versions/1").text
    assert "<td>-2.5</td>" in page
    assert page.count("<h1>") == 1  # the card's own is left out
    assert "<b>" not in page
    assert 'rel="alternate" type="text/markdown" href="../../../models/fake/versions/1.md"' in page


@pytest.mark.parametrize("path", ["/models/fake", "/models/fake/versions/1"])
def test_a_cards_links_lead_to_its_pictures_and_nowhere_else(of_two, path):
    up = "../" * (path.count("/") - 1)
    page = of_two.get(path).text
    number = 2 if path == "/models/fake" else 1
    target = f"{up}models/fake/versions/{number}/files/axes.png"
    assert f'<a href="{target}">one picture</a>' in page
    assert f'<img src="{target}" alt="all of the axes"' in page
    assert "decoder/weights)" not in page
    assert "the weights are not shown" in " ".join(page.split())


def test_the_page_shows_options_files_and_the_digest(of_two):
    page = of_two.get("/models/fake/versions/2").text
    digest = of_two.get("/models/fake/versions/2.json").json()["digest"]
    assert f"<code>{digest}</code>" in page
    for words in ("GET /samples", "POST /reconstruct", "Low, High", "1 to 400", "-8 to 8", "decoder/weights"):
        assert words in page, words


def test_a_version_without_a_card_has_a_page_and_no_markdown(client):
    assert "<h1>fake@1</h1>" in client.get("/models/fake").text
    assert client.get("/models/fake.md").status_code == 404
    assert client.get("/models/fake/versions/1.json").json()["addresses"]["card"] is None


BAD = ["nobody", "fake@1", "FAKE", "%2e%2e%2e", "%00", "fake%2f1", "a" * 200, "caf%C3%A9"]


@pytest.mark.parametrize("behind", ["", ".json", ".md", "/versions/1", "/versions/1.json"])
@pytest.mark.parametrize("name", BAD)
def test_a_name_that_no_model_has_is_not_found(of_two, name, behind):
    assert of_two.get(f"/models/{name}{behind}").status_code == 404


@pytest.mark.parametrize(
    "number", ["3", "0", "01", "-1", "x", "1-abc", "9999999999", "1.5", "%31%20", "latest"]
)
@pytest.mark.parametrize("behind", ["", ".json", ".md"])
def test_a_number_that_no_version_has_is_not_found_and_those_there_are_are_named(of_two, number, behind):
    answer = of_two.get(f"/models/fake/versions/{number}{behind}")
    assert answer.status_code == 404
    assert answer.json()["type"] == "/problems/model-not-found"
    assert "fake@1, fake@2" in answer.json()["detail"]


def test_a_version_that_cannot_be_served_says_why(of_two):
    answer = of_two.get("/models/broken/versions/1.json")
    assert (answer.status_code, answer.json()["type"]) == (404, "/problems/model-unavailable")
    assert "decoder/weights" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("path", "file"), [("1.md", "card.md"), ("1/files/axes.png", "axes.png"), ("1.json", "manifest.json")]
)
def test_a_file_that_changed_after_the_start_is_not_served_as_the_version(tmp_path, path, file):
    folder = write_version(tmp_path, card=CARD)
    client = Client(
        create_app(Settings(model_store=tmp_path, default_model="fake", worker_threads=1), open_fake)
    )
    kept = (folder / file).read_bytes()
    (folder / file).write_bytes(kept.replace(b"a", b"b"))
    answer = client.get(f"/models/fake/versions/{path}")
    assert (answer.status_code, answer.json()["type"]) == (404, "/problems/model-unavailable")
    assert f"{file}: " in answer.json()["detail"]
    (folder / file).write_bytes(kept)
    assert client.get(f"/models/fake/versions/{path}").status_code == 200
    (folder / file).unlink()
    assert client.get(f"/models/fake/versions/{path}").status_code == 200  # what was found right stays
    client.close()


def test_a_metric_that_is_no_number_is_null(tmp_path):
    folder = write_version(tmp_path)
    manifest = json.loads((folder / "manifest.json").read_text())
    seal(folder, manifest | {"metrics": {"a": math.nan, "b": [math.inf, 1.5], "c": 1}})
    client = Client(
        create_app(Settings(model_store=tmp_path, default_model="fake", worker_threads=1), open_fake)
    )
    assert client.get("/models/fake/versions/1.json").json()["metrics"] == {
        "a": None,
        "b": [None, 1.5],
        "c": 1,
    }
    client.close()


@pytest.mark.parametrize("path", sorted(SHIPPED_STORE.glob("*/[0-9]*")), ids=lambda path: path.parent.name)
def test_the_shipped_cards_are_pages_with_all_of_their_tables(path):
    from app.http import markdown

    text = (path / "card.md").read_text()
    html = markdown.render(text).html
    rows = sum(line.startswith("|") and not re.fullmatch(r"[|:\- ]+", line) for line in text.splitlines())
    assert html.count("<tr>") == rows
    assert "|" not in re.sub(r"<[^>]+>", "", html).replace("||", "")


@pytest.mark.parametrize(
    ("name", "said", "unsaid"),
    [
        ("fashion", "All 36 latent axes by number, the most informative on top", "no meaning"),
        ("fashion", "Scroll in the box for those below", "no meaning"),
        ("fashion-dense", "All 10 latent axes by number, in the order of training, which has no", "on top"),
        ("fashion-map", "each from -1.96 to 1.96, the middle 95 % of N(0, 1)", "whole plane"),
        ("fashion-map", "the most informative on top", "Scroll in the box"),
    ],
)
def test_pictures_of_axes_are_said_to_be_what_they_are(of_the_project, name, said, unsaid):
    page = " ".join(of_the_project.get(f"/models/{name}").text.split())
    figures = page[: page.index("<article>")]
    assert said in figures
    assert unsaid not in figures


def test_rows_of_axes_are_numbered(of_the_project):
    page = of_the_project.get("/models/fashion-dense").text
    rows = page[page.index('<ol aria-hidden="true">') :]
    assert re.findall(r"<li>(\d+)</li>", rows[: rows.index("</ol>")]) == [str(k) for k in range(10)]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("fashion", "1 inactive axis: it changes nothing"),
        ("fashion-dense", "4 inactive axes: they change nothing"),
    ],
)
def test_inactive_axes_are_counted_in_words(of_the_project, name, words):
    assert words in of_the_project.get(f"/explorer?model={name}").text
