"""Behind a real nginx, configured as docs/operating.md says."""

import contextlib
import html
import re
from urllib.parse import urljoin

import httpx
import numpy as np
import pytest

from app.main import create_app
from app.settings import Settings
from tests.conftest import EVERYTHING, PROJECT
from tests.fakes import open_fake, pixels_of, png_bytes, write_version
from tests.nginx import NGINX, free_port, running_nginx
from tests.serving import serving_in_a_thread

pytestmark = pytest.mark.skipif(NGINX is None and not EVERYTHING, reason="needs nginx")

DOCUMENT = (PROJECT / "docs" / "operating.md").read_text()
CONFIGURATION = re.search(r"```nginx\n(.*?)```", DOCUMENT, re.DOTALL)[1]
ROOT_PATH = re.search(r"VITRINE_ROOT_PATH=(\S+) vitrine serve", DOCUMENT)[1]


@contextlib.contextmanager
def nginx(folder, service_port, keeps_prefix):
    """Run nginx as documented before a service, and return its port."""
    port = free_port()
    configuration = CONFIGURATION.replace("127.0.0.1:8000", f"127.0.0.1:{service_port}")
    configuration = configuration.replace("listen 80;", f"listen 127.0.0.1:{port};")
    if keeps_prefix:
        configuration = configuration.replace("http://vitrine/;", "http://vitrine;")
    with running_nginx(folder, configuration, port):
        yield port


@pytest.fixture(scope="module", params=[False, True], ids=["prefix stripped", "prefix kept"])
def site(request, tmp_path_factory):
    """A client of a site that has a service of the fake model below ROOT_PATH."""
    store = tmp_path_factory.mktemp("store")
    write_version(store)
    settings = Settings(
        model_store=store, default_model="fake", root_path=ROOT_PATH, max_upload_bytes=200_000
    )
    folder = tmp_path_factory.mktemp("nginx")
    with (
        serving_in_a_thread(create_app(settings, open_fake)) as service_port,
        nginx(folder, service_port, request.param) as port,
        httpx.Client(base_url=f"http://127.0.0.1:{port}") as client,
    ):
        yield client


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/docs",
        "/problems",
        "/problems/overloaded",
        "/manual",
        "/manual/docs/glossary",
        "/models",
        "/models/fake",
    ],
)
def test_every_link_of_a_page_stays_below_the_prefix_and_leads_somewhere(site, path):
    page = site.get(ROOT_PATH + path)
    assert page.status_code == 200
    links = re.findall(r'(?:href|src)="([^"]+)"', page.text)
    assert links
    for link in links:
        target = urljoin(str(page.url), link.replace("&amp;", "&"))
        assert httpx.URL(target).path.startswith(ROOT_PATH + "/"), link
        assert site.get(target).status_code == 200, link


def test_the_prefix_without_a_slash_leads_to_the_page(site):
    assert "<h1>Images that do not exist</h1>" in site.get(ROOT_PATH, follow_redirects=True).text


def test_a_proxy_that_keeps_the_prefix_and_adds_no_slash_is_sent_to_the_page(tmp_path):
    write_version(tmp_path)
    app = create_app(Settings(model_store=tmp_path, default_model="fake", root_path=ROOT_PATH), open_fake)
    with serving_in_a_thread(app) as port:
        answer = httpx.get(f"http://127.0.0.1:{port}{ROOT_PATH}")
    assert (answer.status_code, answer.headers["location"]) == (308, f"{ROOT_PATH}/")


def test_the_api_documentation_finds_its_schema_and_the_schema_its_server(site):
    page = site.get(f"{ROOT_PATH}/docs").text
    schema = urljoin(f"{ROOT_PATH}/docs", re.search(r'href="([^"]+openapi.json)"', page)[1])
    found = site.get(schema).json()
    server = urljoin(schema, found["servers"][0]["url"])
    for path in ("/samples", "/interpolate", "/readyz"):
        assert path in found["paths"]
        assert site.get(server.rstrip("/") + path).status_code == 200


def test_the_lines_of_the_api_reference_ask_behind_the_proxy(site):
    page = html.unescape(site.get(f"{ROOT_PATH}/docs").text)
    address = re.search(r"curl -o samples.png '([^']+)'", page)[1]
    assert httpx.URL(address).path == f"{ROOT_PATH}/samples"
    assert site.get(address).headers["content-type"] == "image/png"


def test_a_pictures_permanent_address_is_the_one_behind_the_proxy(site):
    for path in ("/samples?n=3", "/interpolate?axis=1", "/reconstruct"):
        picture = site.get(ROOT_PATH + path)
        assert picture.status_code == 200
        again = site.get(picture.headers["content-location"])
        assert again.content == picture.content
        assert again.headers["cache-control"].endswith("immutable")


def test_an_upload_and_the_pages_form_reach_the_encoder(site):
    files = {"file": ("x.png", png_bytes(np.full((8, 8), 102, np.uint8)))}
    upload = site.post(f"{ROOT_PATH}/reconstruct?ink=light", files=files)
    assert (pixels_of(upload.content)[:8] == 102).all()
    page = site.get(f"{ROOT_PATH}/reconstructions")
    action = re.search(r'<form [^>]*action="([^"]+)" method="post"', page.text)[1].replace("&amp;", "&")
    answer = site.post(urljoin(str(page.url), action), files=files)
    assert 'src="data:image/png;base64,' in answer.text
    for link in re.findall(r'href="([^"]+)"', answer.text):
        assert site.get(urljoin(str(answer.url), link)).status_code == 200, link


def test_a_problem_names_the_page_that_explains_it(site):
    problem = site.get(f"{ROOT_PATH}/samples?n=0").json()
    assert problem["instance"] == f"{ROOT_PATH}/samples"
    assert "cannot be used" in site.get(problem["type"]).text


def test_an_upload_that_is_too_large_is_refused_by_the_service_and_says_its_limit(site):
    answer = site.post(
        f"{ROOT_PATH}/reconstruct", content=bytes(5_000_000), headers={"Content-Type": "image/png"}
    )
    assert answer.status_code == 413
    assert "VITRINE_MAX_UPLOAD_BYTES" in answer.text
