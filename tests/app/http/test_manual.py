import functools
import html
import re
import shutil
import subprocess
import sys
import zipfile
from urllib.parse import urljoin

import pytest

from app.http import manual
from app.settings import Settings
from tests.conftest import FASHION_VERSION, PROJECT, SHIPPED_STORE, Client

SHOWN = [path for path in sorted(manual.files()) if path.endswith(".md")]


def test_every_document_of_the_project_is_in_the_manual():
    documents = [
        *(PROJECT / "docs").rglob("*.md"),
        PROJECT / "README.md",
        PROJECT / "model_store" / "README.md",
    ]
    assert {path.relative_to(PROJECT).as_posix() for path in documents} <= set(SHOWN)


@pytest.mark.parametrize("path", SHOWN)
def test_a_page_is_there_as_markdown_too_just_as_it_was_written(client, path):
    twin = client.get(f"/manual/{path}")
    assert twin.headers["content-type"] == "text/markdown; charset=utf-8"
    assert twin.content == (PROJECT / path).read_bytes()
    page = client.get(f"/manual/{path.removesuffix('.md')}")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    alternate = re.search(r'rel="alternate" type="text/markdown" href="([^"]+)"', page.text)[1]
    assert urljoin(str(page.url), alternate) == str(twin.url)


def test_the_list_has_each_page_with_its_title_and_a_sentence(client):
    page, twin = client.get("/manual").text, client.get("/manual.md").text
    names = re.findall(r'<a href="manual/([^"]+)">', page)
    assert names[:2] == ["README", "docs/glossary"]
    assert {"docs/elbo", "docs/lesson", "docs/operating", "docs/training", "docs/your-pictures"} <= set(names)
    assert len(names) == len(set(names))
    assert re.findall(r"\]\(manual/(.+?)\.md\)", twin) == names
    for entry in manual.entries():
        assert entry.title
        assert entry.summary
        assert f"<title>Vitrine: {entry.title}</title>" in client.get(f"/manual/{entry.name}").text


def test_links_among_documents_hold_on_pages(client):
    glossary = client.get("/manual/docs/glossary").text
    assert 'href="training#the-reference-model"' in glossary
    assert 'href="../model_store/README"' in glossary
    assert 'href="elbo"' in glossary


@pytest.mark.parametrize(
    ("page", "root"),
    [("README", "../"), ("docs/lesson", "../../"), ("docs/models/fashion-large/card", "../../../../")],
)
def test_what_a_document_asks_of_a_service_with_default_settings_its_page_asks_of_this_one(
    client, page, root
):
    link = functools.partial(manual._link, client.app.service, page)
    assert link("http://127.0.0.1:8000/samples?n=4&seed=1") == f"{root}samples?n=4&seed=1"
    assert urljoin(f"/vitrine/manual/{page}", link("http://127.0.0.1:8000/")) == "/vitrine/"
    assert link("http://127.0.0.1:8001/samples") == "http://127.0.0.1:8001/samples"


def test_the_default_address_of_documents_is_that_of_the_settings():
    fields = Settings.model_fields
    assert f"http://{fields['host'].default}:{fields['port'].default}/" == manual.DEFAULT


def test_links_of_the_lesson_ask_this_service(client):
    page = client.get("/manual/docs/lesson")
    asked = re.findall(r'<a href="([^"]+)"><img src="images/lesson-samples.png"', page.text)
    target = urljoin(str(page.url), html.unescape(asked[0]))
    assert target == "http://vitrine/samples?model=fashion-dense@7&n=21&seed=42&zoom=2"
    assert 'href="http://127.0.0.1' not in page.text


def test_a_notebook_is_given_as_one(client):
    answer = client.get("/manual/docs/lesson.ipynb")
    assert answer.headers["content-type"] == "application/x-ipynb+json"
    assert answer.content == (PROJECT / "docs" / "lesson.ipynb").read_bytes()


