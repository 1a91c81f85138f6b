"""What users were shown in an experiment, as `impression` events in Kafka; no list ever waits for it."""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime
from typing import Final, NamedTuple

from confluent_kafka import KafkaError, KafkaException, Message

from saran.api.metrics import ApiMetrics
from saran.api.record_producer import RecordProducer
from saran.core.entities import Action, Event
from saran.core.experiment_shapes import InExperiment
from saran.core.json_text import event_to_json
from saran.core.names import EXPOSURES

_log = logging.getLogger("saran.api.exposures")

_MOST_LISTS: Final = 1000
"""Lists that wait to be logged; more, as when Kafka is away, are counted and not logged."""

_MOST_RECORDS: Final = 20_000
"""Records that Kafka has not acknowledged yet: events of shops need the producer's room too."""


class Shown(NamedTuple):
    """A list that was answered; `first` is the rank of its first item, `place` what the caller said of where it is."""

    recommendation_id: str
    user_id: str
    item_ids: list[str]
    first: int
    experiment: InExperiment
    place: str | None
    at: datetime


class Exposures:
    """`log` takes a list at once; `run` puts it into Kafka."""

    def __init__(self, producer: RecordProducer, topic: str, metrics: ApiMetrics) -> None:
        self._producer = producer
        self._topic = topic
        self._metrics = metrics
        self._waiting: asyncio.Queue[Shown] = asyncio.Queue(_MOST_LISTS)
        self._unacknowledged = 0

    def log(
        self,
        recommendation_id: str,
        user_id: str,
        item_ids: list[str],
        experiment: InExperiment,
        *,
        first: int,
        place: str | None,
    ) -> None:
        """Have the items logged that a user is shown now, or count them as lost when too many wait."""
        shown = Shown(recommendation_id, user_id, item_ids, first, experiment, place, datetime.now(UTC))
        try:
            self._waiting.put_nowait(shown)
        except asyncio.QueueFull:
            self._metrics.exposures_lost.inc(len(item_ids))

    async def run(self) -> None:
        """Log for ever."""
        while True:
            self._put(await self._waiting.get())
            # Lists that were asked for go first.
            await asyncio.sleep(0)

    def finish(self) -> None:
        """Put what waits, before the producer ends."""
        while not self._waiting.empty():
            self._put(self._waiting.get_nowait())

    def _put(self, shown: Shown) -> None:
        for rank, item_id in enumerate(shown.item_ids, start=shown.first):
            if self._unacknowledged >= _MOST_RECORDS:
                self._metrics.exposures_lost.inc()
                continue
            try:
                self._producer.send(self._topic, shown.user_id, _record(shown, item_id, rank), self._delivered)
            except (BufferError, KafkaException) as error:
                _log.warning("an exposure was not logged: %s", error)
                self._metrics.exposures_lost.inc()
            else:
                self._unacknowledged += 1

    def _delivered(self, error: KafkaError | None, _message: Message) -> None:
        # In the producer's thread; a count that is off by one now and then harms nothing.
        self._unacknowledged -= 1
        (self._metrics.exposures if error is None else self._metrics.exposures_lost).inc()


def _record(shown: Shown, item_id: str, rank: int) -> str:
    context = {
        "experiment": shown.experiment.name,
        "variant": shown.experiment.variant,
        "recommendation_id": shown.recommendation_id,
        "rank": str(rank),
    }
    event = Event(
        event_id=f"{shown.recommendation_id}-{rank}",
        event_time=shown.at,
        user_id=shown.user_id,
        item_id=item_id,
        action=Action.IMPRESSION,
        source=EXPOSURES,
        context=context if shown.place is None else {**context, "place": shown.place},
    )
    return event_to_json(event)
