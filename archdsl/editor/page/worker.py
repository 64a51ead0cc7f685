"""The process that reads and draws: it is ended when it takes too long, and begun again."""

import asyncio
from collections.abc import Callable
from concurrent.futures import CancelledError
from multiprocessing import get_context
from typing import Any, TypeVar

from pebble import ProcessExpired, ProcessPool

SECONDS = 10.0  # that one text may take
TRIES = 2
Result = TypeVar("Result")


class Worker:
    """One process, which does one thing after the other."""

    def __init__(self, seconds: float = SECONDS) -> None:
        self.seconds = seconds
        self.pool = self.begun()

    def begun(self) -> ProcessPool:
        return ProcessPool(max_workers=1, context=get_context("spawn"))

    async def ask(self, ask: Callable[..., Result], *arguments: Any) -> Result | str:
        """What a function gives in the process; a text that says why it gave nothing.

        Where the process is killed from outside the function is tried once more.
        """
        for _ in range(TRIES):
            if not self.pool.active:  # whoever killed the process killed what watches over it
                self.pool = self.begun()
            future = self.pool.schedule(ask, args=arguments, timeout=self.seconds)
            try:
                found: Result = await asyncio.wrap_future(future)
                return found
            except TimeoutError:
                return f"this takes more than {self.seconds:g} seconds, and was ended"
            except (ProcessExpired, RuntimeError, CancelledError):
                continue
        return "the process that reads specs ends whenever it reads this"

    def close(self) -> None:
        pool: Any = self.pool
        pool.stop()
        pool.join()
