import pytest

from app import protocol_errors
from app.errors import Overloaded
from app.protocol_errors import HostNotAllowed, TooManyRequests


def test_a_client_with_too_much_under_way_is_told_when_to_come_again():
    error = TooManyRequests(3)
    assert (error.status, error.headers["Retry-After"], error.retry_after_seconds) == (429, "3", 3)
    assert isinstance(error, Overloaded)  # it is held back like any other refusal


def test_a_host_is_repeated_escaped_and_names_the_setting():
    error = HostNotAllowed("evil.example\x1b[31m")
    assert "\x1b" not in error.detail
    assert "VITRINE_ALLOWED_HOSTS" in error.detail


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("MalformedRequest", 400),
        ("HostNotAllowed", 400),
        ("RequestTimeout", 408),
        ("AddressTooLong", 414),
        ("RangeNotSatisfiable", 416),
        ("HeadTooLarge", 431),
        ("TooManyRequests", 429),
    ],
)
def test_each_kind_has_the_status_that_http_gives_it(name, status):
    assert getattr(protocol_errors, name).status == status
