import pytest

from app.access import keys
from app.main import create_app
from app.settings import Settings, SettingsError, load_settings


def test_with_nothing_set_everybody_may_ask():
    assert not load_settings().restricted


def test_a_file_of_keys_closes_the_service(monkeypatch, tmp_path):
    (tmp_path / "keys").write_text(keys.new("press")[1].line)
    monkeypatch.setenv("VITRINE_API_KEYS", str(tmp_path / "keys"))
    assert load_settings().restricted


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (None, "No such file or directory"),
        ("", "has no key"),
        ("press secret", "line 1: expected NAME sha256:HEX"),
    ],
)
def test_a_file_of_keys_that_cannot_be_used_ends_the_start_in_one_line(monkeypatch, tmp_path, text, reason):
    path = tmp_path / "keys"
    if text is not None:
        path.write_text(text)
    monkeypatch.setenv("VITRINE_API_KEYS", str(path))
    with pytest.raises(SettingsError) as refusal:
        load_settings()
    assert str(refusal.value).startswith(f"VITRINE_API_KEYS='{path}': {reason}")
    assert "secret" not in str(refusal.value)


def test_a_blank_path_is_as_if_it_were_not_set(monkeypatch):
    monkeypatch.setenv("VITRINE_API_KEYS", " ")
    assert not load_settings().restricted


def test_no_key_of_an_operator_is_among_the_limits_that_version_shows(client):
    assert not [name for name in Settings().limits() if "key" in name]
    assert create_app(client.app.service.settings) is not None
