import pytest

from app.variables import misspelt, of_a_service

KNOWN = ["VITRINE_WORKERS", "VITRINE_WORKER_THREADS", "VITRINE_PORT"]


@pytest.mark.parametrize("name", ["VITRINE_WORKRES", "VITRINE_WORKER", "vitrine_wrokers"])
def test_a_misspelt_variable_is_told_with_the_nearest_name(name):
    assert misspelt({name: "2"}, KNOWN) == [
        f"{name}: there is no such setting; did you mean VITRINE_WORKERS?"
    ]


def test_a_variable_unlike_every_setting_is_told_with_all_of_them():
    assert misspelt({"VITRINE_QUUX": "1"}, KNOWN) == [
        "VITRINE_QUUX: there is no such setting; the settings are "
        "VITRINE_PORT, VITRINE_WORKERS, VITRINE_WORKER_THREADS"
    ]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("VITRINE_WORKERS", "2"),
        ("vitrine_workers", "2"),
        ("VITRINE_WORKRES", " "),  # blank is unset
        ("VITRINE_URL", "http://127.0.0.1:8000"),
        ("VITRINE_DATA", "data"),
        ("VITRINE_PORT_8000_TCP", "tcp://10.0.0.1:8000"),
        ("VITRINE_SERVICE_PORT_HTTP", "8000"),
        ("VITRINE_WORKRES_PORT", "tcp://10.0.0.1:8000"),
        ("VITRINE_MODEL_NAME", "/site/vitrine"),
        ("VITRINE_ENV_PATH", "/bin"),
        ("_VITRINE_COMPLETE", "bash_source"),
        ("WORKRES", "2"),
    ],
)
def test_what_is_ours_or_a_platforms_or_blank_is_passed_over(name, value):
    assert misspelt({name: value}, KNOWN) == []


def test_only_what_tells_of_a_service_is_a_services():
    assert of_a_service("VITRINE_SERVICE_HOST", "10.0.0.1")
    assert not of_a_service("VITRINE_PORT", "8000")
    assert not of_a_service("VITRINE_NAME", "fashion")
    assert not of_a_service("MY_SERVICE_HOST", "10.0.0.1")
