"""Permanent pictures from nginx's cache and from Varnish's, beside drawing them anew.

    .venv/bin/python -m benchmarks.caches        two minutes; needs wrk, nginx, varnishd
    .venv/bin/python -m benchmarks.caches --rounds 1 --seconds 2 --out caches.json

The recipes of deploy/ run as they are, but for addresses and without their limits of requests. `one` is one
picture, asked for again and again. `mixed` is a load of which a share is for popular pictures, and the rest
for pictures that nobody asked for before. Whatever reaches the service then was no hit. All on one machine,
which wrk shares with them.
"""

import argparse
import contextlib
import http.client
import json
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks import processes
from benchmarks.load import Load, parsed, require_wrk
from benchmarks.processes import HOST, PROJECT, Server, free_port
from benchmarks.tables import Row, log, machine, markdown, median, turned

SCRIPT = Path(__file__).with_name("caches.lua")
SBIN = "/usr/local/sbin:/usr/sbin:/usr/local/bin:/usr/bin"
WAYS = ("drawn", "kept by the service", "nginx", "varnish")
CACHES = ("nginx", "varnish")
AROUND = """
daemon off; {user} worker_processes {workers}; worker_rlimit_nofile 4096;
pid {folder}/pid; error_log {folder}/error.log;
events {{ worker_connections 2048; }}
http {{
access_log off; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
{recipe}
}}
"""


def nginx_configuration(folder: Path, port: int, service: int, workers: int, root: bool) -> str:
    """Return the recipe of nginx as a whole configuration, without limits and without a log of requests.

    Args:
        folder: of its files.
        port: where it listens.
        service: the service's port.
        workers: processes of nginx.
        root: it is started by root, whose folder its workers could not write to else.
    """
    recipe = (PROJECT / "deploy" / "nginx" / "cache.conf").read_text()
    recipe = recipe.replace("127.0.0.1:8000", f"{HOST}:{service}").replace(
        "listen 80;", f"listen {HOST}:{port};"
    )
    recipe = recipe.replace("/var/cache", str(folder))
    recipe = re.sub(r"^ *(limit_(req|conn) |access_log /).*\n", "", recipe, flags=re.MULTILINE)
    user = "user root;" if root else ""
    return AROUND.format(folder=folder, recipe=recipe, workers=workers, user=user)


def varnish_configuration(service: int) -> str:
    """Return the recipe of Varnish before a service at a port."""
    recipe = (PROJECT / "deploy" / "varnish" / "vitrine.vcl").read_text()
    return recipe.replace('.port = "8000"', f'.port = "{service}"')


@contextlib.contextmanager
def running(name: str, service: int, workers: int) -> Iterator[int]:
    """Run a cache before a service until it has been used; yields its port."""
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="vitrine-cache-") as text, contextlib.ExitStack() as stack:
        folder = Path(text)
        if name == "nginx":
            root = Path("/proc/self").stat().st_uid == 0
            (folder / "conf").write_text(nginx_configuration(folder, port, service, workers, root))
            words = [program("nginx"), "-p", text, "-c", str(folder / "conf")]
        else:
            (folder / "vcl").write_text(varnish_configuration(service))
            words = [program("varnishd"), "-F", "-a", f"{HOST}:{port}", "-T", "none", "-j", "none"]
            words += ["-n", str(folder / "work"), "-s", "malloc,256m", "-f", str(folder / "vcl")]
        output = stack.enter_context((folder / "log").open("wb"))
        process = stack.enter_context(subprocess.Popen(words, stdout=output, stderr=subprocess.STDOUT))
        stack.callback(process.terminate)
        for _ in range(500):
            with contextlib.suppress(OSError), socket.create_connection((HOST, port)):
                break
            if process.poll() is not None:
                raise RuntimeError(f"{name} did not start:\n{(folder / 'log').read_text()}")
            time.sleep(0.02)
        yield port


def program(name: str) -> str:
    """Return where a program is; ends this one if it is missing."""
    found = shutil.which(name, path=SBIN)
    if found is None:
        sys.exit(f"{name} is not installed: apt-get install nginx-light varnish")
    return found


def ask(port: int, target: str) -> tuple[bytes, str]:
    """Return the body at an address, and the permanent address that the answer names."""
    connection = http.client.HTTPConnection(HOST, port, timeout=60)
    with contextlib.closing(connection):
        connection.request("GET", target)
        answer = connection.getresponse()
        return answer.read(), answer.getheader("Content-Location", "")


def asked(server: Server) -> float:
    """Return how many requests for samples have reached the service."""
    return counted(ask(server.port, "/metrics")[0].decode())


