"""Who may import whom. The rules stand in docs/architecture.md; a rule that nothing enforces is a wish."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import PROJECT

APP = sorted((PROJECT / "app").rglob("*.py"))
TRAINING = sorted((PROJECT / "training").rglob("*.py"))

HTTP_MODULES = ("app/main.py", "app/http/")

# What is forbidden, in which files, but for which.
RULES = [
    ("training", APP, ()),
    ("app", TRAINING, ()),
    ("fastapi", APP, HTTP_MODULES),
    ("starlette", APP, HTTP_MODULES),
    ("tensorflow", APP, ("app/runtimes/",)),
    ("ai_edge_litert", APP, ("app/runtimes/",)),
    ("keras", APP, ()),
    ("PIL", APP, ("app/pictures/",)),
    ("matplotlib", APP, ()),
    ("fastapi", TRAINING, ()),
    ("PIL", TRAINING, ("training/data/pictures.py",)),
]

# What each module or package of the service may import of the others; one not named here may import anything.
MODULES = {
    "errors": set(),
    "cores": set(),
    "profiles": {"cores"},
    "settings": {"cores", "profiles"},
    "latent": {"errors"},
    "metrics": set(),
    "pictures": {"errors", "pictures"},
    "engine": {"engine", "errors", "metrics"},
    "runtimes": {"runtimes"},
    "store": {"errors"},
    "priors": {"errors", "latent", "store"},
    "models": {"engine", "errors", "pictures", "priors", "runtimes", "store"},
    "explore": {"engine", "errors", "explore", "latent", "models", "pictures", "settings"},
}


def imported(source):
    """Names of the modules that a source imports, at the top or inside a function."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


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


@pytest.mark.parametrize("module", MODULES)
def test_a_module_of_the_service_imports_only_those_below_it(module):
    files = [path for path in APP if path.relative_to(PROJECT / "app").parts[0].removesuffix(".py") == module]
    assert files
    for path in files:
        found = {name.split(".")[1] for name in imported(path.read_text()) if name.startswith("app.")}
        assert found <= MODULES[module], path


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
    names = {path.stem for path in APP + TRAINING + sorted((PROJECT / "tests").rglob("*.py"))}
    assert not names & {"util", "utils", "helper", "helpers", "common", "misc"}


def loaded_by(statement):
    code = f"import sys; {statement}; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=PROJECT, check=True
    )
    return {name.split(".")[0] for name in done.stdout.split()}


def test_importing_the_service_loads_neither_tensorflow_nor_matplotlib_nor_training():
    assert not loaded_by("import app.main") & {"tensorflow", "keras", "matplotlib", "training"}


SERVE = """
from app import models, runtimes, settings, store
served = models.Models(store.scan(settings.Settings().model_store), runtimes.opener('auto'), 1)
served.open_default('fashion-dense@4')
served.get(served.find('fashion-dense@4')).decode(__import__('numpy').zeros((32, 10), 'f4'))
"""


def test_serving_with_litert_never_loads_tensorflow():
    loaded = loaded_by(f"import app.main; exec({SERVE!r})")
    assert "ai_edge_litert" in loaded
    assert not loaded & {"tensorflow", "keras", "matplotlib", "training"}


def test_the_check_can_fail():
    assert "tensorflow" in loaded_by("import app.main, app.runtimes.tensorflow")
    assert breaches("numpy", [PROJECT / "app" / "latent.py"], ()) == ["app/latent.py"]
    assert breaches("numpy", [PROJECT / "app" / "latent.py"], ("app/latent.py",)) == []
    assert "tensorflow" in {
        name.split(".")[0] for name in imported("def f():\n    import tensorflow.io as x")
    }


def test_every_source_file_has_its_test_file():
    missing = []
    for path in APP + TRAINING:
        relative = path.relative_to(PROJECT)
        if path.name == "__init__.py" or relative.as_posix() in WITHOUT_OWN_TEST:
            continue
        if not (PROJECT / "tests" / relative.parent / f"test_{path.name}").exists():
            missing.append(relative.as_posix())
    assert missing == []


# Files tested through another's tests, which this names.
WITHOUT_OWN_TEST = {
    "app/http/queries.py": "tests/app/http/test_pictures.py",
    "app/metrics.py": "tests/app/http/test_status.py",
    "app/runtimes/tensorflow.py": "tests/test_contract.py",
    "training/errors.py": "tests/training/test_cli.py",
    "training/figures.py": "tests/training/fitting/test_fit.py",
    "training/types.py": "tests/test_imports.py",
}


def test_a_file_without_a_test_file_of_its_own_names_one_that_exists():
    for source, test in WITHOUT_OWN_TEST.items():
        assert Path(PROJECT / source).exists()
        assert Path(PROJECT / test).exists()
