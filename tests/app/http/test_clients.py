import contextvars

import pytest
from uvicorn.middleware.proxy_headers import _TrustedHosts

from app.engine.shares import asking
from app.http.clients import client_of, note_client, plain, trusted_by


@pytest.mark.parametrize(
    ("peer", "client"),
    [
        (("10.0.0.1", 1234), "10.0.0.1"),
        (("2001:db8:1:2:3::4", 1), "2001:db8:1:2::/64"),
        (("fe80::1%eth0", 1), "fe80::/64"),
        (("::ffff:9.9.9.9", 1), "9.9.9.9"),
        (("::FFFF:909:909", 1), "9.9.9.9"),
        (("no:address", 1), "no:address"),
        (None, None),
    ],
)
def test_a_client_is_the_address_that_a_request_came_from(peer, client):
    assert client_of({"client": peer, "headers": [(b"x-forwarded-for", b"1.2.3.4")]}) == client


def test_an_application_without_a_server_knows_no_client():
    assert client_of({}) is None


def test_what_is_said_already_of_who_asks_holds():
    def noted(said):
        asking.set(said)
        note_client({"client": ("10.0.0.1", 1)})
        return asking.get()

    assert contextvars.copy_context().run(noted, None) == "10.0.0.1"
    assert contextvars.copy_context().run(noted, "a key") == "a key"


def test_a_proxy_of_ipv4_is_trusted_at_a_socket_of_ipv6_too_and_nobody_beside_it():
    trusted = _TrustedHosts(trusted_by("127.0.0.1, 10.0.0.0/8,2001:db8::/32"))
    for host in ("127.0.0.1", "::ffff:127.0.0.1", "10.1.2.3", "::ffff:10.1.2.3", "2001:db8::1"):
        assert host in trusted
    for host in ("127.0.0.2", "::ffff:127.0.0.2", "::ffff:11.0.0.1", "::1", "2001:db9::1"):
        assert host not in trusted
    assert trusted.get_trusted_client_address("9.9.9.9, ::ffff:10.0.0.1")[0] == "9.9.9.9"


def test_no_proxy_is_trusted_where_none_is_named():
    assert trusted_by("") == ""


def test_a_mapped_address_is_written_as_the_one_of_ipv4_that_it_is():
    written = [
        plain(each) for each in ("::ffff:1.2.3.4", "::FFFF:0102:0304", "1.2.3.4", "::1", "no:address", "")
    ]
    assert written == ["1.2.3.4", "1.2.3.4", "1.2.3.4", "::1", "no:address", ""]
