import subprocess
import sys

import pytest

from tests.conftest import SHIPPED_MODEL, SHIPPED_STORE

ASKING = """
import asyncio, io, sys, threading, httpx
from PIL import Image
from app.main import create_app
from app.settings import Settings

PATHS = ["/samples.gif", "/samples.apng", "/livez", "/readyz", "/samples?n=2", "/samples?n=0", "/samples?sede=1", "/nothing", "/", "/docs",
    "/openapi.json", "/version", "/metrics", "/models", "/problems", "/interpolate", "/map", "/plane", "/llms.txt",
    "/samples.webp", "/samples.npy", "/static/style.css", "/robots.txt", "/v2/health/ready"]
picture = io.BytesIO()
Image.new("L", (28, 28)).save(picture, "PNG")

async def main():
    app = create_app(Settings(model_store={store!r}, default_model={model!r}))
    async with app.router.lifespan_context(app):
        while any(each.name == "imports" for each in threading.enumerate()):
            await asyncio.sleep(0.1)
        await asyncio.sleep(0.5)
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://x") as client:
            before = set(sys.modules)
            for path in PATHS:
                await client.get(path)
            for body in (picture.getvalue(), b"no picture", picture.getvalue()[:40]):
                await client.post("/reconstruct", files={{"file": ("x.png", body)}})
                await client.post("/score", content=body, headers={{"Content-Type": "image/png"}})
            print(sorted(set(sys.modules) - before))

asyncio.run(main())
"""


@pytest.mark.fault(21)
def test_no_request_imports_anything():
    code = ASKING.format(store=str(SHIPPED_STORE), model=SHIPPED_MODEL)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout == "[]\n", done.stderr
