"""Who may import whom. The rules stand in docs/architecture.md; a rule that nothing enforces is a wish."""

import ast
import functools
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import PROJECT, SHIPPED_MODEL, SHIPPED_STORE

APP = sorted((PROJECT / "app").rglob("*.py"))
TRAINING = sorted((PROJECT / "training").rglob("*.py"))
CLIENT = sorted((PROJECT / "client").rglob("*.py"))

HTTP_MODULES = ("app/main.py", "app/http/")

# What is forbidden, in which files, but for which.
RULES = [
    ("training", APP, ()),
    ("app", TRAINING, ()),
    ("app", CLIENT, ()),
    ("training", CLIENT, ()),
    ("vitrine_client", APP, ("app/commands/",)),
    ("vitrine_client", TRAINING, ()),
    ("fastapi", APP, HTTP_MODULES),
    ("starlette", APP, HTTP_MODULES),
    ("tensorflow", APP, ("app/runtimes/",)),
    ("ai_edge_litert", APP, ("app/runtimes/",)),
    ("keras", APP, ()),
    ("PIL", APP, ("app/pictures/",)),
    ("matplotlib", APP, ()),
    ("fastapi", TRAINING, ()),
    ("PIL", TRAINING, ("training/data/pictures.py", "training/data/emoji.py")),
]

ARCHITECTURE = (PROJECT / "docs" / "architecture.md").read_text()
MAX_FILE_LINES, MAX_FUNCTION_LINES, MAX_PARAMETERS = 350, 50, 7


def rows_of_the_service():
    """Each module or package of the service, and what its row in docs/architecture.md lets it import."""
    for name, allowed in re.findall(r"^\| `(\w+)(?:\.py|/)` \|.*\| ([^|]+) \|$", ARCHITECTURE, re.MULTILINE):
        if allowed not in ("all of app", "-"):
            yield name, {name} | (set() if allowed == "nothing" else set(allowed.split(", ")))


def layers_of_training():
    """The layers of training that docs/architecture.md names, the lowest first, each a set of modules."""
    chain = re.search(r"^    types, errors.*?\n\n", ARCHITECTURE, re.MULTILINE | re.DOTALL)[0]
    return [{name.strip() for name in layer.split(",")} for layer in chain.split("<")]


SERVICE = dict(rows_of_the_service())
LAYERS = layers_of_training()


