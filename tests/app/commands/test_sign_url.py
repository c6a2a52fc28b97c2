from urllib.parse import urlsplit

import pytest
from click.testing import CliRunner

from app.access import signing
from app.cli import cli
from tests.access import SECRET


@pytest.fixture
def run(tmp_path, monkeypatch):
    (tmp_path / "url.key").write_bytes(SECRET + b"\n")
    monkeypatch.setenv("VITRINE_URL_KEY", str(tmp_path / "url.key"))
    return lambda *words: CliRunner().invoke(cli, ["sign-url", *words])


def seconds_of(done, path):
    address = urlsplit(done.stdout.strip())
    rest, found = signing.lift(address.query.encode())
    return rest.decode(), signing.verify([SECRET], path, rest, found)


def test_an_address_is_signed_for_seven_days(run):
    done = run("https://pictures.example/samples?n=3&seed=1")
    assert done.stdout.startswith("https://pictures.example/samples?n=3&seed=1&expires=")
    rest, seconds = seconds_of(done, "/samples")
    assert rest == "n=3&seed=1"
    assert 7 * 86_400 - 60 < seconds <= 7 * 86_400


@pytest.mark.parametrize(
    ("given", "seconds"), [("90s", 90), ("15m", 900), ("12h", 43_200), ("30d", 2_592_000)]
)
def test_it_is_good_for_as_long_as_is_said(run, given, seconds):
    assert seconds - 60 < seconds_of(run("/samples", "--expires", given), "/samples")[1] <= seconds


@pytest.mark.parametrize("given", ["7", "d", "0d", "-1d", "1w", "1.5h", "never", "9999999d"])
def test_another_time_is_a_usage_error(run, given):
    done = run("/samples", "--expires", given)
    assert done.exit_code == 2
    assert "like 7d" in done.stderr


def test_what_browsers_would_escape_is_escaped_before_it_is_signed(run):
    done = run("https://host/samples?label=T-shirt/top's été&points=0.5*seed:42/3~a,b%2Fc#top")
    address = urlsplit(done.stdout.strip())
    assert address.fragment == ""
    assert address.query.startswith(
        "label=T-shirt/top%27s%20%C3%A9t%C3%A9&points=0.5*seed:42/3~a,b%2Fc&expires="
    )


def test_the_path_of_a_proxy_is_no_part_of_what_is_signed(run, monkeypatch):
    monkeypatch.setenv("VITRINE_ROOT_PATH", "/vitrine")
    done = run("https://host/vitrine/samples?n=1")
    assert done.stdout.startswith("https://host/vitrine/samples?n=1&expires=")
    assert seconds_of(done, "/samples")[1] > 0
    refused = run("https://host/samples?n=1")
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert "the path must begin with /vitrine/" in refused.stderr


@pytest.mark.parametrize("url", ["https://host", "samples", "https://host/samples?expires=1795850172"])
def test_what_cannot_be_signed_exits_2_in_one_line(run, url):
    done = run(url)
    assert (done.exit_code, done.stdout, len(done.stderr.splitlines())) == (2, "", 1)


def test_without_a_secret_it_says_what_to_set(monkeypatch):
    done = CliRunner().invoke(cli, ["sign-url", "/samples"])
    assert done.exit_code == 2
    assert done.stderr == "vitrine: set VITRINE_URL_KEY to the file with the secret that the service has\n"
