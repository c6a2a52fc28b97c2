"""A service of which each API key has its own part: its models, and its budget of images."""

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from app.access.callers import current
from app.access.refusals import ModelNotAllowed
from app.engine.engine import Engine
from app.engine.work import Work
from app.errors import echo
from app.models import Model
from app.service import Service

T = TypeVar("T")


class MeteredEngine(Engine):
    """Takes the images that it computes from the budget of whoever asks for them.

    What the cache has, or another's request computes, costs nothing: it never comes here.
    """

    def submit(self, work: Work[T]) -> "asyncio.Future[T]":
        """Admit `work`; see ``Engine.submit``.

        Raises:
            BudgetSpent: the budget has not as many images.
        """
        caller = current.get()
        if caller is None or caller.budget is None:
            return super().submit(work)
        caller.budget.take(work.images)
        try:
            return super().submit(work)
        except BaseException:
            caller.budget.give_back(work.images)
            raise


class RestrictedService(Service):
    """The service where requests need an API key."""

    engine_type = MeteredEngine

    def find(self, reference: str | None) -> Awaitable[Model]:
        """Find a model; see ``Service.find``. One that the key is not for is not even opened.

        Raises:
            ModelNotAllowed: the key of whoever asks is not for it.
        """
        caller = current.get()
        if caller is not None and (allowed := caller.key.models) is not None:
            name = (reference or self.settings.default_model).partition("@")[0]
            if name not in allowed:
                raise ModelNotAllowed(echo(name), allowed)
        return super().find(reference)
