"""What Schemathesis is told beside the document: pictures and arrays to send, and what a refusal must say."""

import io
import json
import urllib.parse

import numpy as np
import schemathesis
from hypothesis import strategies as st
from PIL import Image

IMAGES = ("image/*", "image/png", "image/jpeg", "image/webp", "image/gif", "image/bmp")
LONGEST_REFUSAL = 8192  # bytes, of up to eight faults
LONGEST_QUERY = 60_000  # bytes; 65,536 are read, with the path


def png(width, height, seed, mode):
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 4), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).convert(mode).save(buffer, "PNG")
    return buffer.getvalue()


def npy(rows, axes, seed, kind):
    buffer = io.BytesIO()
    np.save(buffer, np.random.default_rng(seed).uniform(-3, 3, (rows, axes)).astype(kind))
    return buffer.getvalue()


sides, seeds = st.integers(1, 12), st.integers(0, 99)
pictures = st.builds(png, sides, sides, seeds, st.sampled_from(["L", "RGB", "RGBA", "1", "P"]))
arrays = st.builds(npy, st.integers(1, 5), st.integers(2, 3), seeds, st.sampled_from(["<f4", ">f8", "<f2"]))
for kind in IMAGES:
    schemathesis.openapi.media_type(kind, pictures)
schemathesis.openapi.media_type("application/x-npy", arrays)


@schemathesis.hook
def filter_query(ctx, query):
    """Leave out addresses that are longer than what the HTTP server reads: it answers those itself."""
    return query is None or len(urllib.parse.urlencode(query, doseq=True)) < LONGEST_QUERY


@schemathesis.check
def refusals_say_what_to_do(ctx, response, case):
    """Every refusal says what was expected and what came, and what to do, in few words."""
    if response.status_code < 400 or case.method.upper() == "HEAD":
        return
    kind = response.headers.get("content-type", ["none"])[0]
    assert kind in ("application/problem+json", "application/json"), f"{kind}: {response.content[:200]!r}"
    told = json.loads(response.content)
    if case.operation.path.startswith("/v2"):
        assert told["error"], "an error without words"
        return
    assert told["detail"], "a refusal without words"
    assert len(response.content) <= LONGEST_REFUSAL, "a refusal of many words"
    if response.status_code in (400, 406, 413, 415, 422):
        assert told["errors"], "a refusal that names nothing"
    for fault in told["errors"]:
        for part in ("parameter", "expected", "received", "remedy", "code"):
            assert fault[part], f"a fault without {part}"