def test_links_among_documents_hold_in_the_markdown_itself(client):
    for path in SHOWN:
        for link in re.findall(r"\]\(([^)#:]+)\)", client.get(f"/manual/{path}").text):
            target = urljoin(f"/manual/{path}", link)
            beside = "model_store/" in link or path.startswith("benchmarks/")  # versions, sources
            assert beside or client.get(target).status_code == 200, f"{path}: {link}"


def test_a_card_that_a_document_links_to_is_that_of_the_version_if_it_is_served(client, shipped_store):
    address = "/manual/model_store/fashion-map/5/card.md"
    assert client.get(address).status_code == 404
    readme = client.get("/manual/README").text
    assert "versions" not in "".join(re.findall(r'href="([^"]+)"', readme))
    assert "fashion-map" in readme  # the words stay
    answer = shipped_store.get(address)
    assert answer.status_code == 307
    target = urljoin(address, answer.headers["location"])
    assert target == "/models/fashion-map/versions/5.md"
    assert shipped_store.get(target).content == (SHIPPED_STORE / "fashion-map" / "5" / "card.md").read_bytes()
    assert (
        f'<a href="../models/fashion/versions/{FASHION_VERSION.name}">'
        in shipped_store.get("/manual/README").text
    )
    plane = "../../models/fashion-map/versions/5/files/manifold.png"
    assert f'<a href="{plane}">' in shipped_store.get("/manual/docs/elbo").text
    shown = shipped_store.get(urljoin("/manual/docs/elbo", plane))
    assert shown.content == (SHIPPED_STORE / "fashion-map" / "5" / "manifold.png").read_bytes()


@pytest.fixture
def shipped_store():
    from app.main import create_app

    client = Client(
        create_app(Settings(model_store=SHIPPED_STORE, default_model="fashion-map", worker_threads=1))
    )
    yield client
    client.close()


def test_pictures_of_documents_are_shown(client):
    page = client.get("/manual/README")
    sources = re.findall(r'<img src="([^"]+)"', page.text)
    assert sources
    for source in sources:
        assert client.get(urljoin(str(page.url), source)).headers["content-type"].startswith("image/")


@pytest.mark.parametrize(
    "path",
    ["nothing", "docs", "docs/", "../app/main.py", "%2e%2e/%2e%2e/pyproject.toml", "docs/glossary.html", "%00",
     "model_store/fake/1/decoder/nothing", "model_store/fake", "model_store/nobody/1/card.md"],
)  # fmt: skip
def test_what_is_no_page_is_not_found(client, path):
    answer = client.get(f"/manual/{path}")
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")


def test_the_manual_with_a_slash_leads_to_the_list(client):
    answer = client.get("/manual/")
    assert (answer.status_code, answer.headers["location"]) == (308, "../manual")


def test_both_forms_of_the_elbo_and_the_bound_of_k_draws_are_served(client):
    text = " ".join(client.get("/manual/docs/elbo").text.split())
    assert "E_q[log p(x given z)] - KL(q(z given x) || p(z))" in text
    assert "E_q[log p(x, z)] + H[q(z given x)]" in text
    assert "L_k = E[log (1/k) (w_1 + ... + w_k)]" in text


@pytest.mark.process
def test_what_is_installed_carries_every_page_of_the_manual(tmp_path):
    """Built of what the Dockerfile copies, so that the container has it too."""
    project = tmp_path / "project"
    kept = [line[1:] for line in (PROJECT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    for path in kept:
        if (PROJECT / path).is_dir():
            shutil.copytree(PROJECT / path, project / path, symlinks=True)
        else:
            (project / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(PROJECT / path, project / path)
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "."]
    subprocess.run([*command, "--wheel-dir", str(tmp_path)], cwd=project, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        for path, source in manual.files().items():
            assert archive.read(f"app/manual/{path}") == source.read_bytes(), path
        assert {"app/templates/document.html", "app/static/style.css"} <= set(archive.namelist())
    copied = re.findall(r"^COPY (.+) /build/\S*$", (PROJECT / "Dockerfile").read_text(), re.MULTILINE)
    assert {part.split("/")[0] for part in kept} <= {
        part.split("/")[0] for line in copied for part in line.split()
    }
