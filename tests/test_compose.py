"""deploy/compose.yaml, parsed: the service behind nginx."""

import re

import yaml

from app.settings import load_settings
from tests.conftest import PROJECT

DOCKERFILE = (PROJECT / "Dockerfile").read_text()
COMPOSE = yaml.safe_load((PROJECT / "deploy" / "compose.yaml").read_text())


def test_compose_has_the_proxys_recipe_in_front_of_the_service_and_nothing_else_reaches_it():
    proxy, service = COMPOSE["services"]["proxy"], COMPOSE["services"]["vitrine"]
    recipe, target, mode = proxy["volumes"][0].split(":")
    upstream = re.search(
        r"upstream vitrine \{\s+server ([\d.]+):(\d+);", (PROJECT / "deploy" / recipe).read_text()
    )
    assert (target, mode) == ("/etc/nginx/conf.d/default.conf", "ro")
    assert service["network_mode"] == "service:proxy"
    assert "ports" not in service
    assert upstream[1] == service["environment"]["VITRINE_HOST"]
    assert upstream[1] == service["environment"]["VITRINE_FORWARDED_ALLOW_IPS"]
    assert upstream[2] == re.search(r"VITRINE_PORT=(\d+)", DOCKERFILE)[1]


def test_compose_gives_settings_that_the_service_takes_and_the_time_that_it_needs_to_end(monkeypatch):
    service = COMPOSE["services"]["vitrine"]
    for name, value in service["environment"].items():
        monkeypatch.setenv(name, value)
    settings = load_settings()
    seconds = settings.graceful_seconds + settings.drain_seconds + 2
    assert service["stop_grace_period"] == f"{seconds:.0f}s"
    assert (
        settings.allowed_hosts == "*"
    )  # behind the proxy it would else answer by names of this machine alone


def test_in_compose_neither_root_file_system_can_be_written_to():
    for name, service in COMPOSE["services"].items():
        assert service["read_only"], name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
    assert set(COMPOSE) == {"services", "volumes"}
    named = {volume.partition(":")[0] for volume in COMPOSE["services"]["proxy"]["volumes"]}
    assert {each for each in named if not each.startswith(".")} == set(COMPOSE["volumes"])