def counted(metrics: str) -> float:
    """Return the requests for samples that metrics tell of."""
    pattern = r'^http_server_request_duration_seconds_count\{[^}]*http_route="/samples[^}]*\} (\S+)$'
    return sum(map(float, re.findall(pattern, metrics, re.MULTILINE)))


def permanent(server: Server, n: int) -> str:
    """Return a permanent address up to the seed's number, of the model that answers."""
    _, location = ask(server.port, server.target(n, seed=1))
    head, _, rest = re.sub(r"[?&]seed=\d+", lambda found: found[0][0], location, count=1).partition("?")
    return f"{head}?{'&'.join(filter(None, rest.split('&')))}&seed="


def load(port: int, address: str, share: float, popular: int, first: int, given: argparse.Namespace) -> Load:
    """Load a port by wrk with permanent pictures; see caches.lua."""
    words = ["wrk", "-t1", f"-c{given.connections}", f"-d{given.seconds:g}s", "-s", str(SCRIPT)]
    words += [f"http://{HOST}:{port}/", "--", address, str(share), str(popular), str(first)]
    done = subprocess.run(words, capture_output=True, text=True, check=True, timeout=given.seconds + 60)
    return parsed(done.stdout)


def measure(server: Server, given: argparse.Namespace) -> list[Row]:
    """Load every way in every round, and return what was found."""
    rows: list[Row] = []
    address = permanent(server, given.n)
    with contextlib.ExitStack() as stack:
        ports = {name: stack.enter_context(running(name, server.port, given.workers)) for name in CACHES}
        fresh = 10**9
        for port in ports.values():
            ask(port, f"{address}1")  # nginx has who waits for a picture look every half second
        for number in range(given.rounds):
            for way in turned(WAYS, number):
                port, share = ports.get(way, server.port), 0.0 if way == "drawn" else 1.0
                rows.append(burst("one", way, number, server, port, (address, share, 1, fresh), given))
                fresh += 10**7
            for way in turned(CACHES, number):
                mix = (address, given.share, given.popular, fresh)
                load(ports[way], address, 1.0, given.popular, fresh, given)  # so that the popular are kept
                rows.append(burst("mixed", way, number, server, ports[way], mix, given))
                fresh += 10**7
    return rows


def burst(
    kind: str,
    way: str,
    number: int,
    server: Server,
    port: int,
    mix: tuple[Any, ...],
    given: argparse.Namespace,
) -> Row:
    """Load one way once, and return its row."""
    log(f"round {number + 1}: {kind}, {way}")
    before = asked(server)
    found = load(port, *mix, given)
    reached = asked(server) - before
    answered = found.rate * given.seconds
    hits = max(0.0, 1 - reached / answered) if answered else 0.0
    return {"kind": kind, "way": way, "round": number, "hit_share": hits, **found._asdict()}


def table(rows: list[Row]) -> str:
    """Return the medians over the rounds, in Markdown."""
    lines = [["asked for", "answered by", "requests/s", "of drawn", "hits", "p50, ms", "p99, ms", "failed"]]
    drawn = median(rows, "rate", kind="one", way="drawn")
    for kind, ways in (("one", WAYS), ("mixed", CACHES)):
        for way in ways:
            of = {
                value: median(rows, value, kind=kind, way=way)
                for value in ("rate", "hit_share", "p50_ms", "p99_ms")
            }
            failed = sum(
                row["refused"] + row["broken"] for row in rows if (row["kind"], row["way"]) == (kind, way)
            )
            hits = f"{of['hit_share']:.3f}" if way in CACHES else "nan"
            line = [kind, way, f"{of['rate']:.0f}", f"{of['rate'] / drawn:.2f}", hits]
            lines.append([*line, f"{of['p50_ms']:.2f}", f"{of['p99_ms']:.2f}", str(failed)])
    return markdown(lines)


def main() -> None:
    """Measure, print a table, and write JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default=processes.MODEL, help="which draws")
    parser.add_argument("--n", type=int, default=21, help="images in a picture")
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--seconds", type=int, default=4, help="of each burst")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--share", type=float, default=0.95, help="of mixed requests: for popular pictures")
    parser.add_argument("--popular", type=int, default=1000, help="how many pictures are popular")
    parser.add_argument("--workers", type=int, default=1, help="processes of nginx")
    parser.add_argument("--out", type=Path, help="a file for the figures as JSON")
    given = parser.parse_args()
    require_wrk()
    processes.end_at_sigterm()
    with processes.running(processes.drawing_with(processes.vitrine(), given.model)) as server:
        rows = measure(server, given)
    print(table(rows))
    found = {"machine": machine(), "given": vars(given) | {"out": str(given.out)}, "bursts": rows}
    if given.out:
        given.out.write_text(json.dumps(found, indent=1) + "\n")
    else:
        print(json.dumps(found))


if __name__ == "__main__":
    main()
