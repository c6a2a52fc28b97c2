"""deploy/: the configuration for nginx is run as it is, but for addresses and what is to be filled in."""

import contextlib
import re
import socket
import ssl
import subprocess
import time

import httpx
import numpy as np
import pytest

from app import logs, server
from app.main import create_app
from app.settings import Settings, variable
from tests.access import requests_logged, signed
from tests.conftest import EVERYTHING, PROJECT
from tests.fakes import open_fake, pixels_of, png_bytes, write_version
from tests.nginx import NGINX, free_port, running_nginx
from tests.serving import serving_in_a_thread

needs_nginx = pytest.mark.skipif(NGINX is None and not EVERYTHING, reason="needs nginx")
RECIPE = (PROJECT / "deploy" / "nginx" / "vitrine.conf").read_text()
README = (PROJECT / "deploy" / "README.md").read_text()
CADDYFILE = (PROJECT / "deploy" / "caddy" / "Caddyfile").read_text()


def filled_in(folder, port, service_port, tls):
    """The recipe for a test: its addresses, its log in the folder, and the lines of TLS if `tls`."""
    text = RECIPE.replace("127.0.0.1:8000", f"127.0.0.1:{service_port}").replace(
        "/var/log/nginx", str(folder)
    )
    if not tls:
        return text.replace("listen 80;", f"listen 127.0.0.1:{port};")
    text = re.sub(r"^    # (listen 443|ssl_|add_header)", r"    \1", text, flags=re.MULTILINE)
    text = text.replace("listen 80;", f"listen 127.0.0.1:{free_port()};").replace(
        "/etc/ssl/vitrine", str(folder)
    )
    return text.replace("listen 443 ssl;", f"listen 127.0.0.1:{port} ssl;")


