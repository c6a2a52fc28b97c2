import json

import pytest
from click.testing import CliRunner

from app.cli import cli
from app.export import page as made
from app.export.litertjs import NotInstalled, installed
from tests.conftest import SHIPPED_STORE


@pytest.fixture
def run(vendor, monkeypatch):
    monkeypatch.setattr(made, "installed", lambda _: installed(vendor))
    return lambda *arguments: CliRunner().invoke(
        cli, ["export-page", "--model-store", str(SHIPPED_STORE), *map(str, arguments)]
    )


def test_the_folder_is_written_and_its_sizes_are_told(run, tmp_path):
    out = tmp_path / "page"
    result = run(out, "--model", "fashion-dense")
    assert result.exit_code == 0, result.output
    files = [path for path in out.rglob("*") if path.is_file()]
    size = sum(path.stat().st_size for path in files)
    assert f"{len(files)} files, {size / 1e6:.1f} MB, of which" in result.stdout
    assert "500 points compared with the service: 0 of 392000 levels differ, by 0 at most" in result.stdout
    assert (out / "model" / "decoder.tflite").is_file()


def test_json_has_what_the_text_says(run, tmp_path):
    result = run(tmp_path / "page", "--model", "fashion-map", "--json")
    told = json.loads(result.stdout)
    files = [path for path in (tmp_path / "page").rglob("*") if path.is_file()]
    assert told["files"] == len(files)
    assert told["bytes"] == sum(path.stat().st_size for path in files)
    assert told["model"].startswith("fashion-map@5-")
    assert told["compared"] == {"points": 500, "levels": 392000, "differ": 0, "most": 0}


def test_a_folder_that_is_not_empty_is_refused_before_anything_is_computed(run, tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    result = run(tmp_path, "--model", "no-such-model", "--force")
    assert result.exit_code == 2
    assert "is not empty, and no page of ours. Name a new folder." in result.stderr
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["mine.txt"]


def test_an_unknown_model_ends_with_the_names_of_those_there_are(run, tmp_path):
    result = run(tmp_path / "page", "--model", "fashon")
    assert result.exit_code == 3
    assert "fashion" in result.stderr
    assert not (tmp_path / "page").exists()


def test_without_litertjs_it_is_said_how_to_get_it(run, tmp_path, monkeypatch):
    def missing(_):
        raise NotInstalled("LiteRT.js is not installed: Run make assets")

    monkeypatch.setattr(made, "installed", missing)
    result = run(tmp_path / "page", "--model", "fashion-dense")
    assert result.exit_code == 1
    assert "Run make assets" in result.stderr
    assert not (tmp_path / "page").exists()
