import pytest
from pydantic import ValidationError

from app.limits import ConnectionLimits, highest
from app.settings import Settings, SettingsError, load_settings, variable


def test_limits_of_connections_are_settings_with_a_help_text():
    assert set(ConnectionLimits.model_fields) < set(Settings.model_fields)
    assert all(field.description for field in ConnectionLimits.model_fields.values())


@pytest.mark.parametrize("name", [name for name in ConnectionLimits.model_fields if name != "allowed_hosts"])
def test_every_limit_has_a_range(monkeypatch, name):
    for value in ("-1", "1e30", "many"):
        monkeypatch.setenv(variable(name), value)
        with pytest.raises(SettingsError, match=variable(name)):
            load_settings()


@pytest.mark.parametrize(
    "hosts",
    [
        "https://a.example",
        "a.example/path",
        "a\nb",
        "a.example:8080",
        "cafe:80",
        "[::1]:80",
        "127.0.0.1:80",
        "a.example *.b.example",
        "a.*.example",
        "*a.example",
        "a..example",
        "[::1",
        "a;b",
    ],
)
def test_what_is_no_list_of_hosts_is_refused(monkeypatch, hosts):
    monkeypatch.setenv("VITRINE_ALLOWED_HOSTS", hosts)
    with pytest.raises(
        SettingsError, match=r"VITRINE_ALLOWED_HOSTS=.*: expected host names with commas between"
    ):
        load_settings()


def test_a_list_of_hosts_may_have_names_addresses_and_blanks_around_commas(monkeypatch):
    hosts = "*, a.example., *.b_c.example ,10.0.0.7,::1,[2001:DB8::1],localhost,"
    monkeypatch.setenv("VITRINE_ALLOWED_HOSTS", hosts)
    assert load_settings().allowed_hosts == hosts


def test_the_most_that_settings_may_be_is_accepted_and_nothing_more():
    most = highest(Settings, "max_images", "queue_seconds")
    assert most == {"max_images": 1_000_000, "queue_seconds": 3600}
    Settings(**most)
    for name, value in most.items():
        with pytest.raises(ValidationError, match=name):
            Settings(**{name: value + 1})
