"""The service that one would write in an afternoon: FastAPI and a ``def`` route, which runs in a thread.

uvicorn naive:app
"""

import io

import numpy as np
from drawing import Decoder, Encoder, draw, png
from fastapi import FastAPI, Response, UploadFile
from PIL import Image

app = FastAPI()
decoder = Decoder()
encoder = Encoder()


@app.get("/samples")
def samples(n: int = 21, seed: int | None = None) -> Response:
    """Answer with `n` generated images."""
    return Response(png(decoder(draw(n, seed))), media_type="image/png")


@app.post("/reconstruct")
def reconstruct(file: UploadFile) -> Response:
    """Answer with an uploaded image above what it is reconstructed to."""
    image = Image.open(io.BytesIO(file.file.read())).convert("L").resize((28, 28))
    pixels = np.asarray(image, np.float32)[None] / 255
    return Response(
        png(np.concatenate([pixels, decoder(encoder(pixels))]), columns=1), media_type="image/png"
    )
