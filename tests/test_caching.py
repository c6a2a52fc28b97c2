"""deploy/nginx/cache.conf and deploy/varnish/vitrine.vcl, run as they are but for addresses, before a service."""

import asyncio
import contextlib
import re
import time

import httpx
import pytest

from app.settings import Settings
from tests.access import signed
from tests.caches import EXPIRES_SECONDS, NGINX_RECIPE, VARNISH_RECIPE, Site
from tests.conftest import PROJECT
from tests.fakes import FakeRuntime, open_fake, pixels_of, write_version

PLAIN_RECIPE = (PROJECT / "deploy" / "nginx" / "vitrine.conf").read_text()
ORIGIN = "https://gallery.example"


CACHES = pytest.mark.parametrize("kind", ["nginx", "varnish"])


@pytest.fixture
def make_site(tmp_path):
    """Starts a site, with settings for its service."""
    write_version(tmp_path / "store")
    with contextlib.ExitStack() as stack:

        def make(kind, expire=False, opener=open_fake, **settings):
            site = Site(kind, tmp_path, **settings)
            stack.callback(site.close)
            return site.start(expire, opener)

        yield make


@pytest.fixture(scope="module", params=["nginx", "varnish"])
def site(request, tmp_path_factory):
    """A site for all tests that need nothing else; each asks for seeds of its own."""
    folder = tmp_path_factory.mktemp("site")
    write_version(folder / "store")
    site = Site(request.param, folder)
    try:
        yield site.start()
    finally:
        site.close()


def status_of(answer):
    return answer.headers.get("x-cache")


def test_a_permanent_picture_is_drawn_once_and_its_second_answer_has_the_same_bytes(site):
    before = site.counted()
    first, second = (site.get(site.permanent(1)) for _ in range(2))
    assert pixels_of(first.content).shape == (8, 24)
    assert second.content == first.content
    assert [status_of(first), status_of(second)] == ["MISS", "HIT"]
    assert list(site.counted() - before) == [3, 1]
    for name in ("etag", "content-location", "cache-control", "content-type", "x-model", "x-seed"):
        assert second.headers[name] == first.headers[name], name
    assert first.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert "set-cookie" not in second.headers
    assert "content-encoding" not in second.headers
    assert second.headers.get("x-request-id") != first.headers.get("x-request-id") or site.kind == "varnish"


def test_the_address_that_an_answer_names_is_one_that_the_cache_keeps(site):
    found = site.get("/samples?n=2&seed=tulip")
    assert found.headers["cache-control"] == "no-cache"
    address = found.headers["content-location"]
    assert [status_of(site.get(address)) for _ in range(2)] == ["MISS", "HIT"]
    assert site.get(address).content == found.content
    plane = "/manifold/fake@1;x=0;y=1/full/16,16/0/default.png"
    assert [status_of(site.get(plane)) for _ in range(2)] == ["MISS", "HIT"]


class SlowRuntime(FakeRuntime):
    """Takes so long, once it is told to, that all who ask are there before the picture is."""

    slow = False  # opening a model decodes some twenty times

    def decode(self, z):
        if self.slow:
            time.sleep(0.5)
        return super().decode(z)


@CACHES
def test_of_two_hundred_who_ask_first_at_once_one_reaches_the_service(make_site, kind):
    runtime = SlowRuntime()
    site = make_site(kind, opener=lambda folder, threads: runtime)
    runtime.slow = True

    async def all_at_once():
        limits = httpx.Limits(max_connections=200)
        async with httpx.AsyncClient(base_url=site.url, limits=limits, timeout=30) as client:
            return await asyncio.gather(*(client.get(site.permanent(7)) for _ in range(200)))

    before = site.counted()
    answers = asyncio.run(all_at_once())
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.content for answer in answers}) == 1
    assert list(site.counted() - before) == [3, 1]


def test_who_has_a_picture_is_told_so_and_nothing_is_drawn(site):
    first = site.get(site.permanent(2))
    before = site.counted()
    again = site.get(site.permanent(2), headers={"If-None-Match": first.headers["etag"]})
    other = site.get(site.permanent(2), headers={"If-None-Match": '"other"'})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["etag"] == first.headers["etag"]
    assert (other.status_code, other.content) == (200, first.content)
    assert list(site.counted() - before) == [0, 0]
    # Of what is not kept the service says it.
    named = site.get("/samples?n=3&seed=2")
    same = site.get("/samples?n=3&seed=2", headers={"If-None-Match": named.headers["etag"]})
    assert same.status_code == 304


