"""Checks of the settings, the store, the models, and a picture."""

import asyncio
import http.client
import json
import math
import time
from pathlib import Path

import httpx

from app import bench, choices, server, store
from app.doctor.findings import Finding
from app.errors import StoreError, VitrineError
from app.mirror import stores
from app.registry.refusals import Refused
from app.runtimes import RuntimeUnavailable, choose
from app.settings import Settings, origins, variable
from app.store import Store, Version

OWN_BYTES = 70_000_000  # of a process without a model; docs/operating.md, memory
PICTURE_BYTES = 100_000_000  # of pictures under way
SLOW_SECONDS = 1.0
PICTURE = "/samples?n=21&seed=1"
PNG = b"\x89PNG\r\n\x1a\n"


def settings_in_force(settings: Settings) -> list[Finding]:
    """What is set, and by what?"""
    found = [
        Finding("setting", "ok", f"{variable(name)}={getattr(settings, name)} ({origin})")
        for name, origin in origins(settings).items()
    ]
    if warning := settings.too_many_threads():
        found.append(
            Finding(
                "threads", "warning", warning, "Leave workers and threads unset, or see vitrine bench --tune."
            )
        )
    return found


def versions(settings: Settings, found: Store) -> list[Finding]:
    """Which versions are there, and which are not served, and why?"""
    findings = []
    for version in found.all:
        try:
            runtime = choose(settings.runtime, version.folder)
            findings.append(
                Finding(
                    "version", "ok", f"{version.reference}, {runtime}, digest {version.manifest.digest[:12]}"
                )
            )
        except RuntimeUnavailable as error:
            findings.append(
                Finding(
                    "version",
                    "warning",
                    f"{version.reference}: {error}",
                    "See what it needs, or publish it again.",
                )
            )
    for rejected, reason in found.rejected.items():
        findings.append(
            Finding("version", "warning", f"{rejected}: {reason}", "Copy it again as a whole, or remove it.")
        )
    if found.warning:
        findings.append(Finding("store", "warning", found.warning, "Restore published.jsonl from a copy."))
    for fault in choices.read_labels(found.versions, {})[1].values():
        findings.append(Finding("labels", "warning", fault, "The labels of before hold until a restart."))
    return findings


def default_model(settings: Settings, found: Store) -> tuple[Finding, Version | None]:
    """Is there a version that answers when a request names none?"""
    remedy = (
        f"Set {variable('model_store')} or {variable('default_model')}, or publish: vitrine-train export."
    )
    try:
        settings = settings.for_store(found.names)
        version = found.find(settings.default_model)
        choose(settings.runtime, version.folder)
    except VitrineError as error:
        return Finding("default model", "failed", error.detail, remedy), None
    except RuntimeUnavailable as error:
        what = f"{version.reference}: {error}"
        return Finding(
            "default model", "failed", what, "Do what it says, or set another default model."
        ), None
    return Finding("default model", "ok", f"{version.reference} from {settings.model_store}"), version


def memory(settings: Settings, found: Store, system: Path = Path("/")) -> Finding:
    """Is there memory for all models that are opened at the start, in every worker?"""
    newest = [of_name[-1] for of_name in found.versions.values() if of_name]
    taken = {version.reference: bench.memory_of(settings, version.reference) for version in newest}
    models = sum(each or 0 for each in taken.values())
    needed = settings.workers * (OWN_BYTES + models + settings.cache_bytes + PICTURE_BYTES)
    limit = memory_limit(system)
    told = ", ".join(f"{reference} {(size or 0) / 1e6:.0f} MB" for reference, size in taken.items())
    what = f"{needed / 1e6:.0f} MB of {limit / 1e6:.0f} MB needed by {settings.workers} workers with {told}"
    if needed > limit:
        lower = f"{variable('workers')} or {variable('cache_bytes')}"
        return Finding("memory", "failed", what, f"Raise the limit, lower {lower}, or serve fewer models.")
    return Finding("memory", "ok", what)


