"""Requests that arrive together are answered together: one query, one fold-in, one matrix product."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from saran.api.history_reader import HistoryAwayError, HistoryReader, StoredHistory
from saran.api.metrics import ApiMetrics
from saran.api.model_store import ModelStore, Served
from saran.core.confidence import IntArray
from saran.core.list_options import ListOptions
from saran.core.listing import NO_HISTORY, Listed, make_list
from saran.core.recommender import History, Ranked

_MOST: Final = 256
"""Users answered together at most."""

_GATHER_SECONDS: Final = 0.001
"""How long a batch gathers when the one before had company: a user costs several times less among many."""

_IN_LOOP_SCORES: Final = 4_000_000
"""Scores (users × items) that are computed in the event loop; more of them go to a thread."""

NOTHING: Final = NO_HISTORY


class Answer(NamedTuple):
    """A user's list, and by what it was made."""

    served: Served
    listed: Listed
    history_events: int
    degraded: bool


class NoModelError(Exception):
    """No model was ever trained."""


@dataclass(slots=True)
class _Asked:
    user_id: str
    limit: int
    options: ListOptions | None
    shown: IntArray | None
    popular: bool
    answer: asyncio.Future[Answer]


class Batcher:
    """While a batch is under way the next one gathers; `run` answers them one after the other."""

    def __init__(self, store: ModelStore[Served], reader: HistoryReader, metrics: ApiMetrics) -> None:
        self._store = store
        self._reader = reader
        self._metrics = metrics
        self._waiting: list[_Asked] = []
        self._wake = asyncio.Event()

    def ask(
        self,
        user_id: str,
        limit: int,
        options: ListOptions | None = None,
        *,
        shown: IntArray | None = None,
        popular: bool = False,
    ) -> asyncio.Future[Answer]:
        """The `limit` best items of a user, or the list that `options` ask for: without the items `shown`, and by
        popularity alone if `popular`.

        The future raises NoModelError before the first training.
        """
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Asked(user_id, limit, options, shown, popular, answer))
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
        given = [stored.events if (stored := histories.get(asked.user_id)) is not None else NOTHING for asked in batch]
        plain = [place for place, asked in enumerate(batch) if asked.options is None]
        lists = await _best(served, [given[place] for place in plain], max((batch[p].limit for p in plain), default=0))
        for place, (items, scores, personal) in zip(plain, lists, strict=True):
            limit = batch[place].limit
            listed = Listed(Ranked(items[:limit], scores[:limit], personal), [], None)
            _settle(batch[place], Answer(served, listed, len(given[place].item_ids), degraded))
        for asked, history in zip(batch, given, strict=True):
            if asked.options is not None:
                # In a thread: it costs several times a plain list, and those of the next batch arrive meanwhile.
                listed = await asyncio.to_thread(
                    make_list,
                    served.recommender,
                    served.columns,
                    history,
                    asked.options,
                    shown=asked.shown,
                    popular=asked.popular,
                )
                _settle(asked, Answer(served, listed, len(history.item_ids), degraded))
                lists.append(listed.ranked)
        self._count(lists, degraded)

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


async def _best(served: Served, histories: Sequence[History], k: int) -> list[Ranked]:
    if len(histories) * served.manifest.items <= _IN_LOOP_SCORES:
        return served.recommender.recommend(histories, k)
    return await asyncio.to_thread(served.recommender.recommend, histories, k)


def _settle(asked: _Asked, answer: Answer) -> None:
    if not asked.answer.done():
        asked.answer.set_result(answer)
