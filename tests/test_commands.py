"""Every command of every document works as printed, in a copy of the project, in the order of its document.

What a command needs to be: in a block (```` ```sh ````, or indented) of README, `docs/`, a card of the model store or
of `docs/models`, or another README. A command that no line of ``HANDLERS`` knows fails its test, and so does a block
of which nobody says what it is. Handled are:

- executed: as printed, by a shell; only the port of a server differs, which is one that is free.
- checked: what would take minutes, or install packages. Its arguments are parsed by the program's own parser, and
  whatever it reads has to be there: a configuration that loads, a run that an earlier command of the same document
  makes, pictures, a reference model. What follows is tested elsewhere: each handler says where.
- ``EXCEPTIONS``: what this machine cannot do, each with the reason.
"""

import contextlib
import os
import re
import shlex
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import click
import pytest

from app.cli import cli as serving_cli
from app.commands.group import SUMMARIES, JobCommand
from app.http.assets import installed
from app.settings import Settings, variable
from tests.conftest import DISTRIBUTION, FASHION, PROJECT, SHIPPED_STORE
from tests.serving import serving
from training import cli as training
from training.configs.load import load
from training.publish.versions import standing_in_for

EXCEPTIONS = {
    "docker build -t vitrine .": "needs Docker; tests/test_container.py builds the same Dockerfile by buildah",
    **dict.fromkeys(
        (
            "docker run -p 8000:8000 vitrine",
            'docker run -p 8000:8000 -v "$PWD/model_store:/srv/model_store:ro" vitrine',
            "docker run --rm -p 8000:8000 --read-only --cap-drop ALL "
            '-v "$PWD/model_store:/srv/model_store:ro" vitrine',
        ),
        "needs Docker; tests/test_container.py runs the image by podman, with a store of one's own too",
    ),
    "curl -o samples.png 'http://127.0.0.1:8080/samples?n=21'": "asks what compose starts; tests/test_compose.py reads it",
    "apt-get install fonts-noto-color-emoji unicode-data": "installs; .ci/run does it for tests/training/data",
    "python -m pip install ./client": "installs; tests/client/test_packaging.py builds the wheel and uses it",
    **dict.fromkeys(
        (
            "vitrine keygen release.key",
            "vitrine sign fashion@8 --key release.key",
            "VITRINE_TRUSTED_KEYS=release.key.pub vitrine serve",
        ),
        "writes a key and beside a shipped version; tests/app/commands/test_signing.py does it in a copy",
    ),
    **dict.fromkeys(
        (
            "vitrine models push fashion@8 s3://bucket/models",
            "VITRINE_MODEL_STORE=s3://bucket/models vitrine serve",
        ),
        "needs a bucket; tests/test_remote_store.py does both with an S3 server of this machine",
    ),
    "podman build --format docker -t vitrine .": "tests/test_container.py builds the same Dockerfile by buildah",
}
READERS_OWN = ("photos",)  # folders that a document takes for granted: they are the reader's
# Indented blocks that are no commands, by their first line.
NO_COMMANDS = {
    "docs/architecture.md": ("training/  --writes-->", "types, errors, quiet, determinism, sources <"),
    "docs/export-page.md": ("page: fashion@",),
    "docs/glossary.md": ("L(q) = ", "L_k = "),
    "docs/your-pictures.md": ("found: 40 pictures", "photos/ "),
    "docs/operating.md": ("mine/8: ",),
    "docs/training.md": ("[objective.final_phase]",),
    "model_store/README.md": (
        "model_store/",
        '{\n "format": 1,',
        "given + O relu(",
        "255 m + 255 (",
        "ed25519 PUBLIC-KEY",
    ),
}
# Python runs in the test that is named.
PYTHON = {
    "README.md": "tests/test_docs.py",
    "client/README.md": "tests/client/test_documents.py",
    "docs/client.md": "tests/client/test_documents.py",
    "docs/extending.md": "tests/test_extending.py",
    "docs/inference-protocol.md": "tests/test_inference_clients.py",
    "docs/provenance.md": "tests/test_docs.py",
    "docs/your-pictures.md": "tests/test_docs.py",
}
SHELLS = ("sh", "bash", "shell")
NO_SHELLS = ("toml", "json", "yaml", "ini", "nginx", "dockerfile", "text", "http", "html")


def documents():
    """Every document with commands for its reader.

    The card of a version that somebody trained on pictures of their own is none: they are not here.
    """
    paths = {*PROJECT.glob("*.md"), *(PROJECT / "docs").rglob("*.md"), *PROJECT.glob("*/README.md")}
    cards = [path for path in SHIPPED_STORE.glob("*/*/card.md") if " --data " not in path.read_text()]
    return sorted(path.relative_to(PROJECT).as_posix() for path in (*paths, *cards))


