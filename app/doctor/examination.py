"""All checks, in the order in which they are told."""

from collections.abc import Iterator

from app.doctor import machine, serving
from app.doctor.findings import Finding
from app.settings import SettingsError, load_settings


def examine() -> Iterator[Finding]:
    """Make every check, one after the other; what the settings keep from being made is left out."""
    yield machine.python()
    yield machine.packages()
    yield machine.processor()
    yield machine.files()
    yield machine.clock()
    yield machine.native()
    yield machine.pages()
    try:
        settings = load_settings()
    except SettingsError as error:
        yield Finding(
            "settings", "failed", str(error), "Set what it names to what it expects, or not at all."
        )
        return
    yield from serving.settings_in_force(settings)
    yield machine.temporary(settings)
    yield serving.port(settings)
    if (address := serving.address(settings)) is not None:
        yield address
        if address.state == "failed":
            return
    found = serving.scanned(settings)
    if isinstance(found, Finding):
        yield found
        return
    yield from serving.versions(settings, found)
    finding, default = serving.default_model(settings, found)
    yield finding
    if default is None:
        return
    yield serving.memory(settings, found)
    yield serving.picture(settings)
