"""The checks as a whole, with what the environment says."""

from app.doctor import examine
from tests.conftest import SHIPPED_MODEL, SHIPPED_STORE

CHECKS = [
    *("python", "packages", "processor", "open files", "clock", "compiled code", "pages"),
    *("temporary folder", "port", "version", "default model", "memory", "picture"),
]


def test_every_check_is_made_once_a_version(monkeypatch):
    monkeypatch.setenv("VITRINE_MODEL_STORE", str(SHIPPED_STORE))
    monkeypatch.setenv("VITRINE_DEFAULT_MODEL", SHIPPED_MODEL)
    monkeypatch.setenv("VITRINE_PORT", "0")
    found = list(examine())
    assert [
        check for check in dict.fromkeys(finding.check for finding in found) if check != "setting"
    ] == CHECKS
    assert [finding for finding in found if finding.state == "failed"] == []


def test_a_wrong_setting_ends_the_examination_with_its_name(monkeypatch):
    monkeypatch.setenv("VITRINE_WORKERS", "many")
    *_, last = examine()
    assert (last.check, last.state) == ("settings", "failed")
    assert "VITRINE_WORKERS='many'" in last.found


def test_without_a_model_nothing_is_computed(monkeypatch, tmp_path):
    monkeypatch.setenv("VITRINE_MODEL_STORE", str(tmp_path))
    *_, last = examine()
    assert last.state == "failed"
    assert last.check in ("store", "default model")