def blocks(text):
    """(kind, text) of every block of a document; the kind is a fence's language, or ``indented``."""
    fence = re.compile(r"^```(\S*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
    found = [(match.start(), match[1], match[2]) for match in fence.finditer(text)]
    rest = fence.sub(lambda match: re.sub(r"[^\n]", "-", match[0]), text)
    for match in re.finditer(r"(?<=\n\n)(?: {4}.*\n|\n(?= {4}))+", rest):
        found.append((match.start(), "indented", re.sub(r"^ {4}", "", match[0], flags=re.MULTILINE)))
    return [(kind, content) for _, kind, content in sorted(found)]


def commands_of(document, text):
    """The commands of a document, in their order; an AssertionError if nobody says what a block is."""
    found = []
    for kind, content in blocks(text):
        lines = content.replace("\\\n", " ").splitlines()
        lines = [line for line in lines if line.strip() and not line.startswith("#")]
        if kind == "indented" and any(content.startswith(start) for start in NO_COMMANDS.get(document, ())):
            continue
        if kind == "python":
            assert document in PYTHON, f"{document}: which test runs its Python?"
        elif kind not in NO_SHELLS:
            assert kind in (*SHELLS, "indented"), f"{document}: is a block of {kind!r} a command? {content}"
            found += [re.sub(r"\s+# .*$", "", line).strip() for line in lines]
    return found


class Clone:
    """A copy of the project, in which the commands of one document are run or checked one after the other.

    Args:
        folder: where it lies; what a command writes stays there.
        stack: ends its server.

    Attributes:
        runs: the run folders that the commands so far would have made.
    """

    def __init__(self, folder, stack):
        self.folder, self.stack = folder, stack
        self.runs, self.server = set(), None
        for name in (
            "app",
            "benchmarks",
            "client",
            "docs",
            "front-end",
            "model_store",
            "requirements",
            "training",
        ):
            (folder / name).symlink_to(PROJECT / name)
        for name in ("Makefile", "pyproject.toml", "Dockerfile"):
            (folder / name).symlink_to(PROJECT / name)
        (folder / ".venv").symlink_to(sys.prefix)
        for name in READERS_OWN:
            (folder / name).mkdir()
        (folder / ".curlrc").write_text("silent\nfail\n")  # a refusal is a failure

    def run(self, command, **variables):
        """Run a command by a shell, in an environment in which the project is installed and nothing else is set."""
        environment = {
            "PATH": f"{Path(sys.prefix) / 'bin'}:{os.defpath}",
            "HOME": str(self.folder),
        } | variables
        done = subprocess.run(
            ["bash", "-e", "-c", command],
            cwd=self.folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"

    @property
    def url(self):
        """Where a server with default settings is, started for the first who asks."""
        if self.server is None:
            self.server = self.stack.enter_context(serving(self.folder, VITRINE_DEFAULT_MODEL=FASHION))
        return self.server.url

    def ask(self, command):
        """Run curl, which asks the server."""
        assert "http://127.0.0.1:8000" in command, command
        self.run(command.replace("http://127.0.0.1:8000", self.url))

    def draw(self, command):
        """Run a command that asks the server for a picture; the file that it names is there then."""
        self.run(f"set -o pipefail; {command}", VITRINE_URL=self.url)
        for named in re.findall(r"(?:-o|>) (\w[\w.]*)", command):
            assert (self.folder / named).stat().st_size, command

    def make(self, command):
        """Have make say what it would do.

        `.ci/run` makes lint and test on a bare machine, which sets up first. `serve` and `train` are commands that
        are tested as they stand in README; the rest installs packages.
        """
        self.run(f"{command} --dry-run")

    def serve(self, command):
        """Check the settings before a command, and its arguments; tests/test_process.py serves."""
        words = shlex.split(command)
        while "=" in words[0]:
            assert words.pop(0).partition("=")[0] in map(variable, Settings.model_fields), command
        assert words.pop(0) == "vitrine"
        for network in re.findall(r"[\w.]+\.keras", command):  # which has to be there
            (self.folder / network).touch()
        with contextlib.chdir(self.folder):
            parsed(serving_cli, words)

    def install(self, command):
        """Check what is run, from where packages are published or from `make dist`; `test_distribution.py` does it."""
        words = shlex.split(command)
        wheel = f"dist/{DISTRIBUTION.replace('-', '_')}-{metadata.version(DISTRIBUTION)}-py3-none-any.whl"
        assert "--from" not in words or words[words.index("--from") + 1] == wheel, command
        arguments = words[words.index(DISTRIBUTION) + 1 :]
        if "install" in words:
            assert not arguments, command
        else:
            parsed(serving_cli, arguments)

    def export(self, command):
        """Write a page, if LiteRT.js is installed, else check the arguments; tests/browser/test_export_page.py opens it."""
        _, given = parsed(serving_cli, shlex.split(command)[1:])
        if installed():
            self.run(command)
        else:
            (self.folder / given["out"]).mkdir()
            (self.folder / given["out"] / "index.html").touch()

    def host(self, command):
        """Check that the folder is there whose files are served."""
        assert (self.folder / shlex.split(command)[-1] / "index.html").is_file(), command

    def train(self, command):
        """Check what a command reads.

        tests/test_docs.py trains by README's, tests/training/test_cli.py by a card's; what convert writes, which
        here would be the project's own store, is the matter of tests/training/publish/test_convert.py.
        """
        name, given = parsed(training.cli, shlex.split(command)[1:])
        if name == "fit":
            experiment = load(given["config"])
            of_seed = "" if given["seed"] is None else f"-seed{given['seed']}"
            out = given["out"] or Path("runs") / f"{experiment.name}{of_seed}"
            own = experiment.data.name == "images"
            assert given["data_folder"].exists() if own else given["data_folder"] is None, command
            assert out not in self.runs, f"{command}: {out} holds a run already"
            self.runs.add(out)
        elif name == "sweep":
            assert all(load(config) for config in given["configs"]), command
        elif name == "convert":
            assert (given["version"] / "manifest.json").exists(), command
        elif "run" in given:
            assert given["run"] in self.runs, f"{command}: no command before it makes {given['run']}"
        reference = given.get("reference_folder")
        if reference is not None:
            assert given["quality"]
            found = standing_in_for(reference) or reference
            assert reference in self.runs or (found / "manifest.json").exists(), command

    def look(self, command):
        """Programs of a cluster or of containers: what a command names of the project is there."""
        named = [word for word in shlex.split(command) if word.startswith(("deploy/", "model_store"))]
        assert all((PROJECT / word).exists() for word in named), command

    def measure(self, command):
        """Check the arguments of a benchmark: it takes from a minute to hours."""
        _, *words = shlex.split(command)
        done = benchmark(words, "stop")
        assert done.returncode == 0, f"{command}\n{done.stderr}"


HANDLERS = {
    r"cp |eval |openssl rand |chmod |\. \.venv/bin/activate$|vitrine models$|vitrine keys |VITRINE_URL_KEY=\S+ vitrine sign-url |vitrine-train describe ": Clone.run,
    r"curl ": Clone.ask,
    rf"(echo .* \| )?vitrine ({'|'.join(SUMMARIES)})\b": Clone.draw,
    r"make ": Clone.make,
    r"uvx |uv tool install |pipx (run|install) ": Clone.install,
    r"(VITRINE_\w+=\S+ )*vitrine (serve|bench|models|health)\b": Clone.serve,
    r"vitrine export-page ": Clone.export,
    r"python -m http.server --directory ": Clone.host,
    r"vitrine-train ": Clone.train,
    r"\.venv/bin/python (-m benchmarks\.|benchmarks/)\w+": Clone.measure,
    r"helm |kubectl |docker compose |buildah |ray |serve run |export RAY_": Clone.look,
}


@pytest.fixture
def clone(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # checks look for files by the paths that a command has
    with contextlib.ExitStack() as stack:
        yield Clone(tmp_path, stack)


def handle(clone, document, text):
    """Run or check the commands of a document in turn; the files that it has its reader write are there."""
    for name, content in re.findall(
        r"into `([\w-]+\.toml)`:\n\n```toml\n(.*?)^```", text, re.MULTILINE | re.DOTALL
    ):
        (clone.folder / name).write_text(content)
    for name in re.findall(r'^np\.savez\("([\w-]+\.npz)"', text, re.MULTILINE):
        (clone.folder / name).touch()
    for command in commands_of(document, text):
        if command not in EXCEPTIONS:
            handlers = [handler for pattern, handler in HANDLERS.items() if re.match(pattern, command)]
            assert handlers, f"neither run, nor checked, nor an exception: {command}"
            handlers[0](clone, command)


def resolved(group, words):
    """The name of a command of click's, the command, and the words behind its name; of a group's, the innermost."""
    name, command, rest = group.resolve_command(click.Context(group), words)
    if isinstance(command, click.Group) and rest and not rest[0].startswith("-"):
        return resolved(command, rest)
    if isinstance(command, JobCommand):
        command = command.meant_by(rest)
    return name, command, rest


def parsed(group, words):
    """The name and the arguments of a command of click's, which is not run; a wrong one is a UsageError."""
    name, command, rest = resolved(group, words)
    return name, command.make_context(name, rest).params


# Runs a module or a file as python does; with "stop", until it has read its arguments.
DRIVER = """
import argparse, runpy, sys
stop, *words = sys.argv[1:]
read = argparse.ArgumentParser.parse_args
def parse_args(self, *arguments):
    read(self, *arguments)
    sys.exit(0)
if stop:
    argparse.ArgumentParser.parse_args = parse_args
sys.path.insert(0, ".")
if words[0] == "-m":
    sys.argv = words[1:]
    runpy.run_module(words[1], run_name="__main__")
else:
    sys.argv = words
    runpy.run_path(words[0], run_name="__main__")
sys.exit("it went on")
"""


def benchmark(words, stop=""):
    """Run a benchmark in a process of its own."""
    return subprocess.run(
        [sys.executable, "-c", DRIVER, stop, *words], cwd=PROJECT, capture_output=True, text=True, check=False
    )


@pytest.mark.process
@pytest.mark.tensorflow
@pytest.mark.parametrize("document", documents())
def test_every_command_of_a_document_works_as_printed(document, clone):
    handle(clone, document, (PROJECT / document).read_text())


@pytest.mark.parametrize("document", documents())
def test_every_command_within_a_sentence_exists_with_its_options(document):
    groups = {"vitrine": serving_cli, "vitrine-train": training.cli}
    for span in re.findall(r"`((?:vitrine|vitrine-train|make) [^`]+)`", (PROJECT / document).read_text()):
        program, *words = span.split()
        if program == "make":
            targets = set(re.findall(r"^([a-z-]+):", (PROJECT / "Makefile").read_text(), re.MULTILINE))
            assert {word for word in words if "=" not in word} <= targets, span
            continue
        name, command, rest = resolved(groups[program], words)
        parameters = command.get_params(click.Context(command))
        known = {option for parameter in parameters for option in parameter.opts} | {"--help"}
        assert {word.partition("=")[0] for word in rest if word.startswith("--")} <= known, (name, span)
        for word in rest:
            if word.startswith("training/"):
                load(PROJECT / word)


@pytest.mark.parametrize("document", ["README.md", "docs/commands.md"])
def test_a_shell_is_told_where_the_commands_are_before_the_first_of_them(document):
    printed = commands_of(document, (PROJECT / document).read_text())
    first = next(number for number, command in enumerate(printed) if re.match(r"vitrine", command))
    assert ". .venv/bin/activate" in printed[:first]


def test_every_exception_stands_in_a_document_and_has_a_reason():
    printed = [command for name in documents() for command in commands_of(name, (PROJECT / name).read_text())]
    assert len(printed) > 40
    assert set(EXCEPTIONS) <= set(printed)
    assert all(EXCEPTIONS.values())
    for document, test in PYTHON.items():
        assert (PROJECT / document).exists()
        assert (PROJECT / test).exists()


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("\n\n    rm -rf runs\n", "neither run"),
        ("\n\n```sh\nfrobnicate\n```\n", "neither run"),
        ("\n\n```\nvitrine serve\n```\n", "is a block of '' a command"),
        ("\n\n```python\nprint()\n```\n", "which test runs"),
        ("\n\n    a formula = 3\n", "neither run"),
        ("\n\n    vitrine-train evaluate runs/fashion\n", "no command before it makes runs/fashion"),
        ("\n\n    vitrine-train fit training/configs/fashion.toml\n" * 2, "holds a run already"),
        ("\n\n    VITRINE_PROT=1 vitrine serve\n", "VITRINE_PROT"),
        ("\n\n    uvx --from dist/vitrine-1.whl vitrine-vae serve\n", "vitrine-1.whl"),
    ],
)
def test_a_new_command_that_nobody_runs_or_excuses_fails(text, complaint, clone):
    with pytest.raises(AssertionError, match=complaint):
        handle(clone, "docs/new.md", text)


@pytest.mark.parametrize(
    "command", ["vitrine-train fit nowhere.toml", "vitrine-train evaluate x --wrong", "vitrine bench --wrong"]
)
def test_a_command_with_wrong_arguments_fails(command, clone):
    with pytest.raises((click.UsageError, training.ConfigError)):
        handle(clone, "docs/new.md", f"```sh\n{command}\n```\n")


BENCHMARKS = [
    path.stem for path in sorted((PROJECT / "benchmarks").glob("*.py")) if "__main__" in path.read_text()
]


@pytest.mark.tensorflow
@pytest.mark.parametrize("name", BENCHMARKS)
def test_a_benchmark_that_is_asked_for_help_does_nothing_else(name):
    done = benchmark(["-m", f"benchmarks.{name}", "--help"])
    assert (done.returncode, done.stdout.partition(":")[0]) == (0, "usage"), done.stderr


def test_every_version_that_a_document_names_is_in_the_store():
    for document in documents():
        for name, version in re.findall(r"\b(fashion[a-z-]*)[@/](\d+)\b", (PROJECT / document).read_text()):
            assert (SHIPPED_STORE / name / version / "manifest.json").exists(), (
                f"{document}: {name}@{version}"
            )
