from types import SimpleNamespace

import pytest

from app.http.connections import connections_of
from app.http.heads import PIECE_BYTES, check_head, is_too_large, too_large
from app.limits import ConnectionLimits
from app.metrics import Metrics
from app.protocol_errors import AddressTooLong, HeadTooLarge, HostNotAllowed, MalformedRequest
from app.settings import Settings

LIMITS = ConnectionLimits(max_head_bytes=2000, max_headers=10)


def connection(url=b"/samples", headers=((b"host", b"localhost"),), has_place=True, version="1.1"):
    settings = Settings(max_head_bytes=2000, max_headers=10)
    parser = SimpleNamespace(get_http_version=lambda: version)
    shared = connections_of(settings, Metrics())
    return SimpleNamespace(shared=shared, url=url, headers=list(headers), parser=parser, has_place=has_place)


def test_a_line_of_more_than_half_is_what_is_wrong_with_a_head():
    assert isinstance(too_large(LIMITS, b"/" * 1001), AddressTooLong)
    assert isinstance(too_large(LIMITS, b"/" * 1000), HeadTooLarge)


def test_a_head_that_is_not_complete_may_have_begun_anywhere_in_its_first_piece():
    assert not is_too_large(LIMITS, 2000 + PIECE_BYTES, b"/")
    assert is_too_large(LIMITS, 2001 + PIECE_BYTES, b"/")
    assert is_too_large(LIMITS, 0, b"/" * 1001)


def test_a_complete_head_is_counted_to_the_byte():
    host = (b"host", b"localhost")
    left = 2000 - len(b"/samples") - len(b"host: localhost\r\n") - len(b"x: \r\n")
    check_head(connection(headers=[host, (b"x", b"a" * left)]), 0)
    with pytest.raises(HeadTooLarge):
        check_head(connection(headers=[host, (b"x", b"a" * (left + 1))]), 0)


@pytest.mark.parametrize("url", [b"/livez", b"/readyz", b"/metrics"])
def test_whoever_asks_for_health_needs_no_place_and_no_name_of_ours(url):
    check_head(connection(url=url, headers=[(b"host", b"10.1.2.3.example")], has_place=False), 0)


def test_who_has_no_place_is_refused_with_the_time_to_come_again():
    with pytest.raises(Exception, match="VITRINE_MAX_CONNECTIONS") as refusal:
        check_head(connection(has_place=False), 0)
    assert (refusal.value.status, refusal.value.headers["Retry-After"]) == (503, "1")


@pytest.mark.parametrize(
    "url", [b"http://evil.example/samples", b"HTTP://evil.example:80", b"http://evil.example?n=1"]
)
def test_an_absolute_address_is_for_the_host_that_it_names_whatever_host_says(url):
    with pytest.raises(HostNotAllowed, match=r"evil\.example"):
        check_head(connection(url), 0)
    with pytest.raises(HostNotAllowed, match=r"evil\.example"):
        check_head(connection(url, headers=[], version="1.0"), 0)


def test_the_host_of_an_absolute_address_takes_the_place_of_the_header():
    asked = connection(
        b"http://localhost:8210/samples", headers=[(b"a", b"1"), (b"host", b"evil.example"), (b"b", b"2")]
    )
    headers = asked.headers
    check_head(asked, 0)
    assert headers == [
        (b"a", b"1"),
        (b"host", b"localhost:8210"),
        (b"b", b"2"),
    ]  # the list that the request has


@pytest.mark.parametrize("headers", [[], [(b"host", b"localhost")] * 2], ids=["none", "two"])
def test_beside_an_absolute_address_one_host_is_asked_for_too(headers):
    with pytest.raises(MalformedRequest, match="Expected one Host header"):
        check_head(connection(b"http://localhost/samples", headers=headers), 0)


@pytest.mark.parametrize("url", [b"http:///samples", b"http://me@localhost/samples", b"http://a b/"])
def test_an_absolute_address_without_a_right_host_is_malformed(url):
    with pytest.raises(MalformedRequest):
        check_head(connection(url), 0)


def test_a_target_that_is_no_address_leaves_host_as_it_is():
    for url in (b"*", b"localhost:443"):
        check_head(asked := connection(url), 0)
        assert asked.headers == [(b"host", b"localhost")]


@pytest.mark.parametrize("url", [b"http://evil.example/livez", b"http://evil.example/metrics"])
def test_an_address_of_health_that_is_absolute_needs_a_name_of_ours(url):
    with pytest.raises(HostNotAllowed):
        check_head(connection(url), 0)


@pytest.mark.parametrize("version", ["0.9", "2.0", "1.2", "3.7"])
@pytest.mark.parametrize("url", [b"/samples", b"/livez"])
def test_another_version_of_http_is_refused_by_its_name(url, version):
    with pytest.raises(MalformedRequest, match=rf"Received: HTTP/{version}\."):
        check_head(connection(url, version=version), 0)


@pytest.mark.parametrize(
    "codings",
    [[b"gzip, chunked"], [b"gzip"], [b"identity"], [b"chunked, chunked"], [b"gzip", b"chunked"], [b""]],
)
@pytest.mark.parametrize("url", [b"/samples", b"/livez"])
def test_a_body_in_another_coding_than_chunks_is_refused(url, codings):
    headers = [(b"host", b"localhost"), *((b"transfer-encoding", each) for each in codings)]
    with pytest.raises(MalformedRequest, match="expected chunked alone"):
        check_head(connection(url, headers=headers), 0)
    check_head(connection(url, headers=[headers[0], (b"transfer-encoding", b"Chunked")]), 0)
