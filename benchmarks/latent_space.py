"""What the addresses of the latent space cost and catch: uploads, conditional requests, inspections.

    .venv/bin/python -m benchmarks.latent_space                            all; five minutes; needs wrk
    .venv/bin/python -m benchmarks.latent_space --only reconstruct --rounds 3 --seconds 2
    .venv/bin/python -m benchmarks.latent_space --only inspect --count 1000

`reconstruct` posts one 28 x 28 PNG as a form to Vitrine and to the naive service, which take turns.
`conditional` asks for one seeded picture of 21 images by its entity tag, and for the same picture from a
service that keeps none, so that each is drawn. `inspect` has so many pictures of ours inspected with
`verify=1`, each as it is and with one pixel changed by one level, and counts what is found. Exits with 1 if
an inspection is wrong.
"""

import argparse
import http.client
import io
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image, PngImagePlugin

from benchmarks import processes
from benchmarks.load import Load, require_wrk
from benchmarks.load import parsed as parsed_load
from benchmarks.processes import HOST, PROGRAMS, Server
from benchmarks.tables import Row, log, machine, markdown, median, ratio, turned

SECTIONS = ("reconstruct", "conditional", "inspect")
MODEL = "fashion"
CONNECTIONS = (1, 16)
BOUNDARY = "vitrine-benchmark"
FORM = f"multipart/form-data; boundary={BOUNDARY}"
REPORT = Path(__file__).with_name("report.lua")
SEED = 7


def main() -> None:
    """Measure what is asked for, and print tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="*", default=SECTIONS, choices=SECTIONS)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--count", type=int, default=1000, help="pictures that are inspected")
    arguments = parser.parse_args()
    processes.end_at_sigterm()
    print(json.dumps(machine()))
    wrong = 0
    if "reconstruct" in arguments.only:
        require_wrk()
        print(markdown(list(reconstruct(arguments.rounds, arguments.seconds))), "\n")
    if "conditional" in arguments.only:
        require_wrk()
        print(markdown(list(conditional(arguments.rounds, arguments.seconds))), "\n")
    if "inspect" in arguments.only:
        wrong = inspect(arguments.count)
    sys.exit(1 if wrong else 0)


def reconstruct(rounds: int, seconds: float) -> Iterator[list[str]]:
    """Yield the rows of a table: requests a second of an upload, and of the naive service's."""
    programs = {name: processes.drawing_with(PROGRAMS[name], MODEL) for name in ("vitrine", "naive")}
    levels = np.random.default_rng(SEED).integers(0, 256, (28, 28), np.uint8)
    body = as_form(as_png(levels))
    rows: list[Row] = []
    with tempfile.NamedTemporaryFile() as file:
        file.write(body)
        file.flush()
        for number in range(rounds):
            for name in turned(programs, number):
                with processes.running(programs[name]) as server:
                    for connections in CONNECTIONS:
                        words = ["POST", f"@{file.name}", FORM]
                        found = loaded(server, "/reconstruct", connections, seconds, words)
                        rows.append(
                            {"round": number, "server": name, "connections": connections, "rate": found.rate}
                        )
                        log(f"{name}, {connections} connections: {found.rate:.0f}/s, {found.refused} refused")
    yield ["connections", "naive, requests/s", "Vitrine, requests/s", "of naive"]
    for connections in CONNECTIONS:
        of = {
            name: [row for row in rows if (row["server"], row["connections"]) == (name, connections)]
            for name in programs
        }
        rates = [f"{median(of[name], 'rate'):.0f}" for name in ("naive", "vitrine")]
        yield [str(connections), *rates, ratio(of["vitrine"], of["naive"], "rate")]


def conditional(rounds: int, seconds: float) -> Iterator[list[str]]:
    """Yield the rows of a table: requests a second that are answered by 304, and that are drawn."""
    target = f"/samples?n=21&seed={SEED}&model={MODEL}"
    rows: list[Row] = []
    for number in range(rounds):
        for cached in turned((True, False), number):
            program = processes.vitrine(VITRINE_DEFAULT_MODEL=MODEL, VITRINE_CACHE_BYTES="0")
            with processes.running(program) as server:
                etag = headers_of(server, target)["etag"]
                asked = ["-H", f"If-None-Match: {etag}"] if cached else []
                found = loaded(server, target, 1, seconds, [], *asked)
                rows.append({"round": number, "known": cached, "rate": found.rate})
                log(f"{'304' if cached else '200'}: {found.rate:.0f}/s")
    known, drawn = ([row for row in rows if row["known"] is each] for each in (True, False))
    yield ["drawn, requests/s", "304, requests/s", "of drawn"]
    yield [f"{median(drawn, 'rate'):.0f}", f"{median(known, 'rate'):.0f}", ratio(known, drawn, "rate")]


