import pytest

from app.settings import Settings, SettingsError, load_settings, variable


def test_every_setting_has_a_help_text():
    assert all(field.description for field in Settings.model_fields.values())


def test_the_environment_sets_a_setting(monkeypatch):
    monkeypatch.setenv("VITRINE_MAX_IMAGES", "9")
    assert load_settings().max_images == 9


def test_a_command_line_option_wins_over_the_environment(monkeypatch):
    monkeypatch.setenv("VITRINE_PORT", "1234")
    assert load_settings(port=4321).port == 4321


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("VITRINE_PORT", "eighty"),
        ("VITRINE_PORT", "65536"),
        ("VITRINE_WORKERS", "0"),
        ("VITRINE_DEFAULT_MODEL", "a@latest"),
    ],
)
def test_a_bad_value_names_its_variable_and_what_was_found(monkeypatch, name, value):
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=f"{name}='{value}'"):
        load_settings()


def test_limits_are_the_settings_that_begin_with_max():
    limits = Settings().limits()
    assert limits["max_images"] == 400
    assert set(limits) == {name for name in Settings.model_fields if name.startswith("max_")}


def test_a_settings_variable_has_the_prefix():
    assert variable("max_images") == "VITRINE_MAX_IMAGES"
