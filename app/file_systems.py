"""Places beyond this machine's folders, like ``s3://bucket/prefix``: fsspec opens them."""

import queue
import threading
from collections.abc import Callable
from typing import Any

_OBJECT_STORES = {"s3", "s3a", "gs", "gcs", "az", "abfs", "memory"}


class NoSuchPlace(Exception):
    """An address cannot be opened: fsspec is not installed, or does not know it. Says so in one line."""


def opened(address: str, **options: Any) -> tuple[Any, str]:
    """Return fsspec's file system of an address, and the path in it that the address means.

    Args:
        address: with ``://``.
        options: of the file system.

    Raises:
        NoSuchPlace: there is none.
    """
    try:
        import fsspec  # type: ignore[import-untyped]
    except ImportError:
        raise NoSuchPlace(f"{address}: needs fsspec: pip install 'vitrine-vae[remote]'") from None
    try:
        files, root = fsspec.core.url_to_fs(address, **options)
    except (ValueError, ImportError) as error:
        raise NoSuchPlace(f"{address}: {error}") from None
    return files, str(root)


def is_object_store(files: Any) -> bool:
    """Say whether a file system has keys and no folders."""
    protocols = files.protocol if isinstance(files.protocol, tuple) else (files.protocol,)
    return bool(_OBJECT_STORES & set(protocols))


def call(files: Any, method: str, seconds: float, *given: Any, **options: Any) -> Any:
    """Return what a method of a file system does, in time.

    Args:
        files: the file system.
        method: its name.
        seconds: that it may take.
        given: arguments.
        options: arguments by name.

    Raises:
        TimeoutError: it takes too long, and is left alone.
        Exception: whatever it raises.
    """
    if getattr(files, "async_impl", False):
        from fsspec import asyn

        return asyn.sync(files.loop, getattr(files, f"_{method}"), *given, timeout=seconds, **options)
    return in_time(lambda: getattr(files, method)(*given, **options), seconds)


def in_time(call: Callable[[], Any], seconds: float) -> Any:
    """Return what a call does in a thread of its own, which is left alone if it takes too long.

    Raises:
        TimeoutError: it takes more than `seconds`.
        Exception: whatever it raises.
    """
    outcome: queue.SimpleQueue[tuple[Any, BaseException | None]] = queue.SimpleQueue()

    def work() -> None:
        try:
            outcome.put((call(), None))
        except BaseException as error:
            outcome.put((None, error))

    threading.Thread(target=work, name="objects", daemon=True).start()
    try:
        result, error = outcome.get(timeout=seconds)
    except queue.Empty:
        raise TimeoutError from None
    if error is not None:
        raise error
    return result
