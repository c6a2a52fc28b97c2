"""Whoever a request comes from: the API key that it was let in by, and what is left of its budget."""

import math
from contextvars import ContextVar
from pathlib import Path
from typing import NamedTuple

from app.access import keys
from app.access.budgets import Budget
from app.access.files import WatchedFile
from app.access.keys import Key


class Caller(NamedTuple):
    """An API key, and its budget; None: it has none."""

    key: Key
    budget: Budget | None


# Of the request whose task this is; None: it needs no key, or came by a signed address.
current: ContextVar[Caller | None] = ContextVar("caller", default=None)


class Callers:
    """Knows API keys by a file that is read again when it changes. Used on one event loop.

    A budget lasts as long as its key's line says the same number.

    Args:
        path: of the file of keys.
        processes: that serve; each has its share of every budget.

    Raises:
        AccessError: the file cannot be used.
    """

    def __init__(self, path: Path, processes: int = 1) -> None:
        self._file = WatchedFile(path, keys.parse)
        self._processes = processes
        self._budgets: dict[str, Budget] = {}  # by the keys' names

    def find(self, presented: bytes) -> Caller | None:
        """Return who presents a key, None if it is not known."""
        key = keys.find(self._file.value, presented)
        return None if key is None else Caller(key, self._budget(key))

    def _budget(self, key: Key) -> Budget | None:
        if key.images_per_minute is None:
            return None
        share = math.ceil(key.images_per_minute / self._processes)
        budget = self._budgets.get(key.name)
        if budget is None or budget.per_minute != share:
            budget = self._budgets[key.name] = Budget(share)
        return budget