@CACHES
def test_pictures_that_have_expired_are_asked_for_by_their_entity_tag_and_not_drawn_again(make_site, kind):
    site = make_site(kind, expire=True)
    addresses = [site.permanent(seed) for seed in range(20)]
    pictures = [site.get(address).content for address in addresses]
    before = site.counted()
    time.sleep(2 * EXPIRES_SECONDS + 0.2)
    for _ in range(5):
        assert [site.get(address).content for address in addresses] == pictures
    time.sleep(0.2)  # what is asked for behind an answer
    drawn, asked = site.counted() - before
    assert drawn == 0
    assert asked >= len(addresses)
    assert site.metric(r'http_server_request_duration_seconds_count\{[^}]*status_code="304"') == asked


@CACHES
@pytest.mark.parametrize("expire", [False, True], ids=["fresh", "expired"])
def test_permanent_pictures_are_answered_when_the_service_is_gone(make_site, kind, expire):
    site = make_site(kind, expire)
    picture = site.get(site.permanent(3)).content
    site.end_service()
    if expire:
        time.sleep(2 * EXPIRES_SECONDS + 0.2)
    for _ in range(3):
        answer = site.get(site.permanent(3))
        assert (answer.status_code, answer.content) == (200, picture)
    assert site.get(site.permanent(4)).status_code in (502, 503)
    assert site.get("/samples?n=3").status_code in (502, 503)


@pytest.mark.parametrize(
    "address",
    [
        "/samples?n=3",
        "/samples?n=3&model=fake@1",
        "/samples.png?model=fake@1&n=3",
        "/samples?n=3&seed=5",
        "/samples?n=3&seed=5&model=fake",
        "/interpolate?axis=1",
    ],
)
def test_what_is_not_permanent_is_asked_for_each_time(site, address):
    before = site.counted()
    answers = [site.get(address) for _ in range(3)]
    assert {answer.status_code for answer in answers} == {200}
    assert "HIT" not in map(status_of, answers)
    assert site.counted()[0] == before[0] + 9
    if "seed" not in address and "samples" in address:
        assert len({answer.headers["x-seed"] for answer in answers}) == 3


def test_refusals_are_not_kept(site):
    # With a version, so that the cache looks for them.
    for address in (
        site.permanent(1, n=0),
        "/samples?model=fake@2&seed=1",
        "/samples?model=fake@1-000000000000&seed=1",
        "/nothing?model=fake@1",
        "/samples?model=fake@1&seed=1&nonsense=1",
    ):
        answers = [site.get(address) for _ in range(3)]
        assert {answer.status_code for answer in answers} <= {404, 422}, address
        assert "HIT" not in map(status_of, answers)
        ids = [answer.json()["request_id"] for answer in answers]
        assert len(set(ids)) == 3, address


class BreakingRuntime(FakeRuntime):
    """Fails while it is broken."""

    broken = False

    def decode(self, z):
        if BreakingRuntime.broken:
            raise RuntimeError("broken")
        return super().decode(z)


@CACHES
def test_a_failure_is_not_kept_and_the_picture_is_there_after_it(make_site, kind, monkeypatch):
    site = make_site(kind, opener=lambda folder, threads: BreakingRuntime())
    monkeypatch.setattr(BreakingRuntime, "broken", True)
    assert [site.get(site.permanent(1)).status_code for _ in range(3)] == [500, 500, 500]
    monkeypatch.setattr(BreakingRuntime, "broken", False)
    answer = site.get(site.permanent(1))
    assert (answer.status_code, pixels_of(answer.content).shape) == (200, (8, 24))


def test_two_addresses_never_share_a_picture(site):
    base = site.permanent(11)
    others = [
        base,
        site.permanent(12),
        site.permanent(11, n=4),
        base.replace("ink=dark", "ink=light"),
        base.replace("/samples?", "/samples.webp?"),
        base.replace("offset=0", "offset=1"),
    ]
    first = [site.get(address).content for address in others]
    assert len(set(first)) == len(others)
    assert [site.get(address).content for address in others] == first
    # The order of parameters is part of the address: as another it is drawn again, to the same bytes.
    path, query = base.split("?")
    turned = site.get(f"{path}?{'&'.join(reversed(query.split('&')))}")
    assert (turned.content, status_of(turned)) == (first[0], "MISS")


def test_head_has_what_get_has_but_for_the_body(site):
    before = site.counted()
    head = site.client.head(site.permanent(5))
    picture = site.get(site.permanent(5))
    again = site.client.head(site.permanent(5))
    for answer in (head, again):
        assert (answer.status_code, answer.content) == (200, b"")
        assert answer.headers["content-length"] == str(len(picture.content))
        assert answer.headers["etag"] == picture.headers["etag"]
    assert pixels_of(picture.content).shape == (8, 24)
    assert list(site.counted() - before) == [3, 1]