def loaded(
    server: Server, target: str, connections: int, seconds: float, words: list[str], *options: str
) -> Load:
    """Load one address by wrk; `words` are what its script takes."""
    url = f"http://{HOST}:{server.port}{target}"
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds:g}s", *options, "-s", str(REPORT), url]
    done = subprocess.run(
        [*command, "--", *words], capture_output=True, text=True, check=True, timeout=seconds + 60
    )
    return parsed_load(done.stdout)


def inspect(count: int) -> int:
    """Have pictures inspected as they are and with a pixel changed; return how many answers were wrong."""
    generator = np.random.default_rng(SEED)
    verdicts: dict[str, int] = {}
    with processes.running(PROGRAMS["vitrine"]) as server:
        for number in range(count):
            answer = picture(server, generator)
            kept = verdict(server, answer)
            place, changed = with_one_pixel_changed(answer, generator)
            found = verdict(server, changed)
            named = [(pixel["x"], pixel["y"]) for pixel in found.get("pixels", ())]
            right = found["verdict"] == "differs" and named == [place]
            for name in (f"as it is: {kept['verdict']}", f"changed: {'named' if right else found}"):
                verdicts[name] = verdicts.get(name, 0) + 1
            if (number + 1) % 100 == 0:
                log(f"{number + 1} of {count}")
    for name, times in sorted(verdicts.items()):
        print(f"{name}: {times}")
    return 2 * count - verdicts.get("as it is: agrees", 0) - verdicts.get("changed: named", 0)


def picture(server: Server, generator: np.random.Generator) -> bytes:
    """Ask for a picture of some kind, size and model."""
    seed, n = int(generator.integers(2**53)), int(generator.integers(1, 22))
    model = ("fashion", "fashion-dense", "fashion-map")[generator.integers(3)]
    target = (
        f"/samples?n={n}&seed={seed}&render={('mean', 'draw')[generator.integers(2)]}",
        f"/interpolate?from=seed:{seed}/0&to=seed:{seed}/1&path=slerp",
        f"/decode?points=seed:{seed}/{n};centre&zoom=2",
        f"/manifold?columns={n % 5 + 1}&rows=3&at=seed:{seed}",
    )[generator.integers(4)]
    return answered(server, "GET", f"{target}&model={model}")


def with_one_pixel_changed(answer: bytes, generator: np.random.Generator) -> tuple[tuple[int, int], bytes]:
    """Return the place of a pixel, (x, y), and the picture with that pixel one level off, its mark kept."""
    image = Image.open(io.BytesIO(answer))
    image.load()
    levels = np.asarray(image).copy()
    y, x = (int(generator.integers(side)) for side in levels.shape)
    levels[y, x] ^= 1
    kept = PngImagePlugin.PngInfo()
    kept.add_itxt("XML:com.adobe.xmp", image.info["XML:com.adobe.xmp"])
    buffer = io.BytesIO()
    Image.fromarray(levels).save(buffer, "PNG", pnginfo=kept)
    return (x, y), buffer.getvalue()


def verdict(server: Server, content: bytes) -> Row:
    """Return what an inspection finds."""
    found: Row = json.loads(answered(server, "POST", "/inspect?verify=1", as_form(content)))["verification"]
    return found


def answered(server: Server, method: str, target: str, body: bytes | None = None) -> bytes:
    """Return the body of an answer.

    Raises:
        RuntimeError: it is a refusal.
    """
    connection = http.client.HTTPConnection(HOST, server.port, timeout=60)
    try:
        connection.request(method, target, body, {"Content-Type": FORM} if body else {})
        answer = connection.getresponse()
        content = answer.read()
        if answer.status != 200:
            raise RuntimeError(f"{method} {target}: {answer.status}: {content[:300]!r}")
        return content
    finally:
        connection.close()


def headers_of(server: Server, target: str) -> dict[str, str]:
    """Return the headers of an answer, by names in lower case."""
    connection = http.client.HTTPConnection(HOST, server.port, timeout=60)
    try:
        connection.request("GET", target)
        answer = connection.getresponse()
        answer.read()
        return {name.lower(): value for name, value in answer.getheaders()}
    finally:
        connection.close()


def as_png(levels: np.ndarray) -> bytes:
    """Return a PNG as a common program writes it."""
    buffer = io.BytesIO()
    Image.fromarray(levels).save(buffer, "PNG")
    return buffer.getvalue()


def as_form(content: bytes) -> bytes:
    """Return a form with one file."""
    head = (
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="x.png"\r\n'
        "Content-Type: image/png\r\n\r\n"
    )
    return head.encode() + content + f"\r\n--{BOUNDARY}--\r\n".encode()


if __name__ == "__main__":
    main()
