from types import SimpleNamespace

import pytest

from app.http.connections import connections_of
from app.http.heads import PIECE_BYTES, check_head, is_too_large, too_large
from app.limits import ConnectionLimits
from app.metrics import Metrics
from app.protocol_errors import AddressTooLong, HeadTooLarge
from app.settings import Settings

LIMITS = ConnectionLimits(max_head_bytes=2000, max_headers=10)


def connection(url=b"/samples", headers=((b"host", b"localhost"),), has_place=True):
    settings = Settings(max_head_bytes=2000, max_headers=10)
    parser = SimpleNamespace(get_http_version=lambda: "1.1")
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
