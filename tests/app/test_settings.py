from pathlib import Path

import pytest

from app import profiles
from app import settings as reading
from app.errors import StoreError
from app.settings import Settings, SettingsError, load_settings, passed_over, variable
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


@pytest.fixture
def stores(tmp_path, monkeypatch):
    """Where the three stores would be that are looked for, if each were there."""
    here, carried, project = (tmp_path / name for name in ("here", "site-packages/app", "project"))
    for folder in (here, carried, project):
        folder.mkdir(parents=True)
    monkeypatch.chdir(here)
    monkeypatch.setattr(reading, "STORE_CARRIED", carried / "model_store")
    monkeypatch.setattr(reading, "STORE_OF_PROJECT", project / "model_store")
    return [folder / "model_store" for folder in (here, carried, project)]


@pytest.mark.parametrize(
    ("there", "expected"), [((), 2), ((2,), 2), ((1,), 1), ((1, 2), 1), ((0, 2), 0), ((0, 1, 2), 0)]
)
def test_the_store_is_the_current_folders_or_the_one_carried_or_the_projects(stores, there, expected):
    for index in there:
        stores[index].mkdir()
    assert load_settings().model_store == stores[expected]


def test_a_file_in_the_current_folder_is_no_store(stores):
    stores[1].mkdir()
    stores[0].write_text("")
    assert load_settings().model_store == stores[1]


def test_a_store_that_is_set_wins_over_those_that_are_found(stores, monkeypatch):
    for folder in stores:
        folder.mkdir()
    monkeypatch.setenv("VITRINE_MODEL_STORE", "/models")
    assert load_settings().model_store == Path("/models")
    assert load_settings(model_store="mine").model_store == Path("mine")


def test_a_settings_variable_has_the_prefix():
    assert variable("max_images") == "VITRINE_MAX_IMAGES"


@pytest.mark.parametrize("reference", ["mine", "mine@2", "mine@2-0123456789ab"])
def test_the_default_model_may_be_a_name_a_version_or_one_with_its_digest(monkeypatch, reference):
    monkeypatch.setenv("VITRINE_DEFAULT_MODEL", reference)
    assert load_settings().default_model == reference


@pytest.mark.parametrize(
    "reference",
    ["mine@2-", "mine@2-0123456789a", "mine@2-0123456789abc", "mine@2-0123456789AB", "mine-2@0123456789ab"],
)
def test_a_default_model_of_another_form_is_refused(monkeypatch, reference):
    monkeypatch.setenv("VITRINE_DEFAULT_MODEL", reference)
    with pytest.raises(SettingsError, match="VITRINE_DEFAULT_MODEL"):
        load_settings()


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


@pytest.mark.parametrize(
    ("workers", "worker_threads", "threads", "lone"),
    [(1, 1, 1, 1), (1, 4, 1, 4), (1, 2, 1, 2), (1, 2, 2, 4), (2, 4, 1, 2), (1, 9, 1, 4), (1, 1, 8, 4)],
)
def test_a_computation_that_is_alone_may_use_the_threads_of_all_but_no_more_than_there_are_cores(
    monkeypatch, workers, worker_threads, threads, lone
):
    monkeypatch.setattr(reading, "available_cores", lambda: 4)
    settings = Settings(workers=workers, worker_threads=worker_threads, inference_threads=threads)
    assert settings.lone_threads == lone


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
        ({}, [], "fashion"),
        ({"default_model": "fashion"}, ["mine"], "fashion"),
        ({"default_model": "yours@2"}, ["mine"], "yours@2"),
    ],
)
def test_the_only_model_of_a_store_is_the_default_if_nobody_set_one(asked_for, names, expected):
    assert load_settings(**asked_for).for_store(names).default_model == expected


def test_of_several_models_none_is_the_default_by_chance_and_the_refusal_names_them():
    with pytest.raises(StoreError) as refusal:
        load_settings(model_store="/models").for_store(["yours", "mine"])
    assert refusal.value.detail == (
        "/models: several models, and which of them answers when a request names none is not set. "
        "Set VITRINE_DEFAULT_MODEL to one of mine, yours."
    )


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


@pytest.mark.parametrize(
    ("cores", "workers", "inference_threads", "expected"),
    [(2, 1, 1, 2), (2, 2, 1, 1), (8, 2, 2, 2), (8, 1, 3, 2), (1, 4, 1, 1), (1000, 1, 1, 256)],
)
def test_worker_threads_are_one_for_each_core_that_a_process_has_for_itself(
    monkeypatch, cores, workers, inference_threads, expected
):
    monkeypatch.setattr("app.settings.available_cores", lambda: cores)
    settings = Settings(workers=workers, inference_threads=inference_threads)
    assert settings.worker_threads == expected


@pytest.mark.parametrize("blank", ["", "  ", "\t"])
@pytest.mark.parametrize("name", Settings.model_fields)
def test_a_blank_variable_is_as_if_it_were_not_set(monkeypatch, name, blank):
    monkeypatch.setenv(variable(name), blank)
    settings = load_settings()
    assert settings == Settings.model_construct()  # every default
    assert name not in settings.model_fields_set


