"""The service, put together."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.types import ASGIApp

from app.http import deferral, documents, iiif, inference, pictures  # noqa: F401  deferral before FastAPI
from app.http.middleware import Middleware
from app.http.tracing import Traced
from app.runtimes import OpenRuntime, opener
from app.service import Service
from app.settings import Settings, load_settings, trace_endpoint


class Vitrine(Starlette):
    """Pictures and tensors by their endpoints; whatever else there is by FastAPI's routes."""

    def __init__(self, service: Service) -> None:
        @asynccontextmanager
        async def lifespan(_: Starlette) -> AsyncIterator[dict[str, Callable[[], None]]]:
            service.start()
            yield {"drain": service.drain}  # the server calls it when it begins to end
            service.stop()

        routes = [*pictures.routes(service), *inference.routes(service), *iiif.routes(service)]
        super().__init__(routes=routes, lifespan=lifespan)
        self.service = service
        self.router.redirect_slashes = False
        self.router.default = documents.application(service)

    def build_middleware_stack(self) -> ASGIApp:
        """Return the one layer around the router: errors of every kind become answers there.

        A second one is around it where traces are asked for.
        """
        settings = self.service.settings
        layer = Middleware(self.router.app, self.service.metrics, settings.root_path, settings.access_log)
        return Traced(layer, self.service) if trace_endpoint(settings) else layer


def create_app(settings: Settings | None = None, open_runtime: OpenRuntime | None = None) -> Vitrine:
    """Build the service. Models are opened when it starts, not here.

    Args:
        settings: what an operator has set; read from the environment if not given.
        open_runtime: how a version is opened; as the settings say if not given.
    """
    settings = settings or load_settings()
    return Vitrine(Service(settings, open_runtime or opener(settings.runtime)))


app = create_app()
