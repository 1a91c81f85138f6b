"""Lists of visitors' sessions that arrive together: no database is asked, so they do not wait for lists of users."""

from __future__ import annotations

import asyncio
from typing import NamedTuple

from saran.api.batcher import NoModelError
from saran.api.gathering import Gathering, Waiting
from saran.api.model_store import ModelStore, Served
from saran.core.list_options import SessionRequest
from saran.core.listing import Listed, Wanted, make_session_lists
from saran.core.recommender import History


class SessionAnswer(NamedTuple):
    """A session's list, and by what it was made."""

    served: Served
    listed: Listed


class _Asked(NamedTuple):
    session: History
    request: SessionRequest


class SessionLists:
    """Makes them in a thread, many at a time."""

    def __init__(self, store: ModelStore[Served]) -> None:
        self._store = store
        self._gathering: Gathering[_Asked, SessionAnswer] = Gathering(self._answer)

    def ask(self, session: History, request: SessionRequest) -> asyncio.Future[SessionAnswer]:
        """The list of a session. The future raises NoModelError before the first training."""
        return self._gathering.ask(_Asked(session, request))

    async def run(self) -> None:
        """Answer for ever."""
        await self._gathering.run()

    async def _answer(self, batch: list[Waiting[_Asked, SessionAnswer]]) -> None:
        served = self._store.served
        if served is None:
            raise NoModelError
        usual = served.recommender.repeats_usual
        wanted = [Wanted(one.question.session, one.question.request.options(repeats_usual=usual)) for one in batch]
        lists = await asyncio.to_thread(make_session_lists, served.recommender, served.columns, wanted)
        for one, listed in zip(batch, lists, strict=True):
            one.settle(SessionAnswer(served, listed))
