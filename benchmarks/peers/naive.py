"""The service that one would write in an afternoon: FastAPI and a ``def`` route, which runs in a thread.

uvicorn naive:app
"""

from drawing import Decoder, draw, png
from fastapi import FastAPI, Response

app = FastAPI()
decoder = Decoder()


@app.get("/samples")
def samples(n: int = 21, seed: int | None = None) -> Response:
    """Answer with `n` generated images."""
    return Response(png(decoder(draw(n, seed))), media_type="image/png")