@functools.cache  # some fifteen rules ask it of each file
def imported(source):
    """Names of the modules that a source imports, at the top or inside a function."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            found += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return tuple(found)


def breaches(module, files, allowed):
    return [
        name
        for path in files
        if not (name := path.relative_to(PROJECT).as_posix()).startswith(tuple(allowed) or ("/",))
        if any(found.split(".")[0] == module for found in imported(path.read_text()))
    ]


@pytest.mark.parametrize(("module", "files", "allowed"), RULES, ids=lambda value: str(value)[:20])
def test_a_forbidden_module_is_imported_nowhere(module, files, allowed):
    assert breaches(module, files, allowed) == []


@pytest.mark.parametrize("module", SERVICE)
def test_a_module_of_the_service_imports_only_what_its_row_allows(module):
    files = [path for path in APP if path.relative_to(PROJECT / "app").parts[0].removesuffix(".py") == module]
    assert files
    for path in files:
        found = {name.split(".")[1] for name in imported(path.read_text()) if name.startswith("app.")}
        assert found <= SERVICE[module], path


def test_every_module_of_the_service_has_a_row():
    modules = {path.relative_to(PROJECT / "app").parts[0].removesuffix(".py") for path in APP}
    assert modules - {"__init__", "main"} == set(SERVICE)


def layer_of(module):
    """Number of the layer of a dotted module of training: that of its longest name that a layer has."""
    parts = module.split(".")[1:]
    for length in range(len(parts), 0, -1):
        for number, layer in enumerate(LAYERS):
            if ".".join(parts[:length]) in layer:
                return number
    return None


def upward_imports(module, source):
    """What a module of training imports from layers above its own, or beside it in another package."""
    own, package = layer_of(module), module.split(".")[1]
    for name in imported(source):
        layer = layer_of(name) if name.startswith("training.") else None
        if layer is not None and name.split(".")[1] != package and layer >= own:
            yield name


def module_of(path):
    parts = path.relative_to(PROJECT).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


@pytest.mark.parametrize("path", TRAINING, ids=lambda path: path.relative_to(PROJECT).as_posix())
def test_a_module_of_training_imports_only_from_the_layers_below_it(path):
    module = module_of(path)
    if module == "training":
        # For what TensorFlow reads of the environment, and what it writes while it is imported.
        assert imported(path.read_text()) == ("os", "training", "training.quiet")
        return
    assert layer_of(module) is not None
    assert list(upward_imports(module, path.read_text())) == []


def test_an_import_from_a_layer_above_is_found():
    source = "def f():\n    from training.evaluation.evaluate import evaluate\n    import training.errors"
    assert list(upward_imports("training.metrics.kl", source)) == [
        "training.evaluation.evaluate",
        "training.evaluation.evaluate.evaluate",
    ]
    assert list(upward_imports("training.publish.export", source)) == []
    assert list(upward_imports("training.priors.base", "from training.fitting import fit")) != []


def oversized(source):
    """Functions that are too long or take too much, and the file itself if it is too long."""
    if source.count("\n") > MAX_FILE_LINES:
        yield "file"
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            parameters = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
            taken = [each.arg for each in parameters if each.arg not in ("self", "cls")]
            lines = node.end_lineno - node.lineno + 1
            if lines > MAX_FUNCTION_LINES or len(taken) > MAX_PARAMETERS:
                yield node.name


@pytest.mark.parametrize(
    "path", APP + TRAINING + CLIENT, ids=lambda path: path.relative_to(PROJECT).as_posix()
)
def test_no_file_is_over_350_lines_and_no_function_over_50_lines_or_seven_parameters(path):
    assert list(oversized(path.read_text())) == []


def test_what_is_oversized_is_found():
    assert list(oversized("x = 1\n" * 351)) == ["file"]
    assert list(oversized("def long():\n" + "    x = 1\n" * 50)) == ["long"]
    assert list(oversized("def wide(a, b, c, d, *, e, f, g, h): ...")) == ["wide"]
    assert list(oversized("class C:\n    def m(self, a, b, c, d, e, f, g): ...")) == []


def test_the_environment_is_read_in_settings_only():
    for path in APP:
        reads = [line for line in path.read_text().splitlines() if "environ" in line or "getenv" in line]
        if path.name != "settings.py":
            # Writing is another thing: for TensorFlow before it is imported, for worker processes.
            assert all(
                "environ.setdefault(" in line or "environ.update(" in line or 'environ["PROM' in line
                for line in reads
                if not line.strip().startswith(('"""', "#")) and "the environment" not in line
            ), path


def test_no_file_is_named_for_everything():
    names = {path.stem for path in APP + TRAINING + CLIENT + sorted((PROJECT / "tests").rglob("*.py"))}
    assert not names & {"util", "utils", "helper", "helpers", "common", "misc"}


def loaded_by(statement, **environment):
    code = f"import sys; {statement}; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        cwd=PROJECT,
        check=True,
    )
    return {name.split(".")[0] for name in done.stdout.split()}


def test_importing_the_client_loads_httpx_and_nothing_of_ours():
    loaded = loaded_by("import vitrine_client")
    assert "httpx" in loaded
    assert not loaded & {"numpy", "PIL", "app", "training"}


def test_importing_the_service_loads_neither_tensorflow_nor_matplotlib_nor_training():
    assert not loaded_by("import app.main") & {"tensorflow", "keras", "matplotlib", "training"}


def test_a_store_that_is_a_folder_loads_nothing_of_what_those_at_addresses_need(fake_store):
    prepared = f"stores.prepared(Settings(model_store={str(fake_store)!r}), fresh=True)"
    code = (
        "import sys, app.cli, app.service; from app.mirror import stores; from app.settings import Settings; "
        f"assert {prepared}.mirror is None; print(*sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=PROJECT, check=True
    )
    loaded = set(done.stdout.split())
    assert "app.mirror.stores" in loaded
    assert not loaded & {"fsspec", "s3fs", "botocore", "httpx", "app.mirror.mirror", "app.registry.objects"}


