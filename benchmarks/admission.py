"""Who is let in: by an idle server after traffic of any size, and beside large work of others.

    .venv/bin/python -m benchmarks.admission                  three minutes; needs wrk
    .venv/bin/python -m benchmarks.admission --model fashion-dense --requests 100

First pictures of 1, of 21 and of 400 images are asked for, one after the other. Behind each kind the server
is idle, and takes a picture of 400 images and a second request 20 ms later; that is tried 20 times. Then
pictures of one image are asked for while other clients keep asking for pictures of 400, and while two send
uploads that take long to decode.
"""

import argparse
import asyncio
import collections
import contextlib
import io
import json
import subprocess
from collections.abc import Iterator

import numpy as np
import uvloop
from PIL import Image

from benchmarks import processes
from benchmarks.client import Connection, Pool
from benchmarks.load import require_wrk
from benchmarks.processes import HOST, Server

SIZES = 1, 21, 400
APART_SECONDS = 0.02
LARGE_CONNECTIONS = 256
UPLOADERS = 2
UPLOAD_SIDE = 5000  # pixels: as many as an upload may have
PROBES = 40
PROBE_SECONDS = 0.1


def main() -> None:
    """Measure, and print what was found."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--requests", type=int, default=1000, help="of each size")
    parser.add_argument("--tries", type=int, default=20, help="behind each size")
    parser.add_argument("--model", default="fashion", help="what draws")
    parser.add_argument("--runtime", default="auto", choices=("auto", "litert", "tensorflow"))
    arguments = parser.parse_args()
    processes.end_at_sigterm()
    require_wrk()
    program = processes.vitrine(  # which keeps nothing: a walk that is asked for again is work again
        VITRINE_RUNTIME=arguments.runtime, VITRINE_DEFAULT_MODEL=arguments.model, VITRINE_CACHE_BYTES="0"
    )._replace(model=None)
    found: dict[str, object] = {}
    with processes.running(program) as server:
        for size in SIZES:
            accepted = uvloop.run(after_traffic(server, size, arguments.requests, arguments.tries))
            found[f"both accepted after n={size}"] = f"{accepted} of {arguments.tries}"
    with processes.running(program) as server, asking_for_large(server):
        found["n=1 beside n=400"] = uvloop.run(probed(server))
    with processes.running(program) as server:
        found["n=1 beside uploads"] = uvloop.run(probed(server, large_upload()))
    print(json.dumps(found, indent=1))


async def after_traffic(server: Server, size: int, requests: int, tries: int) -> int:
    """Ask for pictures of `size` images, and return how often the idle server then took two requests."""
    pool, accepted = Pool(server.port), 0
    for _ in range(requests):
        await pool.get(server.target(size))
    for _ in range(tries):
        large = asyncio.create_task(pool.get(server.target(400)))
        await asyncio.sleep(APART_SECONDS)
        beside = await pool.get("/interpolate?axis=0")
        accepted += (await large).status == beside.status == 200
    pool.close()
    return accepted


async def probed(server: Server, upload: bytes = b"") -> dict[str, int]:
    """Ask for pictures of one image, and return how many had which status.

    Args:
        server: what is asked.
        upload: what some clients send again and again meanwhile.
    """
    senders = [asyncio.create_task(send_on(server, upload)) for _ in range(UPLOADERS if upload else 0)]
    pool, statuses = Pool(server.port), collections.Counter[str]()
    for _ in range(PROBES):
        await asyncio.sleep(PROBE_SECONDS)
        statuses[str((await pool.get(server.target(1))).status)] += 1
    pool.close()
    for sender in senders:
        sender.cancel()
    return dict(statuses)


async def send_on(server: Server, upload: bytes) -> None:
    """Send an upload again and again."""
    connection, headers = Connection(), {"Content-Type": "image/png"}
    while True:
        await connection.ask(server.port, "POST", "/reconstruct", headers, upload)


def large_upload() -> bytes:
    """Return a picture that takes long to decode, and few bytes."""
    levels = np.random.default_rng(0).integers(0, 256, (50, 50), np.uint8)
    file = io.BytesIO()
    Image.fromarray(levels).resize((UPLOAD_SIDE, UPLOAD_SIDE)).save(file, "PNG")
    return file.getvalue()


@contextlib.contextmanager
def asking_for_large(server: Server) -> Iterator[None]:
    """Have pictures of 400 images asked for all the while, by clients that come again at once."""
    url = f"http://{HOST}:{server.port}{server.target(400)}"
    command = ["wrk", "-t1", f"-c{LARGE_CONNECTIONS}", "-d600s", url]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as load:
        yield
        load.kill()


if __name__ == "__main__":
    main()