def memory_limit(system: Path = Path("/")) -> float:
    """Return the bytes that the process may use: by its control group, or what the machine has."""
    limits = [math.inf]
    groups = system / "sys" / "fs" / "cgroup"
    for path in (groups / "memory.max", groups / "memory" / "memory.limit_in_bytes"):
        if path.is_file() and (text := path.read_text().strip()).isdecimal():
            limits.append(float(text))
    info = system / "proc" / "meminfo"
    if info.is_file():
        limits += [
            float(line.split()[1]) * 1024
            for line in info.read_text().splitlines()
            if line.startswith("MemTotal:")
        ]
    return min(limits)


def port(settings: Settings) -> Finding:
    """Can the address be listened on, or does Vitrine do so already?"""
    address = server.address_of(settings.host, settings.port)
    try:
        for bound in server.listen(settings.host, settings.port):
            bound.close()
    except server.ListenError as error:
        if _is_vitrine(settings):
            return Finding("port", "ok", f"Vitrine listens on {address} already")
        return Finding(
            "port", "failed", f"{address}: {str(error).split('. ')[0]}", str(error).split(". ", 1)[-1]
        )
    return Finding("port", "ok", f"{address} is free")


def _is_vitrine(settings: Settings) -> bool:
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.host, settings.host)  # noqa: S104
    connection = http.client.HTTPConnection(host, settings.port, timeout=2)
    try:
        connection.request("GET", "/livez")
        answered: bool = json.loads(connection.getresponse().read(1000)) == {"status": "alive"}
        return answered
    except (OSError, http.client.HTTPException, ValueError):
        return False
    finally:
        connection.close()


def picture(settings: Settings) -> Finding:
    """Is a picture computed, and in which time?"""
    remedy = "vitrine serve says more; with VITRINE_RUNTIME=tensorflow another runtime computes."
    try:
        content, seconds = asyncio.run(_drawn(settings))
    except VitrineError as error:
        return Finding("picture", "failed", error.detail, remedy)
    except Exception as error:  # a model is a program: it can fail in any way
        return Finding("picture", "failed", f"{type(error).__name__}: {error}", remedy)
    if not content.startswith(PNG):
        return Finding("picture", "failed", content[:200].decode("utf-8", "backslashreplace"), remedy)
    what = f"21 images in {seconds * 1e3:.1f} ms, {len(content)} bytes"
    if seconds > SLOW_SECONDS:
        return Finding(
            "picture", "warning", what, "See compiled code and processor above, and vitrine bench."
        )
    return Finding("picture", "ok", what)


async def _drawn(settings: Settings) -> tuple[bytes, float]:
    """Return a picture, and the least seconds that one of three took; the first one warms up."""
    from app.main import create_app

    app = create_app(settings.model_copy(update={"workers": 1, "cache_bytes": 0}))
    client = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://local")
    took = []
    async with app.router.lifespan_context(app), client:
        for _ in range(3):
            started = time.perf_counter()
            content = (await client.get(PICTURE)).content
            took.append(time.perf_counter() - started)
    return content, min(took)


def address(settings: Settings) -> Finding | None:
    """Does the store at an address answer? None: it is a folder."""
    if isinstance(settings.model_store, Path):
        return None
    remedy = (
        f"Look at {variable('model_store')}, at keys and endpoint of the object store, and at the network."
    )
    started = time.perf_counter()
    try:
        mirror = stores.mirror_of(settings)
    except StoreError as error:
        return Finding("address", "failed", error.detail, remedy)
    if mirror is None:
        return None
    try:
        names = mirror.names()
    except Refused as error:
        if mirror.here:
            return Finding("address", "warning", f"{error}; a copy is in {mirror.folder}", remedy)
        return Finding("address", "failed", str(error), remedy)
    took = (time.perf_counter() - started) * 1e3
    return Finding("address", "ok", f"{mirror.name} answers in {took:.0f} ms, and has {', '.join(names)}")


def scanned(settings: Settings) -> Store | Finding:
    """Return what the store holds, or what keeps it from being read."""
    try:
        return store.scan(stores.folder_of(settings), trusted=settings.trusted)
    except StoreError as error:
        return Finding(
            "store",
            "failed",
            error.detail,
            f"Set {variable('model_store')} to a folder or an address of models.",
        )