def test_a_part_is_right_or_the_whole_picture_is_answered_and_is_all_that_is_kept(site):
    wanted = {"Range": "bytes=10-19"}
    parts = [site.get(site.permanent(31), headers=wanted) for _ in range(2)]
    whole = site.get(site.permanent(31))
    assert (whole.status_code, pixels_of(whole.content).shape) == (200, (8, 24))
    for answer in (*parts, site.get(site.permanent(31), headers=wanted)):
        if answer.status_code == 206:
            assert answer.content == whole.content[10:20]
            assert answer.headers["content-range"] == f"bytes 10-19/{len(whole.content)}"
        else:
            assert (answer.status_code, answer.content) == (200, whole.content)


@CACHES
def test_answers_to_an_api_key_are_for_that_key_alone(make_site, kind, make_key, tmp_path):
    key = make_key()
    site = make_site(kind, api_keys=tmp_path / "keys", open_metrics=True)
    address = "/samples?model=fake@1&n=3&seed=1"
    for headers in ({"X-API-Key": key}, {"Authorization": f"Bearer {key}"}):
        answer = site.get(address, headers=headers)
        assert answer.status_code == 200
        assert answer.headers["cache-control"].startswith("private")
        assert status_of(site.get(address, headers=headers)) != "HIT"
        assert site.get(address).status_code == 401
        assert site.get(address, headers={"X-API-Key": "vitrine_wrong"}).status_code == 401


@CACHES
def test_a_signed_address_is_not_answered_once_it_has_expired(make_site, kind, url_key):
    site = make_site(kind, url_key=url_key)
    address = signed("/samples?model=fake@1&n=3&seed=1", seconds=2)
    assert site.get(address).status_code == 200
    assert status_of(site.get(address)) != "HIT"
    assert site.get(address.partition("&expires")[0]).status_code == 403
    assert site.get(address.replace("seed=1", "seed=2")).status_code == 403
    time.sleep(2.1)
    assert site.get(address).json()["type"].endswith("/problems/signature-expired")


@CACHES
def test_pages_of_an_origin_get_the_answer_that_is_for_their_origin(make_site, kind):
    site = make_site(kind, cors_origins=ORIGIN)
    for _ in range(2):
        own = site.get(site.permanent(1), headers={"Origin": ORIGIN})
        other = site.get(site.permanent(1), headers={"Origin": "https://other.example"})
        none = site.get(site.permanent(1))
        assert own.headers["access-control-allow-origin"] == ORIGIN
        assert "access-control-allow-origin" not in other.headers
        assert "access-control-allow-origin" not in none.headers
        assert own.content == other.content == none.content


def test_a_host_that_a_client_made_up_reaches_nobody_else(site):
    plane = "/manifold/fake@1;x=0;y=1/full/8,8/0/default.png"
    assert "//evil/" in site.get(plane, headers={"Host": "evil"}).headers["link"]
    assert "//evil/" not in site.get(plane).headers["link"]


def test_what_is_the_operators_alone_is_refused(site):
    for path in ("/metrics", "/metrics?x=1", "/admin/reload", "//metrics", "/x/../metrics", "/%6detrics"):
        assert httpx.get(site.url + path).status_code in (400, 403), path


def test_uploads_and_pages_pass(site):
    assert "<h1>" in site.get("/").text
    answer = site.client.post("/samples?model=fake@1&seed=1")
    assert answer.status_code == 405


def test_the_recipe_with_a_cache_is_the_one_without_and_more():
    lines = set(NGINX_RECIPE.splitlines())
    missing = [line for line in PLAIN_RECIPE.splitlines() if line not in lines and line.strip()]
    assert [line for line in missing if not line.startswith("#")] == [
        "limit_req_zone $binary_remote_addr zone=vitrine_requests:10m rate=20r/s;"
    ]
    for text in (NGINX_RECIPE, VARNISH_RECIPE):
        assert set(re.findall(r"VITRINE_\w+", text)) <= {
            "VITRINE_FORWARDED_ALLOW_IPS",
            "VITRINE_KEEP_ALIVE_SECONDS",
            "VITRINE_DEADLINE_SECONDS",
            "VITRINE_MAX_UPLOAD_BYTES",
        }
    assert int(re.search(r"first_byte_timeout = (\d+)s", VARNISH_RECIPE)[1]) > Settings().deadline_seconds
