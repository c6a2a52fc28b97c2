"""README and its neighbours, held to what the code says; every command in README is run."""

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import httpx
import numpy as np
import pytest
from click.testing import CliRunner
from starlette.routing import Match

from app.errors import VitrineError
from app.http import documents
from app.main import app
from app.settings import PROJECT as PROJECT_FOLDER
from app.settings import Settings, variable
from tests.conftest import FASHION, PROJECT, SHIPPED_STORE, skip
from tests.fakes import pixels_of, png_bytes
from tests.serving import serving

README = (PROJECT / "README.md").read_text()
YOUR_PICTURES = (PROJECT / "docs" / "your-pictures.md").read_text()
MAKEFILE = (PROJECT / "Makefile").read_text()


def blocks(language, text=README):
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def table(header):
    """Rows of the table whose first line begins with `header`, as lists of cells."""
    lines = README[README.index(f"| {header}") :].split("\n\n")[0].splitlines()[2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_every_setting_is_documented_with_its_default_and_its_meaning():
    documented = {name.strip("`"): (default.strip("`"), text) for name, default, text in table("variable")}
    assert set(documented) == {variable(name) for name in Settings.model_fields}
    for name, field in Settings.model_fields.items():
        default, text = documented[variable(name)]
        assert text == field.description
        if name not in ("model_store", "worker_threads"):  # these depend on the machine
            assert default == str(field.default)
    assert Settings().model_store == PROJECT_FOLDER / "model_store"


def test_every_address_and_every_parameter_is_documented():
    schema = documents.api(app.service).openapi()["paths"]
    documented = {f"{row[0]}" for row in table("address | picture") + table("address | answer")}
    for path, methods in schema.items():
        for method, operation in methods.items():
            assert f"`{method.upper()} {path}`" in documented
            for parameter in operation.get("parameters", ()):
                assert f"`{parameter['name']}`" in README, (path, parameter["name"])


def test_every_documented_address_exists():
    api = documents.api(app.service)
    paths = set(api.openapi()["paths"])
    for row in table("address | picture") + table("address | answer"):
        method, path = row[0].strip("`").split()
        scope = {"type": "http", "method": method, "path": path}
        assert path in paths or any(route.matches(scope)[0] is Match.FULL for route in api.routes), path


def test_the_newcomers_table_names_files_and_tests_that_exist_and_belong_together():
    for what, sources, test in table("to change"):
        test_file = PROJECT / test.strip("`")
        assert test_file.is_file(), what
        for source in re.findall(r"`([^`]+)`", sources):
            assert (PROJECT / source).exists(), what
            if source.endswith(".py"):
                # The test reaches the file: by importing it, or through the service that it starts.
                module = source.removesuffix(".py").replace("/", ".")
                package, _, name = module.rpartition(".")
                text = test_file.read_text()
                reached = module in text or (
                    f"from {package} import" in text and re.search(rf"\b{name}\b", text)
                )
                assert reached or "client" in text, what


def test_every_make_target_that_is_named_exists():
    named = set(re.findall(r"^    make ([\w-]+)", README, re.MULTILINE))
    assert {"serve", "test", "train", "lint"} <= named
    assert named <= set(re.findall(r"^([\w-]+):", MAKEFILE, re.MULTILINE))


def test_links_and_pictures_of_the_documents_lead_to_files():
    for document in (
        PROJECT / "README.md",
        *(PROJECT / "docs").glob("*.md"),
        PROJECT / "benchmarks" / "README.md",
    ):
        for link in re.findall(r"\]\(([^)#]+)\)", document.read_text()):
            if "://" not in link:
                assert (document.parent / link).exists(), f"{document.name}: {link}"


@pytest.mark.parametrize("page", ["glossary.md"])
def test_every_module_that_a_page_names_exists(page):
    text = (PROJECT / "docs" / page).read_text()
    named = set(re.findall(r"`((?:app|training)/[a-z_/.]+)`", text))
    assert named
    for path in named:
        assert (PROJECT / path).exists() or (PROJECT / f"{path}.py").exists(), path


def test_every_folder_at_the_top_of_architecture_has_its_row():
    text = (PROJECT / "docs" / "architecture.md").read_text()
    for path in [*(PROJECT / "app").iterdir(), *(PROJECT / "training").iterdir()]:
        if path.name not in ("__init__.py", "__pycache__", "errors.py") and path.suffix in (".py", ""):
            assert f"`{path.name}" in text, path.name


def test_the_store_is_described_key_by_key():
    text = (SHIPPED_STORE / "README.md").read_text()
    for path in SHIPPED_STORE.glob("*/*/manifest.json"):
        for key in json.loads(path.read_text()):
            assert f"`{key}" in text, key


# Pictures of things, where the field has a word: package, batch, worker thread, highest-weight component.
METAPHORS = re.compile(
    r"\b(houses?|ghosts?|shelf|shelves|doors?|bent|booked|lanes?|tiles?|rooms?|short way|goes by)\b", re.I
)
EXEMPT = re.compile(
    r"\b(np|tf|ops|image)\.tile\b|\bTILE\b|\bTile(?= Where\b)|\bVITRINE_LANES\b|[\"`]tiles[\"`]"
)  # names of libraries and of operations, one that is refused, and a key that the IIIF Image API names


def metaphors(text):
    """Lines with a word of the list, in prose or as part of a name, each with its number."""
    lines = [EXEMPT.sub("", line).replace("_", " ") for line in text.splitlines()]
    return {number: found[0] for number, line in enumerate(lines, 1) if (found := METAPHORS.search(line))}


def own_files():
    """Everything that people read and that this project wrote, published versions aside."""
    for pattern in (
        "*.md",
        "docs/*.md",
        "docs/*.ipynb",
        "benchmarks/*.md",
        "client/*.md",
        "model_store/*.md",
        "Makefile",
        "pyproject.toml",
    ):
        yield from PROJECT.glob(pattern)
    for folder in ("app", "client", "training", "benchmarks", "tests"):
        for kind in ("py", "toml", "html", "jinja"):
            yield from (
                path for path in (PROJECT / folder).rglob(f"*.{kind}") if ".environments" not in path.parts
            )


def test_no_metaphor_stands_where_the_field_has_a_word():
    found = {}
    for path in own_files():
        if path != Path(__file__) and (lines := metaphors(path.read_text())):
            found[path.relative_to(PROJECT).as_posix()] = lines
    assert found == {}


def test_the_search_for_metaphors_can_find_one():
    found = metaphors(
        "The one door.\n    self.run_lane()\ncodes = np.tile(codes, 2)\nheadroom, indoors\nTiles"
    )
    assert found == {1: "door", 2: "lane", 5: "Tiles"}


def test_the_changelog_knows_the_addresses_and_commands():
    text = (PROJECT / "CHANGELOG.md").read_text()
    for word in ("/samples", "/interpolate", "/reconstruct", "vitrine-train", "[Unreleased]"):
        assert word in text


def test_no_document_names_an_error_that_does_not_exist():
    def kinds(error=VitrineError):
        return {error.kind}.union(*map(kinds, error.__subclasses__()))

    documents = [PROJECT / "README.md", PROJECT / "CHANGELOG.md", *(PROJECT / "docs").glob("*.md")]
    named = {kind for path in documents for kind in re.findall(r"/problems/([a-z-]+)", path.read_text())}
    assert named
    assert named <= kinds()


@pytest.mark.process
@pytest.mark.tensorflow
def test_every_example_of_readme_does_what_it_says(tmp_path):
    (tmp_path / "docs").symlink_to(PROJECT / "docs")
    commands = [line for block in blocks("sh") for line in block.splitlines() if line.startswith("curl")]
    assert len(commands) >= 6
    with serving(tmp_path, VITRINE_DEFAULT_MODEL=FASHION) as server:  # the default, with its version

        def here(text):
            return text.replace("http://127.0.0.1:8000", server.url)

        for command in commands:
            words = shlex.split(here(command))
            subprocess.run([*words, "--silent", "--fail"], cwd=tmp_path, check=True)
            assert pixels_of((tmp_path / words[words.index("-o") + 1]).read_bytes()).ndim == 2
        assert pixels_of((tmp_path / "samples.png").read_bytes()).shape == (84, 196)
        assert pixels_of((tmp_path / "walk.png").read_bytes()).shape == (28, 196)
        assert pixels_of((tmp_path / "mine.png").read_bytes()).shape == (56, 28)
        # The picture at README's top is this address', up to the processor that drew it: of draws that may
        # round one value otherwise, which changes the rest of its image, one in some 200 images.
        shown = pixels_of((PROJECT / "docs" / "images" / "samples.png").read_bytes()).astype(int)
        apart = np.abs(shown - pixels_of((tmp_path / "same.png").read_bytes())) > 1
        assert apart.reshape(3, 84, 7, 84).any(axis=(1, 3)).sum() <= 1
        assert blocks("python")
        for block in blocks("python"):  # -S: without any package, as `make serve` installs few
            subprocess.run([sys.executable, "-I", "-S", "-c", here(block)], cwd=tmp_path, check=True)


@pytest.mark.process
def test_the_mark_of_a_picture_is_read_as_its_page_says(tmp_path):
    page = (PROJECT / "docs" / "provenance.md").read_text()
    (command,), (program,) = blocks("sh", page), blocks("python", page)
    with serving(tmp_path, VITRINE_DEFAULT_MODEL=FASHION) as server:
        words = shlex.split(command.replace("http://127.0.0.1:8000", server.url))
        subprocess.run([*words, "--silent", "--fail"], cwd=tmp_path, check=True)
        told = subprocess.run(
            [sys.executable, "-I", "-c", program], cwd=tmp_path, check=True, capture_output=True, text=True
        ).stdout.split()
        assert told[0] == FASHION
        again = httpx.get(server.url + told[1])
        assert again.content == (tmp_path / "picture.png").read_bytes()


@pytest.mark.process
def test_the_addresses_that_a_page_calls_the_same_are_the_same(tmp_path):
    page = "".join(blocks("sh", (PROJECT / "docs" / "addresses.md").read_text()))
    commands = [shlex.split(line) for line in page.splitlines()]
    with serving(tmp_path, VITRINE_DEFAULT_MODEL=FASHION) as server:
        for words in commands:
            here = [word.replace("http://127.0.0.1:8000", server.url) for word in words]
            subprocess.run([*here, "--silent", "--fail"], cwd=tmp_path, check=True)
    heads = [
        re.findall(r"^(?:content-location|etag): .*$", (tmp_path / name).read_text(), re.MULTILINE)
        for name in ("a.txt", "b.txt")
    ]
    assert heads[0] == heads[1]
    assert len(heads[0]) == 2
    pictures = {words[words.index("-o") + 1]: None for words in commands}
    content = {name: (tmp_path / name).read_bytes() for name in pictures}
    assert content["a.png"] == content["b.png"]
    assert content["tulip.png"] == content["same.png"] != content["words.png"]
    assert pixels_of(content["kept.png"]).shape == (84, 196)  # the 304 left it as it was
    with np.load(tmp_path / "codes.npz") as found:
        assert found["images"].shape == (100, 28, 28)


def put_photos(folder):
    """Write the pictures and the rest that docs/your-pictures.md tells of."""
    rng = np.random.default_rng(0)
    for index in range(40):
        path = folder / ("dogs" if index % 2 else "cats") / f"{index}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(png_bytes(rng.integers(0, 256, (20, 20, 3), dtype=np.uint8)))
    (folder / "dogs" / "cut.png").write_bytes(path.read_bytes()[:600])
    (folder / "README").write_text("from somewhere")
    (folder / ".DS_Store").touch()


@pytest.mark.tensorflow
def test_every_command_for_your_pictures_does_what_the_page_says(tmp_path, monkeypatch):
    from training.cli import cli

    monkeypatch.chdir(tmp_path)
    put_photos(tmp_path / "photos")
    (tmp_path / "small.toml").write_text(blocks("toml", YOUR_PICTURES)[0])
    subprocess.run([sys.executable, "-c", blocks("python", YOUR_PICTURES)[0]], cwd=tmp_path, check=True)
    told = {}
    for command in "".join(blocks("sh", YOUR_PICTURES)).splitlines():
        program, *words = shlex.split(command)
        done = CliRunner().invoke(cli, words, catch_exceptions=False)
        assert (program, done.exit_code) == ("vitrine-train", 0), done.output
        told[words[words.index("--out") + 1]] = done.output
    printed = re.search(r"^    found:.*?\n\n", YOUR_PICTURES, re.MULTILINE | re.DOTALL)[0]
    for line in printed.rstrip().splitlines():
        assert line.removeprefix("    ") in told["runs/photos"].splitlines()
    written = {run: json.loads((tmp_path / run / "data.json").read_text()) for run in told}
    assert set(written["runs/photos"]) == {"notes", "classes", "left_out"}
    assert set(written["runs/photos"]["left_out"]) == {"README", "dogs/cut.png", ".DS_Store"}
    assert set(written["runs/planes"]["classes"]) == {"0", "1"}


@pytest.mark.tensorflow
@pytest.mark.timeout(900)
def test_readmes_training_commands_make_the_shipped_model_again(tmp_path):
    from training import data
    from training.configs.schema import from_dict
    from training.errors import DataError

    try:
        data.load_fashion_mnist()
    except DataError as error:
        skip(str(error))
    (tmp_path / "training").symlink_to(PROJECT / "training")
    commands = [line for block in blocks("sh") for line in block.splitlines() if line.startswith("vitrine")]
    assert [command.split()[1] for command in commands] == ["describe", "fit", "evaluate", "export", "models"]
    environment = {"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin", "HOME": str(Path.home())}
    for command in commands:
        done = subprocess.run(
            shlex.split(command), cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
    history = json.loads((tmp_path / "runs" / "fashion-dense" / "history.json").read_text())
    made = json.loads((tmp_path / "model_store" / "fashion-dense" / "1" / "manifest.json").read_text())
    shipped = json.loads((SHIPPED_STORE / "fashion-dense" / "7" / "manifest.json").read_text())
    assert made["metrics"]["test"]["reconstruction_mse"] <= 0.0190
    same_place = (
        made["training"]["machine"] == shipped["training"]["machine"]
        and made["training"]["libraries"] == shipped["training"]["libraries"]
    )
    # A configuration may have gained keys since, whose defaults mean what was meant before.
    as_shipped = from_dict(shipped["training"]["config"])
    assert from_dict(made["training"]["config"]) == as_shipped
    if same_place:
        assert 0.0308 <= history["val_loss"][-1] <= 0.0318
        assert made["training"]["weights_sha256"] == shipped["training"]["weights_sha256"]
    else:  # arithmetic rounds differently there, and the last epochs scatter as between two seeds
        assert 0.0300 <= history["val_loss"][-1] <= 0.0330