# What some commands, settings or stores need, and a service as it is by default does not: megabytes each.
UNUSED_BY_DEFAULT = {
    "PIL.AvifImagePlugin",
    "PIL.PdfImagePlugin",
    "PIL.TiffImagePlugin",
    "app.http.exported",
    "app.jobs",
    "app.mirror.mirror",
    "app.rendering",
    "app.tabulating",
    "botocore",
    "cryptography",
    "fsspec",
    "httpx",
    "keras",
    "matplotlib",
    "opentelemetry.sdk",
    "pandas",
    "pyarrow",
    "ray",
    "s3fs",
    "scipy",
    "tensorflow",
    "training",
    "vitrine_client",
}
STARTED = """
import asyncio, sys, threading, app.cli, app.server
from app.main import create_app
from app.settings import Settings

async def main():
    app = create_app(Settings(model_store={store!r}, default_model={model!r}))
    async with app.router.lifespan_context(app):
        while any(each.name == "imports" for each in threading.enumerate()):
            await asyncio.sleep(0.05)
        print(*sys.modules)

asyncio.run(main())
"""


def test_a_service_as_it_is_by_default_has_nothing_heavy_loaded_that_it_does_not_use():
    code = STARTED.format(store=str(SHIPPED_STORE), model=SHIPPED_MODEL)
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=PROJECT, check=True
    )
    loaded = set(done.stdout.split())
    assert {"app.runtimes.litert", "app.http.imports", "PIL.WebPImagePlugin"} <= loaded
    assert not loaded & UNUSED_BY_DEFAULT


SERVE = """
from app import models, runtimes, settings, store
served = models.Models(store.scan(settings.Settings().model_store), runtimes.opener('auto'), 1)
served.open_default('fashion-dense@7')
served.get(served.find('fashion-dense@7')).decode(__import__('numpy').zeros((32, 10), 'f4'))
"""


def test_serving_with_litert_never_loads_tensorflow():
    loaded = loaded_by(f"import app.main; exec({SERVE!r})")
    assert "ai_edge_litert" in loaded
    assert not loaded & {"tensorflow", "keras", "matplotlib", "training"}


def test_the_check_can_fail(tmp_path):
    (tmp_path / "tensorflow.py").touch()  # by that name, without the seconds that the real one takes
    assert "tensorflow" in loaded_by("import app.main, app.runtimes.tensorflow", PYTHONPATH=str(tmp_path))
    assert breaches("numpy", [PROJECT / "app" / "latent.py"], ()) == ["app/latent.py"]
    assert breaches("numpy", [PROJECT / "app" / "latent.py"], ("app/latent.py",)) == []
    assert "tensorflow" in {
        name.split(".")[0] for name in imported("def f():\n    import tensorflow.io as x")
    }


def test_every_source_file_has_its_test_file():
    missing = []
    for path in APP + TRAINING + CLIENT:
        relative = path.relative_to(PROJECT)
        if path.name == "__init__.py" or relative.as_posix() in WITHOUT_OWN_TEST:
            continue
        if path in CLIENT:  # its folder holds one package, which needs none of its own among the tests
            relative = Path("client", path.name)
        if not (PROJECT / "tests" / relative.parent / f"test_{path.name}").exists():
            missing.append(relative.as_posix())
    assert missing == []


# Files tested through another's tests, which this names.
WITHOUT_OWN_TEST = {
    "app/http/navigation.py": "tests/app/http/test_views.py",
    "app/http/pages.py": "tests/app/http/test_views.py",
    "app/http/bodies.py": "tests/app/http/test_points.py",
    "app/http/samples.py": "tests/app/http/test_pictures.py",
    "app/http/walks.py": "tests/app/http/test_pictures.py",
    "app/http/reconstructions.py": "tests/app/http/test_pictures.py",
    "app/manifest.py": "tests/app/test_store.py",
    "app/metrics.py": "tests/app/http/test_status.py",
    "app/registry/refusals.py": "tests/app/registry/test_labelling.py",
    "app/runtimes/tensorflow.py": "tests/test_contract.py",
    "client/vitrine_client/version.py": "tests/client/test_packaging.py",
    "training/options.py": "tests/training/test_cli.py",
    "training/errors.py": "tests/training/test_cli.py",
    "training/figures.py": "tests/training/fitting/test_fit.py",
    "training/output.py": "tests/training/test_cli.py",
    "training/types.py": "tests/test_imports.py",
}


def test_a_file_without_a_test_file_of_its_own_names_one_that_exists():
    for source, test in WITHOUT_OWN_TEST.items():
        assert Path(PROJECT / source).exists()
        assert Path(PROJECT / test).exists()
