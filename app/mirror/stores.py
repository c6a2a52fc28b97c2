"""The folder of the store that the settings name, whether that is here or elsewhere."""

import logging
import math
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from app.errors import StoreError
from app.registry.refusals import Refused
from app.settings import Settings

if TYPE_CHECKING:
    from app.mirror.mirror import Mirror

log = logging.getLogger("vitrine")

WARM_SECONDS = 5.0  # that one request may take at a start which can do without it


def mirror_of(settings: Settings, max_seconds: float = math.inf) -> "Mirror | None":
    """Return what follows the store of the settings; None: it is a folder here.

    Args:
        settings: with the store.
        max_seconds: of one request, if that is less than the settings give it.

    Raises:
        StoreError: its address cannot be opened, or there is no place for its versions.
    """
    if isinstance(settings.model_store, Path):
        return None
    from app.mirror import cache  # late: a store that is a folder needs none of it
    from app.mirror.mirror import Mirror
    from app.registry.objects import Objects

    address = settings.model_store
    try:
        source = Objects(address, min(settings.store_request_seconds, max_seconds))
    except Refused as error:
        raise StoreError(str(error)) from None
    folder = cache.folder_for(source.name, settings.store_cache)
    return Mirror(source, folder, settings.store_max_bytes, settings.trusted)


def folder_of(settings: Settings) -> Path:
    """Return the store's folder, brought up to date if the store is elsewhere.

    Raises:
        StoreError: nothing of a store elsewhere is here, and it cannot be read.
    """
    mirror = mirror_of(settings)
    if mirror is None:
        return Path(settings.model_store)
    mirror.update()
    _require_any(mirror)
    return mirror.folder


class Prepared(NamedTuple):
    """A store that can be scanned.

    Args:
        settings: with the name of the default model, if it was the store elsewhere that told it.
        folder: of the store.
        mirror: what follows a store elsewhere; None: there is none.
    """

    settings: Settings
    folder: Path
    mirror: "Mirror | None"


def prepared(settings: Settings, fresh: bool) -> Prepared:
    """Return the store's folder with the default model; of a store elsewhere, others may come later.

    What is here from an earlier time will do where a store elsewhere cannot be read soon.

    Args:
        settings: with the store.
        fresh: ask a store elsewhere even if the default model is here.

    Raises:
        StoreError: nothing is here, and the store cannot be read; or it leaves a choice of the default model.
    """
    mirror = mirror_of(settings)
    if mirror is None:
        return Prepared(settings, Path(settings.model_store), None)
    name, _, rest = settings.default_model.partition("@")
    number = rest.partition("-")[0]
    is_here = name in mirror.here and (mirror.folder / name / number).is_dir()
    if is_here and not fresh:
        return Prepared(settings, mirror.folder, mirror)
    hasty = (mirror_of(settings, WARM_SECONDS) if mirror.here else None) or mirror
    try:
        names = hasty.names()
    except Refused:
        _require_any(hasty)
        return Prepared(settings, mirror.folder, mirror)
    settings = settings.for_store(names)
    name = settings.default_model.partition("@")[0]  # may be the only one of the store
    asked = hasty if is_here else mirror
    if name in names:
        asked.bring(name, first=int(number) if number else None, alone=True)
    else:  # the error names those that there are
        asked.update()
    _require_any(asked)
    return Prepared(settings, mirror.folder, mirror)


def _require_any(mirror: "Mirror") -> None:
    if not mirror.here:
        raise StoreError(mirror.warning or f"{mirror.name}: no model is there")
    if mirror.warning:
        log.warning("%s", mirror.warning)
