"""Against a stand-in for MLflow's client, with its names and arguments; the library itself is an extra."""

import importlib.machinery
import json
import sys
from types import ModuleType, SimpleNamespace

import pytest

pytestmark = pytest.mark.tensorflow

from training.errors import RunError  # noqa: E402
from training.fitting import fit, loop  # noqa: E402


class Server:
    """What a tracking server was told."""

    def __init__(self):
        self.experiments, self.runs, self.fails = {}, {}, False

    def __call__(self, tracking_uri):
        self.uri = tracking_uri
        return self

    def get_experiment_by_name(self, name):
        self.answer()
        return self.experiments.get(name)

    def create_experiment(self, name):
        self.experiments[name] = SimpleNamespace(experiment_id=name)
        return name

    def create_run(self, experiment_id, run_name=None, tags=None):
        number = f"run{len(self.runs)}"
        told = {"experiment": experiment_id, "name": run_name, "tags": tags, "params": {}, "metrics": []}
        self.runs[number] = told | {"ended": False}
        return SimpleNamespace(info=SimpleNamespace(run_id=number))

    def get_run(self, run_id):
        return self.runs[run_id]

    def log_batch(self, run_id, metrics=(), params=()):
        self.answer()
        self.runs[run_id]["params"] |= {param.key: param.value for param in params}
        self.runs[run_id]["metrics"] += [(each.step, each.key, each.value) for each in metrics]

    def set_terminated(self, run_id):
        self.answer()
        self.runs[run_id]["ended"] = True

    def answer(self):
        if self.fails:
            raise ConnectionError("the server is away\nfor long")


@pytest.fixture
def server(monkeypatch):
    server, module = Server(), ModuleType("mlflow")
    module.__spec__ = importlib.machinery.ModuleSpec("mlflow", None)
    module.MlflowClient = server
    module.entities = SimpleNamespace(
        Param=lambda key, value: SimpleNamespace(key=key, value=value),
        Metric=lambda key, value, timestamp, step: SimpleNamespace(key=key, value=value, step=step),
    )
    monkeypatch.setitem(sys.modules, "mlflow", module)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "3")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    return server


def train(config, dataset, out, **options):
    return fit.fit(config, dataset, out, progress=False, mlflow="http://tracking", **options)


def every_number(run):
    history = json.loads((run / "history.json").read_text())
    return [
        (epoch + 1, name, values[epoch])
        for epoch in range(len(history["loss"]))
        for name, values in history.items()
    ]


def test_a_server_has_the_configuration_every_number_and_the_run_folder(
    server, tiny_config, tiny_dataset, tiny_run, tmp_path
):
    found = train(tiny_config, tiny_dataset, tmp_path / "run")
    (run,) = server.runs.values()
    assert (server.uri, run["experiment"], run["name"], run["ended"]) == (
        "http://tracking",
        "tiny",
        "run",
        True,
    )
    assert run["tags"] == {"vitrine.run": str(tmp_path / "run")}
    assert run["params"]["optimizer.learning_rate"] == "0.01"
    assert run["params"]["seed"] == "3"
    assert run["metrics"] == every_number(tmp_path / "run")
    untracked = json.loads((tiny_run / "environment.json").read_text())
    assert found["weights_sha256"] == untracked["weights_sha256"]


def test_a_resumed_run_goes_on_in_the_run_that_it_began(server, tiny_config, tiny_dataset, tmp_path):
    train(tiny_config, tiny_dataset, tmp_path / "run")
    train(tiny_config.replaced({"optimizer.epochs": 4}), tiny_dataset, tmp_path / "run", resume=True)
    (run,) = server.runs.values()
    assert run["metrics"] == every_number(tmp_path / "run")
    assert {step for step, _, _ in run["metrics"]} == {1, 2, 3, 4}


def test_a_server_that_goes_away_stops_nothing_and_hears_later_what_it_missed(
    server, tiny_config, tiny_dataset, tmp_path, monkeypatch, capsys
):
    order = loop.order_of

    def order_of(seed, epoch, *rest):
        server.fails = epoch == 0
        return order(seed, epoch, *rest)

    monkeypatch.setattr(loop, "order_of", order_of)
    train(tiny_config, tiny_dataset, tmp_path / "run")
    assert "warning, epoch 1: --mlflow http://tracking: the server is away\n" in capsys.readouterr().err
    (run,) = server.runs.values()
    assert run["metrics"] == every_number(tmp_path / "run")


def test_a_server_that_does_not_answer_at_the_beginning_is_told_before_training(
    server, tiny_config, tiny_dataset, tmp_path
):
    server.fails = True
    with pytest.raises(RunError, match=r"^--mlflow http://tracking: cannot be used \(the server is away\)$"):
        train(tiny_config, tiny_dataset, tmp_path / "run")
    assert not (tmp_path / "run" / "history.json").exists()


def test_without_the_library_one_line_says_what_to_install(tiny_config, tiny_dataset, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "mlflow", None)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(RunError, match=r"pip install 'vitrine-vae\[mlflow\]'$"):
        train(tiny_config, tiny_dataset, tmp_path / "run")
