"""A service behind the caches of deploy/, run by their recipes but for addresses."""

import contextlib
import re

import httpx
import numpy as np

from app.main import create_app
from app.settings import Settings
from tests.conftest import PROJECT, skip
from tests.fakes import open_fake
from tests.nginx import NGINX, free_port, running_nginx
from tests.serving import serving_in_a_thread
from tests.varnish import VARNISHD, running_varnish

NGINX_RECIPE = (PROJECT / "deploy" / "nginx" / "cache.conf").read_text()
VARNISH_RECIPE = (PROJECT / "deploy" / "varnish" / "vitrine.vcl").read_text()
EXPIRES_SECONDS = 1.0  # where a test's copy of a recipe has pictures expire


def replaced(text, old, new, times=1):
    """The text with `new` in the place of `old`, which must stand there so many times."""
    assert text.count(old) == times, old
    return text.replace(old, new)


@contextlib.contextmanager
def running(kind, folder, service_port, expire=False):
    """Run a cache by its recipe before a service; yields its port."""
    port = free_port()
    if kind == "nginx":
        if NGINX is None:
            skip("needs nginx")
        text = replaced(NGINX_RECIPE, "127.0.0.1:8000", f"127.0.0.1:{service_port}")
        text = replaced(text, "listen 80;", f"listen 127.0.0.1:{port};")
        for place in ("/var/log/nginx", "/var/cache"):
            text = replaced(text, place, str(folder))
        text = replaced(text, "vitrine_connections 32;", "vitrine_connections 1000;")
        if expire:
            short = "proxy_ignore_headers Cache-Control; proxy_cache_valid 200 1s;"
            text = replaced(text, "proxy_cache $vitrine_cache;", f"{short} proxy_cache $vitrine_cache;")
        with running_nginx(folder, text, port):
            yield port
        return
    if VARNISHD is None:
        skip("needs varnishd")
    text = replaced(VARNISH_RECIPE, '"8000"', f'"{service_port}"')
    if expire:
        text = replaced(text, "set beresp.grace =", "set beresp.ttl = 1s; set beresp.grace =", 2)
    with running_varnish(folder, text, port):
        yield port


class Site:
    """A service behind a cache. It keeps no picture itself: what reaches it is drawn."""

    def __init__(self, kind, folder, **settings):
        self.kind, self._folder, self._given = kind, folder, settings
        self._service, self._all = contextlib.ExitStack(), contextlib.ExitStack()

    def start(self, expire=False, opener=open_fake):
        settings = Settings(
            model_store=self._folder / "store", default_model="fake", cache_bytes=0, **self._given
        )
        port = self._service.enter_context(serving_in_a_thread(create_app(settings, opener)))
        self._direct = httpx.Client(base_url=f"http://127.0.0.1:{port}")
        cache = self._all.enter_context(running(self.kind, self._folder, port, expire))
        self.url = f"http://127.0.0.1:{cache}"
        self.client = self._all.enter_context(httpx.Client(base_url=self.url))
        self.get = self.client.get
        version = httpx.get(f"http://127.0.0.1:{port}/version")
        self.digest = version.json()["models"][0]["digest"][:12] if version.status_code == 200 else ""
        return self

    def permanent(self, seed, n=3):
        return f"/samples?model=fake@1-{self.digest}&ink=dark&n={n}&offset=0&render=mean&seed={seed}"

    def metric(self, pattern):
        """The sum of the service's metrics whose line begins with a pattern."""
        text = self._direct.get("/metrics").text
        return sum(float(value) for value in re.findall(rf"^{pattern}\S* (\S+)$", text, re.MULTILINE))

    def counted(self):
        """Images that the service has drawn, and requests for samples that it was asked."""
        asked = self.metric(r'http_server_request_duration_seconds_count\{[^}]*route="/samples')
        return np.array([self.metric("vitrine_images_total"), asked])

    def end_service(self):
        self._direct.close()
        self._service.close()

    def close(self):
        self._all.close()
        self.end_service()
