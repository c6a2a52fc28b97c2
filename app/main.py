"""The service, put together."""

import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from starlette.applications import Starlette
from starlette.types import ASGIApp

from app.access.restricted import RestrictedService
from app.decoding import reading
from app.http import administration, deferral, documents, iiif, imports, inference, pictures  # noqa: F401  deferral before FastAPI
from app.http.connections import connections_of
from app.http.cors import CrossOrigin
from app.http.guard import Guard, Signed
from app.http.middleware import App, Middleware
from app.http.tracing import Traced
from app.runtimes import OpenRuntime, opener
from app.service import Service
from app.settings import Settings, load_settings, trace_endpoint


class Vitrine(Starlette):
    """Pictures and tensors by their endpoints; whatever else there is by FastAPI's routes."""

    def __init__(self, service: Service) -> None:
        @asynccontextmanager
        async def lifespan(_: Starlette) -> AsyncIterator[dict[str, Any]]:
            service.start()
            decodes = not reading.apart(service.settings)
            importing = threading.Thread(
                target=imports.import_late, args=(decodes,), name="imports", daemon=True
            )
            importing.start()
            self.connections = connections_of(service.settings, service.metrics)
            yield {"drain": service.drain, "connections": self.connections}  # for the server
            service.stop()

        routes = [*pictures.routes(service), *inference.routes(service), *iiif.routes(service)]
        routes += administration.routes(service)
        super().__init__(routes=routes, lifespan=lifespan)
        self.service = service
        self.router.redirect_slashes = False
        self.router.default = documents.application(service)

    def build_middleware_stack(self) -> ASGIApp:
        """Return the one layer around the router: errors of every kind become answers there.

        What is not set costs nothing: only where requests need a key is there a layer that asks for one,
        and one for traces only where these are asked for.
        """
        settings = self.service.settings
        app: App = self.router.app
        if settings.restricted:
            app = Guard(app, settings)
        own = settings.root_path, settings.access_log, settings.embedding
        app = Middleware(app, self.service.metrics, *own)
        if settings.url_key is not None:
            app = Signed(app)
        if settings.origins:
            app = CrossOrigin(app, settings.origins)
        return Traced(app, self.service) if trace_endpoint(settings) else app


def create_app(settings: Settings | None = None, open_runtime: OpenRuntime | None = None) -> Vitrine:
    """Build the service. Models are opened when it starts, not here.

    Args:
        settings: what an operator has set; read from the environment if not given.
        open_runtime: how a version is opened; as the settings say if not given.
    """
    settings = settings or load_settings()
    kind = RestrictedService if settings.restricted else Service
    return Vitrine(kind(settings, open_runtime or opener(settings.runtime)))


app = create_app()