@pytest.mark.parametrize("blank", ["", " "])
def test_a_blank_host_is_loopback_whoever_says_it(monkeypatch, blank):
    monkeypatch.setenv("VITRINE_HOST", blank)
    assert load_settings().host == "127.0.0.1"
    monkeypatch.setenv("VITRINE_HOST", "0.0.0.0")  # noqa: S104
    assert load_settings(host=blank).host == "127.0.0.1"


def test_a_blank_variable_that_was_renamed_is_no_error(monkeypatch):
    monkeypatch.setenv("VITRINE_LANES", "")
    assert load_settings() == Settings.model_construct()


OF_A_SERVICE = {  # what Kubernetes writes for a Service called NAME with one named port
    "{}_SERVICE_HOST": "10.96.12.7",
    "{}_SERVICE_PORT": "8000",
    "{}_SERVICE_PORT_HTTP": "8000",
    "{}_PORT": "tcp://10.96.12.7:8000",
    "{}_PORT_8000_TCP": "tcp://10.96.12.7:8000",
    "{}_PORT_8000_TCP_PROTO": "tcp",
    "{}_PORT_8000_TCP_PORT": "8000",
    "{}_PORT_8000_TCP_ADDR": "10.96.12.7",
}


@pytest.mark.parametrize("service", ["VITRINE", "VITRINE_MODEL", "VITRINE_MAX_IMAGES", "VITRINE_WORKERS"])
def test_what_kubernetes_writes_for_a_service_of_our_name_is_passed_over_in_one_line(monkeypatch, service):
    for name, value in OF_A_SERVICE.items():
        monkeypatch.setenv(name.format(service), value)
    assert load_settings() == Settings.model_construct()
    line = passed_over()
    assert len(line.splitlines()) == 1
    assert all(name.format(service) in line for name in OF_A_SERVICE)


@pytest.mark.parametrize("port", ["tcp://[fd00::7]:8000", "udp://10.0.0.1:53", "sctp://10.0.0.1:9"])
def test_a_services_port_of_any_protocol_and_family_is_passed_over(monkeypatch, port):
    monkeypatch.setenv("VITRINE_PORT", port)
    assert load_settings().port == 8000
    assert "VITRINE_PORT" in passed_over()


@pytest.mark.parametrize("port", ["80a", "tcp://", "http://10.0.0.1:80", "tcp://10.0.0.1", "8000:80"])
def test_a_port_that_is_a_mistake_stays_an_error(monkeypatch, port):
    monkeypatch.setenv("VITRINE_PORT", port)
    with pytest.raises(SettingsError, match=r"^VITRINE_PORT='"):
        load_settings()
    assert passed_over() is None


def test_our_own_variables_are_not_passed_over(monkeypatch):
    for name in Settings.model_fields:
        monkeypatch.setenv(variable(name), "8000")
    assert passed_over() is None


def test_another_process_gets_the_settings_in_force_and_no_others(monkeypatch, tmp_path):
    monkeypatch.setenv("VITRINE_PROFILE", "elsewhere.json")
    monkeypatch.setenv("VITRINE_MAX_IMAGES", "9")
    monkeypatch.setenv("PATH", "/bin")
    here = Path.cwd()
    settings = Settings(
        profile=None, worker_threads=3, access_log=True, model_store=Path("store"), max_images=8
    )
    for name, value in settings.for_process().items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    meant = settings.model_copy(update={"model_store": here / "store"})
    assert load_settings() == meant
    assert settings.for_process()["PATH"] == "/bin"


@pytest.mark.fault(32)
def test_a_misspelt_variable_is_refused_with_the_nearest_name(monkeypatch):
    monkeypatch.setenv("VITRINE_WORKRES", "2")
    with pytest.raises(SettingsError) as refusal:
        load_settings()
    assert str(refusal.value) == "VITRINE_WORKRES: there is no such setting; did you mean VITRINE_WORKERS?"


@pytest.mark.fault(32)
@pytest.mark.parametrize("value", ["inf", "nan", "-1", "0", "1e9"])
def test_a_time_that_is_not_finite_or_out_of_range_is_refused_with_the_range(monkeypatch, value):
    monkeypatch.setenv("VITRINE_DEADLINE_SECONDS", value)
    with pytest.raises(
        SettingsError, match=rf"^VITRINE_DEADLINE_SECONDS='{value}': .*\(from more than 0 to 3600\)$"
    ):
        load_settings()


@pytest.mark.parametrize("name", Settings.model_fields)
def test_every_number_has_a_least_and_a_greatest_value(name):
    field = Settings.model_fields[name]
    if field.annotation in (int, float):
        bounds = {type(each).__name__ for each in field.metadata}
        assert "Le" in bounds
        assert bounds & {"Ge", "Gt"}


def test_of_every_setting_with_a_pattern_a_sentence_says_what_is_accepted(monkeypatch):
    patterned = [
        name
        for name, field in Settings.model_fields.items()
        if any(getattr(each, "pattern", None) for each in field.metadata)
    ]
    assert {"cors_origins", "allowed_hosts", "default_model", "root_path", "origin"} <= {*patterned}
    for name in patterned:
        with monkeypatch.context() as patched:
            patched.setenv(variable(name), "<no such>")
            with pytest.raises(SettingsError) as refused:
                load_settings()
        assert f"{variable(name)}='<no such>': expected " in str(refused.value)
        assert "pattern" not in str(refused.value)
