"""Requests that arrive together are answered together."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, Generic, NamedTuple, TypeVar

_MOST: Final = 256
"""Questions answered together at most."""

_GATHER_SECONDS: Final = 0.001
"""How long a batch gathers when the one before had company: a list costs several times less among many."""

Q = TypeVar("Q")
A = TypeVar("A")


class Waiting(NamedTuple, Generic[Q, A]):
    """A question, and who waits for its answer."""

    question: Q
    answer: asyncio.Future[A]

    def settle(self, answer: A) -> None:
        """Answer it, unless the one who asked has left."""
        if not self.answer.done():
            self.answer.set_result(answer)


class Gathering(Generic[Q, A]):
    """While a batch is under way the next one gathers; `run` answers them one after the other."""

    def __init__(self, answer: Callable[[list[Waiting[Q, A]]], Awaitable[None]]) -> None:
        """`answer` settles each of a batch; where it raises, those that it did not settle raise the same."""
        self._answer = answer
        self._waiting: list[Waiting[Q, A]] = []
        self._wake = asyncio.Event()

    def ask(self, question: Q) -> asyncio.Future[A]:
        """The answer, when its batch has been answered."""
        answer: asyncio.Future[A] = asyncio.get_running_loop().create_future()
        self._waiting.append(Waiting(question, answer))
        self._wake.set()
        return answer

    async def run(self) -> None:
        """Answer for ever."""
        company = 0
        while True:
            await self._wake.wait()
            if company > 1:
                await asyncio.sleep(_GATHER_SECONDS)
            company = len(self._waiting)
            batch, self._waiting = self._waiting[:_MOST], self._waiting[_MOST:]
            if not self._waiting:
                self._wake.clear()
            try:
                await self._answer(batch)
            except Exception as error:  # noqa: BLE001  one batch's failure is the failure of its requests only
                for one in batch:
                    if not one.answer.done():
                        one.answer.set_exception(error)
