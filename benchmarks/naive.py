"""The service that one would write in an afternoon: the measure that Vitrine is held to.

FastAPI, a ``def`` route, the SavedModel's signature, ``PIL.Image.save``. It draws the same picture as
``GET /samples?n=21`` without any of its promises: no seeds, no limits, no checks.

    uvicorn benchmarks.naive:app
"""

import io
from pathlib import Path

import numpy as np
import tensorflow as tf
from fastapi import FastAPI, Response
from PIL import Image

app = FastAPI()
store = Path(__file__).resolve().parent.parent / "model_store"
decoder = tf.saved_model.load(str(store / "fashion-dense" / "2" / "decoder"))
decode = decoder.signatures["decode"]


@app.get("/samples")
def samples(n: int = 21) -> Response:
    """Answer with `n` generated images, seven in a row."""
    z = np.random.normal(size=(n, 10)).astype(np.float32)
    images = decode(z=tf.constant(z))["image"].numpy()
    images = 255 - (np.clip(images, 0, 1) * 255).astype(np.uint8)
    grid = images.reshape(n // 7, 7, 28, 28).swapaxes(1, 2).reshape(n // 7 * 28, 7 * 28)
    buffer = io.BytesIO()
    Image.fromarray(grid).save(buffer, format="PNG")
    return Response(buffer.getvalue(), media_type="image/png")