def certificate(folder):
    """Make a certificate of 127.0.0.1, where the recipe looks for it."""
    words = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=127.0.0.1"
    files = ["-keyout", folder / "privkey.pem", "-out", folder / "fullchain.pem"]
    names = ["-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run(["openssl", *words.split(), *names, *files], check=True, capture_output=True)


class Site:
    """A service behind nginx: a client of it, the log of nginx, and that of the service."""

    def __init__(self, client, folder, records):
        self.get, self.post, self.url = client.get, client.post, str(client.base_url)
        self._folder, self._records = folder, records

    @property
    def log(self):
        path = self._folder / "vitrine.log"
        for _ in range(200):  # a line may come behind the answer
            if path.exists() and path.stat().st_size:
                break
            time.sleep(0.02)
        return path.read_text()

    @property
    def lines_of_the_service(self):
        return [record.getMessage() for record in self._records]


@pytest.fixture
def site(request, tmp_path, monkeypatch):
    monkeypatch.setattr(logs, "configuration", lambda kind: None)  # loggers are this process' own
    kind = getattr(request, "param", "plain")
    tls = kind == "TLS"
    write_version(tmp_path / "store")
    settings = Settings(
        model_store=tmp_path / "store",
        default_model="fake",
        max_upload_bytes=200_000,
        access_log=True,
        forwarded_allow_ips=re.search(r"VITRINE_FORWARDED_ALLOW_IPS=(\S+) vitrine serve", README)[1],
        url_key=request.getfixturevalue("url_key") if kind == "signed addresses alone" else None,
    )
    config = server.configuration(settings)
    trust = {"proxy_headers": config.proxy_headers, "forwarded_allow_ips": config.forwarded_allow_ips}
    port, verify = free_port(), True
    if tls:
        certificate(tmp_path)
        verify = ssl.create_default_context(cafile=tmp_path / "fullchain.pem")
    with contextlib.ExitStack() as stack:
        records = stack.enter_context(requests_logged())
        service = stack.enter_context(serving_in_a_thread(create_app(settings, open_fake), **trust))
        stack.enter_context(running_nginx(tmp_path, filled_in(tmp_path, port, service, tls), port))
        url = f"{'https' if tls else 'http'}://127.0.0.1:{port}"
        yield Site(stack.enter_context(httpx.Client(base_url=url, verify=verify)), tmp_path, records)


@needs_nginx
@pytest.mark.parametrize("site", ["plain", "TLS"], indirect=True)
def test_pictures_and_uploads_pass_and_absolute_addresses_have_the_scheme_of_the_site(site):
    picture = site.get("/samples?n=3&seed=1")
    assert pixels_of(picture.content).shape == (8, 24)
    assert site.get(picture.headers["content-location"]).content == picture.content
    assert (
        site.get("/samples?n=3&seed=1", headers={"If-None-Match": picture.headers["etag"]}).status_code == 304
    )
    upload = site.post("/reconstruct", files={"file": ("x.png", png_bytes(np.zeros((8, 8), np.uint8)))})
    assert upload.headers["content-type"] == "image/png"
    information = site.get("/manifold/fake@1;x=0;y=1/info.json", follow_redirects=True).json()
    assert information["id"].startswith(f"{site.url}/manifold/")
    assert "vitrine" not in picture.headers["server"]
    assert picture.headers["server"] == "nginx"  # without its version
    tls = site.url.startswith("https")
    assert ("strict-transport-security" in picture.headers) is tls
    assert picture.headers["x-content-type-options"] == "nosniff"


@needs_nginx
@pytest.mark.bad_input(36)
def test_what_a_client_says_of_its_address_and_host_is_replaced(site):
    forged = {
        "X-Forwarded-For": "203.0.113.7",
        "X-Forwarded-Proto": "https",
        "X-Forwarded-Host": "evil.example",
        "Forwarded": "for=203.0.113.7;host=evil.example;proto=https",
    }
    found = site.get("/manifold/fake@1;x=0;y=1/info.json", headers=forged, follow_redirects=True)
    assert found.json()["id"].startswith(f"{site.url}/")
    assert site.lines_of_the_service
    assert all(line.startswith("127.0.0.1:") for line in site.lines_of_the_service)


@needs_nginx
def test_the_log_of_nginx_has_no_query_and_the_id_by_which_the_service_knows_the_request(site):
    answer = site.get(signed("/samples?n=3"))
    found = re.fullmatch(r'127\.0\.0\.1 \[\S+\] "GET /samples HTTP/1\.1" 422 \d+ [\d.]+s (\w+)\n', site.log)
    assert found, site.log
    assert answer.headers["x-request-id"] == found[1]


@needs_nginx
@pytest.mark.parametrize("site", ["signed addresses alone"], indirect=True)
def test_a_signed_address_is_good_through_the_proxy(site):
    assert site.get("/samples?n=3").status_code == 403
    answer = site.get(signed("/samples?n=3"))
    assert answer.status_code == 200
    plane = site.get(signed("/manifold/fake@1;x=0;y=1/full/max/0/default.png"))
    assert plane.headers["content-type"] == "image/png"
    assert "signature" not in site.log + str(site.lines_of_the_service)


@needs_nginx
def test_too_many_requests_of_one_address_are_refused_and_health_is_not(site):
    statuses = [site.get("/version").status_code for _ in range(200)]
    assert set(statuses) == {200, 429}
    assert statuses[:60] == [200] * 60
    assert [site.get("/livez").status_code for _ in range(100)] == [200] * 100
    assert site.get("/readyz").json()["status"] == "ready"


@needs_nginx
def test_what_is_the_operators_alone_is_refused(site):
    for path in ("/metrics", "/metrics?x=1", "/admin/reload", "//metrics", "/x/../metrics", "/%6detrics"):
        assert httpx.get(site.url + path).status_code == 403, path
    assert not [line for line in site.lines_of_the_service if "metrics" in line]


@needs_nginx
def test_an_upload_over_the_limit_is_refused_by_the_service_in_its_own_words(site):
    answer = site.post("/reconstruct", content=bytes(1_000_000), headers={"Content-Type": "image/png"})
    assert answer.status_code == 413
    assert "VITRINE_MAX_UPLOAD_BYTES" in answer.text


@needs_nginx
def test_a_header_that_is_too_large_never_reaches_the_service(site):
    assert site.get("/samples", headers={"X": "x" * 20_000}).status_code == 400
    assert site.lines_of_the_service == []


@needs_nginx
def test_a_slow_upload_keeps_no_connection_of_the_service_busy(site):
    host, port = site.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as slow:
        head = (
            "POST /reconstruct HTTP/1.1\r\nHost: x\r\nContent-Type: image/png\r\nContent-Length: 1000\r\n\r\n"
        )
        slow.sendall(head.encode() + b"\x89PNG")
        assert site.get("/samples?n=1").status_code == 200
        assert [line for line in site.lines_of_the_service if "POST" in line] == []


def test_what_the_recipes_say_of_settings_is_so():
    settings = Settings()
    for text in (RECIPE, README, CADDYFILE):
        assert set(re.findall(r"VITRINE_\w+", text)) <= {variable(name) for name in Settings.model_fields}
    assert int(re.search(r"client_max_body_size (\d+)m;", RECIPE)[1]) * 2**20 > settings.max_upload_bytes
    assert int(re.search(r"max_size (\d+)MB", CADDYFILE)[1]) * 10**6 > settings.max_upload_bytes
    for text, pattern in (
        (RECIPE, r"proxy_read_timeout (\d+)s"),
        (CADDYFILE, r"response_header_timeout (\d+)s"),
    ):
        assert int(re.search(pattern, text)[1]) > settings.deadline_seconds
    for text, pattern in ((RECIPE, r"keepalive_timeout (\d+)s;   "), (CADDYFILE, r"keepalive (\d+)s")):
        assert int(re.search(pattern, text)[1]) < settings.keep_alive_seconds


def test_who_fills_in_a_recipe_finds_every_place():
    assert RECIPE.count("FILL IN") >= 3
    assert CADDYFILE.count("FILL IN") == 2
    assert CADDYFILE.count("{") == CADDYFILE.count("}")
    assert "not tried" in CADDYFILE
