"""The API documentation, and the files that pages load. All of it works offline."""

import importlib.util
from pathlib import Path

from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import HTMLResponse
from fastapi.staticfiles import StaticFiles

from app.http.templates import HERE, TEMPLATES
from app.service import Service

# Swagger UI styles its elements in place and draws its icons from data: addresses.
DOCS_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; "
    "connect-src 'self'; base-uri 'none'; frame-ancestors 'none'"
)


def router(_: Service) -> APIRouter:
    """Return the route of the API documentation."""
    router = APIRouter(include_in_schema=False)

    @router.get("/docs", response_class=HTMLResponse)
    async def docs(request: Request) -> HTMLResponse:
        """Show the API documentation, a Swagger UI whose files come with the installation."""
        return TEMPLATES.TemplateResponse(
            request, "docs.html", headers={"Content-Security-Policy": DOCS_POLICY}
        )

    return router


def mount_assets(app: FastAPI) -> None:
    """Serve our own static files, and Swagger UI's out of the package that carries them.

    Raises:
        RuntimeError: the package is not installed as it should be.
    """
    package = importlib.util.find_spec("fastapi_offline")
    if package is None or package.origin is None:
        raise RuntimeError("fastapi-offline is missing: install the requirements again")
    app.mount("/static", StaticFiles(directory=HERE / "static"), name="static")
    app.mount("/swagger", StaticFiles(directory=Path(package.origin).parent / "static"), name="swagger")
