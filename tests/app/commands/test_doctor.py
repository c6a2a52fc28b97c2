"""``vitrine doctor``: lines for people, JSON for programs, and exit codes."""

import json

import pytest
from click.testing import CliRunner

from app import doctor
from app.cli import cli
from app.doctor import Finding

FINE = Finding("port", "ok", "127.0.0.1:8000 is free")
POOR = Finding("open files", "warning", "up to 256", "Raise it.")
BROKEN = Finding("memory", "failed", "700 MB of 512 MB needed", "Raise the limit.")


def run(monkeypatch, findings, *options):
    monkeypatch.setattr(doctor, "examine", lambda: iter(findings))
    return CliRunner().invoke(cli, ["doctor", *options])


def test_each_finding_is_a_line_and_each_remedy_the_next(monkeypatch):
    done = run(monkeypatch, [FINE, POOR, BROKEN])
    assert done.exit_code == 1
    assert done.output.splitlines() == [
        "ok       port: 127.0.0.1:8000 is free",
        "warning  open files: up to 256",
        "         Raise it.",
        "FAILED   memory: 700 MB of 512 MB needed",
        "         Raise the limit.",
        "3 checks, 1 warnings, 1 failed",
    ]


@pytest.mark.parametrize(("findings", "code"), [([FINE], 0), ([FINE, POOR], 0), ([BROKEN, FINE], 1)])
def test_only_what_fails_is_a_failure(monkeypatch, findings, code):
    assert run(monkeypatch, findings).exit_code == code
    as_json = run(monkeypatch, findings, "--json")
    assert as_json.exit_code == code
    told = json.loads(as_json.output)
    assert told["ok"] == (code == 0)
    assert told["findings"][0] == {
        "check": findings[0].check,
        "state": findings[0].state,
        "found": findings[0].found,
        "remedy": findings[0].remedy,
    }
