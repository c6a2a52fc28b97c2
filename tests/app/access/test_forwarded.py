"""Headers of proxies, which any client can send too: believed of those that are named, and of nobody else."""

import logging
import logging.handlers
import queue

import httpx
import pytest

from app import logs, server
from app.main import create_app
from app.settings import Settings, SettingsError, load_settings
from tests.fakes import open_fake
from tests.serving import serving_in_a_thread

FORGED = {
    "X-Forwarded-For": "203.0.113.7",
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Host": "evil.example",
    "X-Forwarded-Port": "666",
    "X-Forwarded-Prefix": "/evil",
    "X-Real-IP": "203.0.113.8",
    "Forwarded": "for=203.0.113.9;host=evil.example;proto=https",
}
INFORMATION = "/manifold/fake@1;x=0;y=1/info.json"


@pytest.fixture
def ask(fake_store, monkeypatch):
    """Asks a service as it is served, which trusts some proxies: the identifier of a plane, and the log's client."""
    logger, lines = logging.getLogger("vitrine.requests"), queue.SimpleQueue()
    handler = logging.handlers.QueueHandler(lines)
    monkeypatch.setattr(logs, "configuration", lambda kind: None)  # loggers are this process' own
    logger.setLevel(logging.INFO)
    logger.addHandler(handler)

    def ask(trusted, headers):
        settings = Settings(
            model_store=fake_store,
            default_model="fake",
            access_log=True,
            forwarded_allow_ips=trusted,
            allowed_hosts="pictures.example",
        )
        config = server.configuration(settings)
        options = {"proxy_headers": config.proxy_headers, "forwarded_allow_ips": config.forwarded_allow_ips}
        with serving_in_a_thread(create_app(settings, open_fake), **options) as port:
            answer = httpx.get(
                f"http://127.0.0.1:{port}{INFORMATION}",
                headers=headers | {"Host": "pictures.example"},
                follow_redirects=True,
            )
            record = lines.get(timeout=10)
        return answer.json()["id"], record.fields["client"].rpartition(":")[0]

    yield ask
    logger.removeHandler(handler)


@pytest.mark.bad_input(36)
@pytest.mark.parametrize("trusted", ["", "10.0.0.0/8, 192.0.2.1"])
def test_what_a_peer_says_that_is_no_trusted_proxy_is_ignored(ask, trusted, monkeypatch):
    monkeypatch.setenv("FORWARDED_ALLOW_IPS", "*")  # uvicorn's own variable is no setting of ours
    found, client = ask(trusted, FORGED)
    assert found.startswith("http://pictures.example/manifold/")
    assert client == "127.0.0.1"


@pytest.mark.bad_input(36)
def test_of_a_trusted_proxy_the_clients_address_and_scheme_are_believed_and_no_host(ask):
    found, client = ask("127.0.0.1", FORGED)
    assert found.startswith("https://pictures.example/manifold/")
    assert client == "203.0.113.7"


def test_behind_several_proxies_the_client_is_the_last_that_is_none_of_them(ask):
    forwarded = {
        "X-Forwarded-For": "198.51.100.1, 203.0.113.7, 10.1.2.3"
    }  # the first: whatever a client said
    assert ask("127.0.0.0/8,10.0.0.0/8", forwarded)[1] == "203.0.113.7"


@pytest.mark.parametrize("value", ["*", "proxy", "10.0.0.1/8", "127.0.0.1;10.0.0.1", "300.1.1.1"])
def test_what_is_no_network_is_refused_when_the_service_starts(monkeypatch, value):
    monkeypatch.setenv("VITRINE_FORWARDED_ALLOW_IPS", value)
    with pytest.raises(SettingsError, match="VITRINE_FORWARDED_ALLOW_IPS"):
        load_settings()
