import pytest

from app import profiles
from app import settings as reading
from app.settings import Settings, SettingsError, load_settings, variable
from app.store import scan
from tests.fakes import write_version


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


@pytest.fixture
def profile(tmp_path, monkeypatch):
    """A profile of this very machine, which the environment names."""
    found = profiles.Profile(
        cores=profiles.available_cores(),
        processor="a processor",
        model="fake@1",
        digest="0" * 64,
        runtime="fake",
        worker_threads=3,
        inference_threads=5,
        rates=(),
    )
    path = tmp_path / "profile.json"
    profiles.write(path, found)
    monkeypatch.setenv("VITRINE_PROFILE", str(path))
    return found


def test_a_profile_gives_worker_threads_and_inference_threads(profile):
    settings = load_settings()
    assert (settings.worker_threads, settings.inference_threads) == (3, 5)


@pytest.mark.parametrize(
    ("name", "expected"), [("VITRINE_WORKER_THREADS", (1, 5)), ("VITRINE_INFERENCE_THREADS", (3, 1))]
)
def test_what_is_set_wins_over_the_profile_even_where_it_is_the_default(monkeypatch, profile, name, expected):
    monkeypatch.setenv(name, "1")
    settings = load_settings()
    assert (settings.worker_threads, settings.inference_threads) == expected


def test_an_override_of_none_leaves_the_profile_unread(monkeypatch):
    monkeypatch.setenv("VITRINE_PROFILE", "/nowhere/profile.json")
    assert load_settings(profile=None).inference_threads == 1


def test_a_profile_of_another_number_of_cores_is_refused_with_the_remedy(monkeypatch, profile):
    monkeypatch.setattr(profiles, "available_cores", lambda: profile.cores + 1)
    with pytest.raises(SettingsError, match=r"VITRINE_PROFILE='.*profile.json': .*vitrine bench --tune"):
        load_settings()


@pytest.mark.parametrize(
    ("workers", "worker_threads", "threads", "warned"),
    [(1, 1, 1, False), (1, 4, 1, False), (2, 1, 2, False), (1, 5, 1, True), (3, 2, 1, True), (1, 2, 3, True)],
)
def test_more_computing_threads_than_cores_are_warned_of(
    monkeypatch, workers, worker_threads, threads, warned
):
    monkeypatch.setattr(reading, "available_cores", lambda: 4)
    warning = Settings(
        workers=workers, worker_threads=worker_threads, inference_threads=threads
    ).too_many_threads()
    assert (warning is not None) is warned
    if warning:
        assert f"{workers * worker_threads * threads} threads may compute on 4 cores" in warning
        assert f"workers={workers} x worker_threads={worker_threads} x inference_threads={threads}" in warning


def test_a_profile_and_several_workers_together_are_warned_of(monkeypatch, profile):
    monkeypatch.setattr(reading, "available_cores", lambda: 15)
    assert load_settings().too_many_threads() is None
    monkeypatch.setenv("VITRINE_WORKERS", "2")
    assert "30 threads may compute on 15 cores" in load_settings().too_many_threads()


def test_the_defaults_of_this_machine_are_not_warned_of():
    assert Settings().too_many_threads() is None


@pytest.mark.parametrize(
    ("asked_for", "names", "expected"),
    [
        ({}, ["mine"], "mine"),
        ({}, ["mine", "fashion"], "fashion"),
        ({}, ["mine", "yours"], "fashion"),
        ({}, [], "fashion"),
        ({"default_model": "fashion"}, ["mine"], "fashion"),
        ({"default_model": "yours@2"}, ["mine"], "yours@2"),
    ],
)
def test_the_only_model_of_a_store_is_the_default_if_nobody_set_one(asked_for, names, expected):
    assert load_settings(**asked_for).for_store(names).default_model == expected


def test_a_default_model_that_is_broken_gives_way_to_none(tmp_path):
    write_version(tmp_path, "mine")
    (write_version(tmp_path, "fashion") / "decoder" / "weights").write_text("changed")
    found = scan(tmp_path)
    assert list(found.versions) == ["mine"]
    assert load_settings().for_store(found.names).default_model == "fashion"


def test_a_variable_that_was_renamed_is_refused_with_its_new_name(monkeypatch):
    monkeypatch.setenv("VITRINE_LANES", "2")
    with pytest.raises(SettingsError, match="VITRINE_LANES: is called VITRINE_WORKER_THREADS now"):
        load_settings()
