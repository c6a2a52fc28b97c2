"""The files that pages load. All of it works offline."""

import os
from pathlib import Path

from fastapi import FastAPI
from fastapi.staticfiles import StaticFiles
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from app.http.assets import STATIC
from app.protocol_errors import MalformedRequest, RangeNotSatisfiable

CHECKED = "no-cache"  # kept, and asked for by its entity tag: a page never mixes modules of two releases
FOR_GOOD = "public, max-age=31536000, immutable"  # a year


def mount_assets(app: FastAPI) -> None:
    """Serve our own static files, and those of other projects."""
    app.mount("/static", _Files(directory=STATIC), name="static")


def keeping(path: Path, static: Path = STATIC) -> str:
    """Return the ``Cache-Control`` of a static file.

    Args:
        path: of the file.
        static: the folder of static files.

    Returns:
        For good of what lies in a folder of another project, whose name has the version.
    """
    folder = static / "vendor"
    return FOR_GOOD if path.is_relative_to(folder) and path.parent != folder else CHECKED


class _Files(StaticFiles):
    """Static files that say how long browsers may keep them. An answer begins once its file is open.

    Starlette refuses ranges of bytes in words of its own: here they are problems like all others.
    """

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; what keeps a file from being opened can still become another answer.

        Raises:
            RangeNotSatisfiable: the file has none of the bytes that are asked for.
            MalformedRequest: ``Range`` cannot be read.
        """
        head: list[Message] = []

        async def send_with_body(message: Message) -> None:
            if message["type"] == "http.response.start":
                if message["status"] == 416:
                    raise RangeNotSatisfiable(dict(message["headers"])[b"content-range"].decode())
                if message["status"] == 400:
                    raise MalformedRequest("Range: expected bytes=FIRST-LAST, FIRST- or -LENGTH (RFC 9110).")
                head.append(message)
                return
            while head:
                await send(head.pop())
            await send(message)

        await super().__call__(scope, receive, send_with_body)

    def file_response(
        self,
        full_path: str | os.PathLike[str],
        stat_result: os.stat_result,
        scope: Scope,
        status_code: int = 200,
    ) -> Response:
        """Return the answer with a file, or that the client's copy is the same."""
        answer = super().file_response(full_path, stat_result, scope, status_code)
        answer.headers["Cache-Control"] = keeping(Path(full_path))
        return answer
