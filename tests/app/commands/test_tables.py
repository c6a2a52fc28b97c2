import csv
import hashlib
import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from app.cli import cli
from app.commands.tables import is_meant
from tests.conftest import PROJECT, SHIPPED_STORE
from tests.fakes import png_bytes

MODEL = "fashion-dense@7"  # the smallest
STORE = ("--model", MODEL, "--model-store", str(SHIPPED_STORE))
SHIRT = PROJECT / "docs" / "images" / "shirt.jpg"
IMAGES = 16


@pytest.fixture
def photos(tmp_path):
    """Noise of several sizes in two folders, a photo, and a file that is none."""
    folder, rng = tmp_path / "photos", np.random.default_rng(0)
    for number in range(IMAGES - 2):
        path = folder / ("dark", "light")[number % 2] / f"{number:02d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(png_bytes(rng.integers(0, 99 + 99 * (number % 2), (28 + number, 28), np.uint8)))
    (folder / "shirt.jpg").write_bytes(SHIRT.read_bytes())
    (folder / "dark" / "broken.png").write_bytes(b"no picture")
    return folder


@pytest.fixture
def run(monkeypatch, tmp_path):
    """Runs a command on images, in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def invoke(name, *given):
        return CliRunner().invoke(cli, [name, *STORE, *map(str, given)])

    return invoke


def lines_of(path):
    return list(csv.DictReader(path.read_text().splitlines()))


def files_in(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file() and not path.name.startswith(".")
    }


@pytest.mark.process
def test_scores_are_those_of_the_service_for_each_file_alone(run, photos, tmp_path):
    result = run(
        "score", photos, "-o", "x.csv", "-k", 4, "--seed", "tulip", "--processes", 1, "--invert", "auto"
    )
    assert result.exit_code == 0, result.output
    assert f"x.csv: scores of {IMAGES} images by {MODEL}" in result.stdout
    assert "1 could not be read: see the column error" in result.stdout
    assert f"{IMAGES} of {IMAGES} images" in result.stderr
    rows = {row["name"]: row for row in lines_of(tmp_path / "x.csv")}
    assert len(rows) == IMAGES
    assert {row["label"] for row in rows.values()} == {"", "dark", "light"}
    assert rows["dark/broken.png"]["error"].startswith("expected a PNG, JPEG")
    assert not (tmp_path / "x.csv.parts").exists()
    for name in ("shirt.jpg", "dark/04.png"):
        told = run("score", photos / name, "--local", "-k", 4, "--seed", "tulip", "--invert", "auto")
        (score,) = json.loads(told.stdout)["images"]
        score.pop("surprise")
        assert score
        assert {key: rows[name][key] for key in score} == {key: str(value) for key, value in score.items()}


@pytest.mark.process
def test_one_image_is_told_in_the_singular(run, tmp_path):
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "shirt.jpg").write_bytes(SHIRT.read_bytes())
    result = run("encode", "one", "-o", "x.csv", "--processes", 1)
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith(f"x.csv: codes of 1 image by {MODEL}-")
    assert "1 of 1 image\n" in result.stderr


@pytest.mark.process
def test_codes_are_those_of_the_service_for_each_file_alone(run, photos, tmp_path):
    result = run("encode", photos, "-o", "x.npz", "--draws", 2, "--processes", 1, "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout) | {"images_per_second": 0, "bytes": 0} == {
        "out": "x.npz", "model": json.loads(result.stdout)["model"], "images": IMAGES, "shards": 1, "bytes": 0,
        "images_per_second": 0, "done": IMAGES, "unread": 1, "left_out": 0,
    }  # fmt: skip
    told = run("encode", photos / "shirt.jpg", "--local")
    (code,) = json.loads(told.stdout)["images"]
    with np.load(tmp_path / "x.npz") as found:
        where = found["name"].tolist().index("shirt.jpg")
        for name in ("z_mean", "z_log_var", "kl", "kl_by_axis"):
            assert found[name][where].tolist() == code[name], name
        assert found["draws"].shape == (IMAGES, 2, len(code["z_mean"]))


@pytest.mark.process
def test_one_process_two_and_one_that_is_killed_at_any_moment_write_the_same_files(run, photos, tmp_path):
    pytest.importorskip("pyarrow")
    options = ("-k", "4", "--shard-images", "2")
    assert run("score", photos, "-o", "one", *options, "--processes", 1).exit_code == 0
    command = [
        sys.executable,
        "-m",
        "app",
        "score",
        *STORE,
        str(photos),
        "-o",
        str(tmp_path / "two"),
        *options,
    ]
    for kills in range(30):
        process = subprocess.Popen([*command, "--processes", "2"], cwd=PROJECT, stderr=subprocess.DEVNULL)
        records, wanted = tmp_path / "two" / "records", 3 * (kills + 1)
        while process.poll() is None and len([*records.glob("*.json")]) < wanted:
            time.sleep(0.005)
        process.kill()
        if process.wait() == 0:
            break
        assert not (tmp_path / "two" / "dataset.json").exists()
    assert kills >= 2
    assert files_in(tmp_path / "two") == files_in(tmp_path / "one")


@pytest.mark.process
def test_an_interrupted_table_goes_on_and_is_joined(photos, tmp_path):
    command = [sys.executable, "-m", "app", "score", *STORE, str(photos), "-o", str(tmp_path / "x.csv")]
    command += ["-k", "300", "--shard-images", "1", "--processes", "1"]
    process = subprocess.Popen(command, cwd=PROJECT, stderr=subprocess.PIPE, text=True)
    while not [*(tmp_path / "x.csv.parts" / "records").glob("*.json")]:
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    assert "interrupted. The same command goes on from there." in process.communicate(timeout=60)[1]
    assert process.returncode == 130
    assert not (tmp_path / "x.csv").exists()
    done = subprocess.run([*command, "--json"], cwd=PROJECT, capture_output=True, text=True, check=True)
    assert 0 < json.loads(done.stdout)["done"] < IMAGES
    assert [row["row"] for row in lines_of(tmp_path / "x.csv")] == [str(number) for number in range(IMAGES)]


@pytest.mark.process
def test_what_render_draws_can_be_scored_and_strict_is_content_with_it(run, tmp_path):
    assert (
        run("render", "--seeds", "0..5", "--out", "drawn", "--processes", 1, "--shard-images", 4).exit_code
        == 0
    )
    result = run("encode", "drawn", "--out", "x.csv", "--strict", "--processes", 1)
    assert result.exit_code == 0, result.output
    assert [row["name"] for row in lines_of(tmp_path / "x.csv")] == [f"{seed}.png" for seed in range(6)]


@pytest.mark.process
def test_strict_ends_with_1_when_all_is_written(run, photos, tmp_path):
    result = run("encode", photos, "--out", "x.csv", "--strict", "--processes", 1)
    assert result.exit_code == 1
    assert f"vitrine: 1 of {IMAGES} images could not be read" in result.stderr
    assert len(lines_of(tmp_path / "x.csv")) == IMAGES


@pytest.mark.parametrize(
    ("given", "code", "said"),
    [
        (["score", "photos"], 2, "Missing option '--out'"),
        (["score", "photos", "-o", "x.csv", "-k", "0"], 2, "0 is not in the range x>=1"),
        (
            ["score", "photos", "-o", "x.csv", "-k", "9999999"],
            2,
            "k: Input should be less than or equal to 1000000",
        ),
        (["score", "photos", "-o", "x.csv", "-k", "1000000"], 2, "k: expected 1.."),
        (["score", "photos", "-o", "x.csv", "--seed", "1.5"], 2, "'1.5': expected 0..2^63-1, or a word"),
        (["score", "photos", "-o", "x.csv", "--format", "npz"], 2, "the end of x.csv says another one"),
        (["score", "photos", "-o", "s3://bucket/x.csv"], 2, "at an address, name a folder"),
        (["score", "photos", "-o", "nowhere/x.csv"], 2, "is no folder; make it first"),
        (["score", "photos", "-o", "there.csv"], 1, "there.csv is there already; --force writes over it"),
        (["score", "photos", "-o", "begun.csv"], 1, "begun.csv is there already; --force writes over it"),
        (["score", "photos", "-o", "-"], 2, "--out -: name a folder; nothing goes to standard output"),
        (["encode", "photos", "-o", "there.txt"], 2, "--out there.txt: a file is there of that name"),
        (
            ["encode", "photos", "-o", "there.txt/x"],
            2,
            "--out there.txt/x: there.txt is a file; name a folder",
        ),
        (
            ["encode", "photos", "-o", "file.csv"],
            2,
            "its parts need a folder file.csv.parts, and a file is there",
        ),
        (["score", "empty", "-o", "x.csv"], 2, "no picture there, by the names of the files"),
        (["score", "broken.tar", "-o", "x.csv"], 2, "broken.tar: not a whole tar file"),
        (["encode", "photos", "-o", "x.csv", "--draws", "-1"], 2, "-1 is not in the range x>=0"),
        (["encode", "photos", "-o", "x.csv", "--processes", "1", "--ray", "local"], 2, "goes without --ray"),
        (["encode", "nowhere.parquet", "-o", "x.csv"], 2, "'nowhere.parquet' does not exist"),
        (["encode", "photos", "-o", "x.csv", "--model", "nobody"], 3, "nobody"),
    ],
    ids=lambda value: " ".join(value)[:60] if isinstance(value, list) else "",
)
def test_what_cannot_be_done_is_told_in_one_line_before_anything_is_written(
    given, code, said, run, photos, tmp_path
):
    (tmp_path / "empty").mkdir()
    (tmp_path / "broken.tar").write_bytes(b"broken")
    for name in ("there.csv", "there.txt", "begun.csv", "file.csv.parts"):
        (tmp_path / name).write_text("mine")
    (tmp_path / "begun.csv.parts").mkdir()
    before = files_in(tmp_path)
    result = run(*given)
    assert result.exit_code == code, result.output
    assert said in result.stderr
    assert "Traceback" not in result.stderr
    assert files_in(tmp_path) == before


@pytest.mark.process
def test_other_images_or_options_in_the_same_place_are_refused(run, photos):
    options = ("-o", "out", "--format", "csv", "--processes", 1)
    assert run("encode", photos, *options).exit_code == 0
    (photos / "more.png").write_bytes(SHIRT.read_bytes())
    result = run("encode", photos, *options)
    assert result.exit_code == 2
    assert (
        f"out: another data set is there (count: {IMAGES + 1}, not {IMAGES}; images_sha256: " in result.stderr
    )
    result = run("score", photos, *options)
    assert result.exit_code == 2
    assert "kind: score, not encode" in result.stderr


@pytest.mark.parametrize(
    ("given", "is_one"),
    [
        (["folder"], True),
        (["--json", "folder"], True),
        (["-k", "64", "folder", "--help"], True),
        (["x.parquet", "-o", "y"], True),
        (["shards/00000.tar"], True),
        (["shirt.jpg"], False),
        ([], False),
        (["--local", "--model-store", "folder", "shirt.jpg"], False),
        (["--model-store=folder", "shirt.jpg"], False),
        (["shirt.jpg", "--out", "x.parquet"], False),
        (["shirt.jpg", "-o", "folder"], False),
    ],
)
def test_many_images_are_meant_by_a_folder_or_a_table(given, is_one, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    (tmp_path / "shirt.jpg").touch()
    assert is_meant(given) == is_one


@pytest.mark.parametrize("name", ["score", "encode"])
def test_each_help_names_the_other(name, run):
    told = run(name, "--help").stdout
    assert "[FILE]..." in told or "FILE..." in told
    assert f"vitrine {name} FOLDER --help" in told
    assert "PLACE" in run(name, ".", "--help").stdout
