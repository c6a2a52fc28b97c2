"""The service as a deployment of Ray Serve: ``serve run deploy/ray/serve.yaml``.

Serve's proxy sends each request to a replica; a replica runs the application of ``create_app`` as it is. How
many replicas there are, Serve decides by requests that are under way or wait. ``app.http.ray_proxy`` is the
part that runs in the proxy.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from app.errors import VitrineError
from app.main import Vitrine, create_app
from app.settings import Settings, load_settings

MODELS_PER_REPLICA = 8


class Multiplexed:
    """The application, telling Serve which models its replica is used for.

    Serve sends later requests for a model to replicas that were used for it. What is open in memory stays the
    matter of the service: VITRINE_MODEL_MEMORY_MIB.

    Args:
        app: the application.
        asked: returns the name of the model that the proxy read from a request; empty if it read none.
        used: tells Serve that a model is used here.
    """

    def __init__(self, app: Vitrine, asked: Callable[[], str], used: Callable[[str], Awaitable[str]]) -> None:
        self._app, self._asked, self._used = app, asked, used

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer as the application does."""
        if scope["type"] == "http" and (name := self._asked()) and self._known(name):
            await self._used(name)
        await self._app(scope, receive, send)

    def _known(self, name: str) -> bool:
        """Say whether there is such a model: an invented name must not drive out a real one."""
        try:
            self._app.service.models.find(name)
        except VitrineError:
            return False
        return True

    async def check(self) -> None:
        """Compute a row, as ``/readyz`` does.

        Raises:
            VitrineError: the service is not ready.
        """
        await self._app.service.check()


class Replica:
    """What Serve knows of a replica beside its application."""

    app: Multiplexed  # by serve.ingress

    async def check_health(self) -> None:
        """Raise what keeps the service from being ready; Serve replaces a replica that fails three times."""
        await self.app.check()


def settings_for(cpus: float) -> Settings:
    """Return the settings of a replica: as many worker threads as Ray gave it cores, unless they are set."""
    settings = load_settings()
    if "worker_threads" in settings.model_fields_set:
        return settings
    return settings.model_copy(update={"worker_threads": max(1, int(cpus))})


async def _used(name: str) -> str:
    return name


def deployment(models_per_replica: int = MODELS_PER_REPLICA) -> Any:
    """Return the deployment, with Serve's own defaults for replicas and queues.

    Args:
        models_per_replica: for how many models a replica is used before Serve forgets the one that was used
            longest ago.
    """
    import ray  # type: ignore[import-not-found,import-untyped,unused-ignore]
    from ray import serve  # type: ignore[import-not-found,import-untyped,unused-ignore]

    def build() -> Multiplexed:
        cpus = ray.get_runtime_context().get_assigned_resources().get("CPU", 1)
        used = serve.multiplexed(max_num_models_per_replica=models_per_replica)(_used)
        return Multiplexed(create_app(settings_for(cpus)), serve.get_multiplexed_model_id, used)

    return serve.deployment(name="vitrine")(serve.ingress(build)(Replica))


def application(arguments: Mapping[str, Any]) -> Any:
    """Return what ``serve run`` deploys; ``models_per_replica`` is its only argument, see ``deployment``."""
    return deployment(int(arguments.get("models_per_replica", MODELS_PER_REPLICA))).bind()
