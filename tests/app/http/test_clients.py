import contextvars

import pytest

from app.engine.shares import asking
from app.http.clients import client_of, note_client


@pytest.mark.parametrize(
    ("peer", "client"),
    [
        (("10.0.0.1", 1234), "10.0.0.1"),
        (("2001:db8:1:2:3::4", 1), "2001:db8:1:2::/64"),
        (("fe80::1%eth0", 1), "fe80::/64"),
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
