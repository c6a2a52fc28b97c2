"""Checks of the machine, of Python and of what is installed."""

import importlib.util
import platform
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path

from app.cores import available_cores, processor_name
from app.doctor.findings import Finding
from app.http import assets
from app.native.library import library
from app.settings import Settings

DISTRIBUTION = "vitrine-vae"
PYTHONS = (3, 11), (3, 14)  # the first, and the first that is too new; as in pyproject.toml
FEW_FILES, TOO_FEW_FILES = 1024, 64
LITTLE_SPACE = 100_000_000  # bytes of the temporary folder
FEATURES = ("avx2", "avx512f", "avx512_vnni", "fma", "asimd", "sve")
DEPENDENCY = re.compile(r"([A-Za-z0-9._-]+)[^;]*?(?:>=([0-9.]+))?[^;]*(?:;(.*))?")
APP = Path(__file__).resolve().parent.parent


def python() -> Finding:
    """Is it a Python for which everything is published?"""
    found = f"{platform.python_implementation()} {platform.python_version()}, {platform.platform()}"
    if PYTHONS[0] <= sys.version_info[:2] < PYTHONS[1]:
        return Finding("python", "ok", found)
    return Finding("python", "failed", found, "Install Vitrine with Python 3.11, 3.12 or 3.13.")


def packages(version_of: Callable[[str], str] = metadata.version) -> Finding:
    """Is what the distribution asks for installed, and new enough?"""
    wrong, right = [], []
    for name, least in _dependencies():
        try:
            version = version_of(name)
        except metadata.PackageNotFoundError:
            wrong.append(f"{name} is missing")
            continue
        if least and _numbers(version) < _numbers(least):
            wrong.append(f"{name} {version} is older than {least}")
        right.append(f"{name} {version}")
    if wrong:
        return Finding(
            "packages", "failed", "; ".join(wrong), "Install vitrine-vae again, with all it needs."
        )
    return Finding("packages", "ok", f"{DISTRIBUTION} {version_of(DISTRIBUTION)}; {', '.join(right)}")


def _dependencies() -> Iterator[tuple[str, str]]:
    """Return the name and the least version of what serving needs on this system."""
    for line in metadata.requires(DISTRIBUTION) or ():
        found = DEPENDENCY.match(line)
        name, least, marker = found.groups() if found else (line, None, None)
        if marker is None or ("extra" not in marker and sys.platform != "win32"):
            yield name, least or ""


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", version)[:3])


def processor(system: Path = Path("/")) -> Finding:
    """Which processor is it, and how much of it may be used?"""
    try:
        text = (system / "proc" / "cpuinfo").read_text()
    except OSError:
        text = ""
    named = re.search(r"^(?:flags|Features)\s*: (.*)$", text, re.MULTILINE)
    listed = set(named[1].split()) if named else set()
    vectors = ", ".join(feature for feature in FEATURES if feature in listed) or "vector units unknown"
    found = f"{processor_name(system)}, {available_cores(system)} cores by affinity and quota, {vectors}"
    if listed and platform.machine() == "x86_64" and "avx2" not in listed:
        return Finding("processor", "warning", found, "Pictures take several times as long without AVX2.")
    return Finding("processor", "ok", found)


def files() -> Finding:
    """How many descriptors may a process have? Every connection takes one."""
    try:
        import resource  # which only POSIX has
    except ImportError:
        return Finding("open files", "ok", "this system has no limit of its own")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    found = f"up to {soft} in a process, and up to {hard} if asked for"
    if soft >= FEW_FILES:
        return Finding("open files", "ok", found)
    remedy = f"Raise it before the start: ulimit -n {FEW_FILES}, or LimitNOFILE= of systemd."
    return Finding("open files", "failed" if soft < TOO_FEW_FILES else "warning", found, remedy)


def temporary(settings: Settings) -> Finding:
    """Can a temporary folder be written to? Workers count together there."""
    try:
        with tempfile.TemporaryFile() as file:
            file.write(b"vitrine")
            file.flush()
        folder = tempfile.gettempdir()
        free = shutil.disk_usage(folder).free
    except OSError as error:
        what = f"none can be written to: {error.strerror or error}"
        state = "failed" if settings.workers > 1 else "warning"
        return Finding("temporary folder", state, what, "Set TMPDIR to a folder that can be written to.")  # type: ignore[arg-type]
    found = f"{folder}, {free / 1e9:.1f} GB free"
    if free < LITTLE_SPACE:
        return Finding("temporary folder", "warning", found, "Make space, or set TMPDIR to another folder.")
    return Finding("temporary folder", "ok", found)


def clock(now: Callable[[], float] = time.time) -> Finding:
    """Is the clock later than the files of this installation? Logs and cached answers go by it."""
    written = (APP / "settings.py").stat().st_mtime
    found = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(now()))
    if now() >= written - 86_400:
        return Finding("clock", "ok", found)
    return Finding(
        "clock", "warning", f"{found}, before this installation was made", "Set the clock, by NTP best."
    )


def native() -> Finding:
    """Is there compiled code for draws?"""
    if library() is not None:
        return Finding("compiled code", "ok", "draws are made by it")
    remedy = "make native, or install a wheel for this system; draws take a hundred times as long in NumPy."
    return Finding("compiled code", "warning", "none for this machine", remedy)


def pages(static: Path = assets.STATIC) -> Finding:
    """Are the files there that pages load?"""
    if missing := [name for name in ("templates", "static") if not any((static.parent / name).glob("*.*"))]:
        return Finding("pages", "failed", f"{' and '.join(missing)} missing", "Install vitrine-vae again.")
    if importlib.util.find_spec("jinja2") is None:
        return Finding(
            "pages", "failed", "jinja2 is missing", "Install vitrine-vae again, with all it needs."
        )
    installed = assets.installed(static)
    absent = [
        f"{package['folder']}/{file}"
        for package in installed.values()
        for file in package["files"]
        if not (static / "vendor" / package["folder"] / file).is_file()
    ]
    if absent:
        return Finding("pages", "warning", f"{len(absent)} files missing, like {absent[0]}", "make assets")
    if not installed:
        what = "those of other projects are missing, which planes and exported pages load"
        return Finding("pages", "warning", what, "make assets, or install a wheel, which carries them.")
    return Finding("pages", "ok", f"all files are there, those of {', '.join(sorted(installed))} too")
