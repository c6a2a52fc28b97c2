"""For people: the page with the pictures, and the API documentation. Both work offline."""

import base64
import functools
import importlib.util
from pathlib import Path

from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import HTMLResponse
from fastapi.staticfiles import StaticFiles

from app import errors
from app.http.endpoint import PictureApp
from app.http.middleware import SECURITY_HEADERS
from app.http.options import mean_of
from app.http.pictures import PICTURES
from app.http.templates import HERE, TEMPLATES
from app.service import Service

# Swagger UI styles its elements in place and draws its icons from data: addresses.
DOCS_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; "
    "connect-src 'self'; base-uri 'none'; frame-ancestors 'none'"
)

# An answer to the form holds its picture: it has no address, as uploads are not kept.
ANSWER_POLICY = (
    dict(SECURITY_HEADERS)[b"content-security-policy"]
    .decode()
    .replace("img-src 'self'", "img-src 'self' data:")
)


def router(service: Service) -> APIRouter:
    """Return the routes of a service's pages."""
    router = APIRouter(include_in_schema=False)
    uploads = PictureApp(
        [endpoint for endpoint in PICTURES if endpoint.path == "/reconstruct" and endpoint.body], service
    )

    @router.api_route("/", methods=["GET", "POST"], response_class=HTMLResponse)
    async def home(request: Request) -> HTMLResponse:
        """Show the three pictures; answer the page's form.

        The form is sent here and not to /reconstruct, so that no address has to choose by Accept whether it
        answers people or programs: some programs' libraries prefer HTML unless told otherwise.
        """
        if request.method == "POST":
            return await answer_form(request, uploads)
        settings = service.settings
        version = service.models.find(settings.default_model)
        manifest = version.manifest
        context = {"version": version, "manifest": manifest, "settings": settings}
        context["shows"] = mean_of(manifest.likelihood.name)
        return TEMPLATES.TemplateResponse(request, "home.html", context)

    @router.get("/docs", response_class=HTMLResponse)
    async def docs(request: Request) -> HTMLResponse:
        """Show the API documentation, a Swagger UI whose files come with the installation."""
        return TEMPLATES.TemplateResponse(
            request, "docs.html", headers={"Content-Security-Policy": DOCS_POLICY}
        )

    return router


async def answer_form(request: Request, uploads: PictureApp) -> HTMLResponse:
    """Return the page with what ``POST /reconstruct`` draws of a form; a refusal of it becomes a page too."""
    request.state.problem_body = functools.partial(_problem_page, request)
    answer = await uploads.draw(request.scope, request.receive)
    source = f"data:{answer.media_type};base64,{base64.b64encode(answer.content).decode()}"
    headers = {"Content-Security-Policy": ANSWER_POLICY, "Cache-Control": "no-store"}
    context = {"source": source, "picture": answer, "problem": None}
    return TEMPLATES.TemplateResponse(request, "answer.html", context, headers=headers)


def _problem_page(request: Request, problem: errors.VitrineError) -> tuple[bytes, bytes]:
    template = TEMPLATES.get_template("answer.html")
    return b"text/html; charset=utf-8", template.render(request=request, problem=problem).encode()


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
