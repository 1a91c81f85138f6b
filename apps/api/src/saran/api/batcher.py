"""Requests that arrive together are answered together: one query, one fold-in, one matrix product."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np

from saran.api.history_reader import HistoryAwayError, HistoryReader, StoredHistory
from saran.api.metrics import ApiMetrics
from saran.api.model_store import ModelStore, Served
from saran.core.recommender import History, Ranked

_MOST: Final = 256
"""Users answered together at most."""

_GATHER_SECONDS: Final = 0.001
"""How long a batch gathers when the one before had company: a user costs several times less among many."""

_IN_LOOP_SCORES: Final = 4_000_000
"""Scores (users × items) that are computed in the event loop; more of them go to a thread."""

_NOTHING: Final = History([], np.zeros(0, dtype=np.int64), np.zeros(0))


class Answer(NamedTuple):
    """A user's ranked items, and by what they were made."""

    served: Served
    ranked: Ranked
    history_events: int
    degraded: bool


class NoModelError(Exception):
    """No model was ever trained."""


@dataclass(slots=True)
class _Asked:
    user_id: str
    limit: int
    answer: asyncio.Future[Answer]


class Batcher:
    """While a batch is under way the next one gathers; `run` answers them one after the other."""

    def __init__(self, store: ModelStore, reader: HistoryReader, metrics: ApiMetrics) -> None:
        self._store = store
        self._reader = reader
        self._metrics = metrics
        self._waiting: list[_Asked] = []
        self._wake = asyncio.Event()

    def ask(self, user_id: str, limit: int) -> asyncio.Future[Answer]:
        """The `limit` best items of a user. The future raises NoModelError before the first training."""
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Asked(user_id, limit, answer))
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
                for asked in batch:
                    if not asked.answer.done():
                        asked.answer.set_exception(error)

    async def _answer(self, batch: list[_Asked]) -> None:
        served = self._store.served
        if served is None:
            raise NoModelError
        histories, degraded = await self._read(list({asked.user_id for asked in batch}))
        given = [stored.events if (stored := histories.get(asked.user_id)) is not None else _NOTHING for asked in batch]
        most = max(asked.limit for asked in batch)
        if len(batch) * served.manifest.items <= _IN_LOOP_SCORES:
            answers = served.recommender.recommend(given, most)
        else:
            answers = await asyncio.to_thread(served.recommender.recommend, given, most)
        for asked, history, (items, scores, personal) in zip(batch, given, answers, strict=True):
            if not asked.answer.done():
                ranked = Ranked(items[: asked.limit], scores[: asked.limit], personal)
                asked.answer.set_result(Answer(served, ranked, len(history.item_ids), degraded))
        self._count(answers, degraded)

    async def _read(self, user_ids: list[str]) -> tuple[dict[str, StoredHistory], bool]:
        try:
            return await self._reader.read(user_ids), False
        except HistoryAwayError:
            return {}, True

    def _count(self, answers: list[Ranked], degraded: bool) -> None:
        personal = sum(ranked.personal for ranked in answers)
        self._metrics.batch.observe(len(answers))
        if degraded:
            self._metrics.degraded.inc(len(answers))
            return
        self._metrics.personal.inc(personal)
        self._metrics.popular.inc(len(answers) - personal)
