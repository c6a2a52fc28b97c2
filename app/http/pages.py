"""The files that pages load. All of it works offline."""

from fastapi import FastAPI
from fastapi.staticfiles import StaticFiles

from app.http.templates import HERE


def mount_assets(app: FastAPI) -> None:
    """Serve our own static files."""
    app.mount("/static", StaticFiles(directory=HERE / "static"), name="static")
