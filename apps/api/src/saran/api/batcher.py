"""Requests that arrive together are answered together: one query, one fold-in, one matrix product."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from saran.api.gathering import Gathering, Waiting
from saran.api.history_reader import HistoryAwayError, HistoryReader, StoredHistory
from saran.api.metrics import ApiMetrics
from saran.api.model_store import ModelStore, Served
from saran.core.confidence import IntArray
from saran.core.list_options import ListOptions
from saran.core.listing import NO_HISTORY, Listed, Wanted, make_lists
from saran.core.recommender import History, Ranked

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


class Batcher:
    """Lists of users, those that arrive together made together."""

    def __init__(self, store: ModelStore[Served], reader: HistoryReader, metrics: ApiMetrics) -> None:
        self._store = store
        self._reader = reader
        self._metrics = metrics
        self._gathering: Gathering[_Asked, Answer] = Gathering(self._answer)

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
        return self._gathering.ask(_Asked(user_id, limit, options, shown, popular))

    async def run(self) -> None:
        """Answer for ever."""
        await self._gathering.run()

    async def _answer(self, batch: list[Waiting[_Asked, Answer]]) -> None:
        served = self._store.served
        if served is None:
            raise NoModelError
        asked = [one.question for one in batch]
        histories, degraded = await self._read(list({one.user_id for one in asked}))
        given = [stored.events if (stored := histories.get(one.user_id)) is not None else NOTHING for one in asked]
        plain = [place for place, one in enumerate(asked) if one.options is None]
        lists = await _best(served, [given[place] for place in plain], max((asked[p].limit for p in plain), default=0))
        for place, (items, scores, personal) in zip(plain, lists, strict=True):
            limit = asked[place].limit
            listed = Listed(Ranked(items[:limit], scores[:limit], personal), [], None)
            batch[place].settle(Answer(served, listed, len(given[place].item_ids), degraded))
        wanted = {
            place: Wanted(given[place], one.options, one.shown, one.popular)
            for place, one in enumerate(asked)
            if one.options is not None
        }
        if wanted:
            # In a thread: they cost several times as much as plain lists, and those of the next batch arrive meanwhile.
            made = await asyncio.to_thread(make_lists, served.recommender, served.columns, list(wanted.values()))
            for place, listed in zip(wanted, made, strict=True):
                batch[place].settle(Answer(served, listed, len(given[place].item_ids), degraded))
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
