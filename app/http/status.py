"""For operators: is the process alive, is it ready, what is it, how is it doing."""

from importlib import metadata
from typing import Any

from fastapi import APIRouter, Response

from app.service import Service

NO_CACHE = {"Cache-Control": "no-cache"}


def router(service: Service) -> APIRouter:
    """Return the routes of a service's status."""
    router = APIRouter(tags=["status"])

    @router.get("/livez", summary="Is the process alive?")
    async def livez(response: Response) -> dict[str, str]:
        """Answer 200 as long as the process can answer at all."""
        response.headers.update(NO_CACHE)
        return {"status": "alive"}

    @router.get("/readyz", summary="Can it draw pictures?")
    async def readyz(response: Response) -> dict[str, Any]:
        """Answer 200 if the default model computes, else 503 with the reason; list versions not served.

        `warning` is there when something needs an operator, such as a store that cannot be read any more.
        """
        response.headers.update(NO_CACHE)
        await service.check()
        models = service.models
        ready = {"status": "ready", "models": sorted(models.opened), "rejected": service.rejected}
        return ready | ({"warning": service.warning} if service.warning else {})

    @router.get("/version", summary="What is running")
    async def version() -> dict[str, Any]:
        """Return the build, every model with its digest and runtime (null until open), and every limit."""
        return describe(service)

    exposition: dict[int | str, dict[str, Any]] = {
        200: {"content": {"text/plain": {"schema": {"type": "string"}}}}
    }

    @router.get("/metrics", response_class=Response, responses=exposition, summary="Counters for Prometheus")
    async def metrics() -> Response:
        """Return the counters in Prometheus' text format."""
        body, media_type = service.metrics.exposition()
        return Response(body, media_type=media_type, headers=NO_CACHE)

    return router


def describe(service: Service) -> dict[str, Any]:
    """Return what ``/version`` says.

    Raises:
        NotReady: the service has not started.
    """
    models, settings = service.models, service.settings
    return {
        "version": metadata.version("vitrine-vae"),
        "default_model": models.find(settings.default_model).reference,
        "warning": service.warning or None,
        "rejected": service.rejected,
        "models": [
            {
                "model": found.reference,
                "digest": found.manifest.digest,
                "state": models.state_of(found),
                "canary_share": models.share_of(found),
                "runtime": opened.runtime if (opened := models.opened.get(found.reference)) else None,
                "memory_bytes": opened.num_bytes if opened else None,
                "image_shape": found.manifest.image.shape,
                "latent_dim": found.manifest.latent_dim,
                "samples_render": found.manifest.samples_render,
                "selftest": found.manifest.selftest is not None,
                "prior": found.manifest.prior.model_dump(include={"name", "classes"}),
                "likelihood": {"name": found.manifest.likelihood.name} | found.manifest.likelihood.parameters,
            }
            for found in models.store.all
        ],
        "limits": settings.limits(),
    }
