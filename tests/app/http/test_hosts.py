import pytest

from app.http.hosts import MAX_KEPT, Hosts
from app.protocol_errors import HostNotAllowed, MalformedRequest
from app.settings import Settings

LOCAL = [b"localhost", b"localhost:8000", b"127.0.0.1:8000", b"[::1]:8000", b"demo.localhost", b"LOCALHOST."]


def check(asked, version="1.1", **settings):
    Hosts(Settings(**settings)).check([(b"accept", b"*/*"), (b"host", asked)], version)


@pytest.mark.bad_input(35)
@pytest.mark.parametrize("listening", ["127.0.0.1", "::1", "localhost"])
def test_on_loopback_no_public_name_is_answered(listening):
    for host in [*LOCAL, b"vitrine", b"10.0.0.7:80", b"[2001:db8::1]", b""]:
        check(host, host=listening)
    for host in (
        b"evil.example",
        b"evil.example:8000",
        b"127.0.0.1.evil.example",
        b"localhost.evil.example.",
    ):
        with pytest.raises(HostNotAllowed):
            check(host, host=listening)


@pytest.mark.parametrize(
    "settings",
    [
        {"host": "0.0.0.0"},  # noqa: S104
        {"host": "10.0.0.7"},
        {"root_path": "/vitrine"},
        {"origin": "https://a.example"},
        {"allowed_hosts": "*"},
    ],
    ids=str,
)
def test_elsewhere_and_behind_a_proxy_any_name_is_answered(settings):
    check(b"pictures.example", **settings)


@pytest.mark.bad_input(35)
def test_names_that_are_listed_are_answered_and_no_others_but_loopback():
    listed = {"host": "0.0.0.0", "allowed_hosts": "pictures.example., *.Example.ORG,10.0.0.7"}  # noqa: S104
    for host in (b"pictures.example:443", b"Pictures.Example", b"a.b.example.org", b"10.0.0.7", *LOCAL[:4]):
        check(host, **listed)
    for host in (b"example.org", b"xexample.org", b"a.pictures.example", b"10.0.0.8", b"vitrine", b""):
        with pytest.raises(HostNotAllowed):
            check(host, **listed)


@pytest.mark.bad_input(35)
@pytest.mark.parametrize(
    "host", [b"a b", b"a/b", b"user@a", b"http://a", b"a,b/", b"[::1", b"a:80:80", b"a:http", b"\xff", b":80"]
)
def test_what_is_no_host_is_malformed(host):
    with pytest.raises(MalformedRequest):
        check(host, allowed_hosts="*")


@pytest.mark.bad_input(35)
def test_a_request_has_one_host_but_for_http_1_0():
    hosts = Hosts(Settings())
    with pytest.raises(MalformedRequest, match="no Host header"):
        hosts.check([], "1.1")
    hosts.check([], "1.0")
    for version in ("1.0", "1.1"):
        with pytest.raises(MalformedRequest, match="2 Host headers"):
            hosts.check([(b"host", b"localhost")] * 2, version)


def test_no_more_values_are_remembered_than_a_bound():
    hosts = Hosts(Settings(allowed_hosts="*"))
    for number in range(MAX_KEPT + 10):
        hosts.check([(b"host", b"a%d.example" % number)], "1.1")
    assert len(hosts._known) == MAX_KEPT
