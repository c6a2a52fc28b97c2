"""A run as an MLflow server keeps it: the configuration, every epoch's numbers, and where the run folder is.

The server is no part of the run: if it fails while training goes on, training goes on, and the epochs that
are missing are sent with a later one, or when the run is resumed.
"""

import json
import os
import time
from pathlib import Path
from typing import Any

import click
import keras

from training import runs
from training.configs.schema import Config
from training.errors import RunError
from training.fitting.checkpoints import by_key
from training.fitting.stopping import History
from training.options import need_mlflow

FILE = "mlflow.json"
# A server that does not answer may hold up an epoch by so much, and no longer.
BOUNDS = {"MLFLOW_HTTP_REQUEST_TIMEOUT": "10", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1"}


class Tracking(keras.callbacks.Callback):  # type: ignore[misc]  # Keras publishes no types
    """Sends an epoch's numbers when it ends. Put it behind the callback that fills `history`.

    Args:
        uri: of the server, or of a folder, as MLflow takes it.
        config: the experiment, whose name is MLflow's experiment.
        out: the run folder, whose name is the run's.
        history: of the epochs done; grows.

    Raises:
        RunError: there is no MLflow, or no server that answers.
    """

    def __init__(self, uri: str, config: Config, out: Path, history: History) -> None:
        super().__init__()
        self.file, self.history = out / FILE, history
        for name, value in BOUNDS.items():
            os.environ.setdefault(name, value)
        need_mlflow()
        import mlflow

        self.library = mlflow
        try:
            self.client = mlflow.MlflowClient(tracking_uri=uri)
            self.run_id, self.sent = self._begun(uri) or (self._begin(config, out), 0)
        except Exception as error:  # whatever a server and the library between may raise
            raise RunError(f"--mlflow {uri}: cannot be used ({_brief(error)})") from error
        self._remember(uri)
        self.uri = uri

    def _begun(self, uri: str) -> tuple[str, int] | None:
        """Return the run that an earlier session of this run began there, and how many epochs it has."""
        try:
            known = json.loads(self.file.read_text())
        except (OSError, ValueError):
            return None
        # A run that began anew has an empty history, and a run of its own.
        if known.get("uri") != uri or not self.history:
            return None
        self.client.get_run(known["run"])
        return str(known["run"]), min(int(known["epochs"]), self._done)

    def _begin(self, config: Config, out: Path) -> str:
        found = self.client.get_experiment_by_name(config.name)
        experiment = found.experiment_id if found else self.client.create_experiment(config.name)
        run = self.client.create_run(experiment, run_name=out.name, tags={"vitrine.run": str(out.absolute())})
        parameters = [
            self.library.entities.Param(key, str(value)) for key, value in by_key(config.as_dict()).items()
        ]
        self.client.log_batch(run.info.run_id, params=parameters)
        return str(run.info.run_id)

    @property
    def _done(self) -> int:
        return len(self.history.get("loss", ()))

    def _remember(self, uri: str) -> None:
        runs.write_json(self.file, {"uri": uri, "run": self.run_id, "epochs": self.sent})

    def on_epoch_end(self, epoch: int, logs: dict[str, float]) -> None:  # noqa: ARG002  Keras' signature
        """Send what is not there yet; steps are epochs, counted from 1."""
        try:
            for number in range(self.sent, self._done):
                now = round(1000 * time.time())
                metrics = [
                    self.library.entities.Metric(name, values[number], now, number + 1)
                    for name, values in self.history.items()
                ]
                self.client.log_batch(self.run_id, metrics=metrics)
                self.sent = number + 1
        except Exception as error:  # as above: training does not depend on it
            click.echo(f"warning, epoch {epoch + 1}: --mlflow {self.uri}: {_brief(error)}", err=True)
        self._remember(self.uri)

    def on_train_end(self, logs: dict[str, float] | None = None) -> None:  # noqa: ARG002
        """Mark the run finished."""
        try:
            self.client.set_terminated(self.run_id)
        except Exception as error:
            click.echo(f"warning: --mlflow {self.uri}: {_brief(error)}", err=True)


def _brief(error: Exception) -> Any:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
