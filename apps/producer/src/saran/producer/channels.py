"""The two ways of a simulated event, Kafka and the API, and the catalogue as Kafka has it."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Final, Protocol, Self

import httpx
import polars as pl
from confluent_kafka import Consumer, KafkaException, TopicPartition

from saran.core import limits
from saran.core.entities import Event
from saran.core.errors import SaranError
from saran.core.json_text import event_to_json
from saran.core.kafka_clients import client_options
from saran.core.names import Topic
from saran.core.settings import Settings
from saran.core.topics import ensure_topics
from saran.producer.broker_away import broker_away
from saran.producer.partitions import partitions_of
from saran.producer.sender import Sender, Slice

PATIENCE_SECONDS: Final = 60.0
"""How long Kafka or the API may stay away."""
_FIRST_BACKOFF: Final = 0.2
_LAST_BACKOFF: Final = 5.0
_UNAVAILABLE: Final = 503
_ACCEPTED: Final = 202

_POOL_SCHEMA: Final[dict[str, pl.DataType]] = {
    "item_id": pl.String(),
    "categories": pl.List(pl.String),
    "rating_count": pl.Int64(),
    "price": pl.Float64(),
}

_log = logging.getLogger(__name__)


class Channel(Protocol):
    """Takes events. A context manager."""

    most: int
    """Events at a time at most."""
    retries: int

    def send(self, events: Sequence[Event]) -> None:
        """Hand over events; raises SaranError when they are not taken for PATIENCE_SECONDS."""

    def finish(self) -> None:
        """Return when everything sent is acknowledged. Raises as `send`."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class KafkaChannel:
    """Straight into the events topic, keyed by user."""

    def __init__(self, settings: Settings) -> None:
        ensure_topics(settings, timeout_seconds=settings.kafka.timeout_ms / 1000)
        self.most = 10_000
        self.retries = 0
        self._topic = settings.events_topic
        self._sender = Sender(settings, patience=PATIENCE_SECONDS)
        _, self._partitions = self._sender.cluster_and_partitions(self._topic)

    def send(self, events: Sequence[Event]) -> None:
        """Hand the events to the client, which sends them in the background."""
        keys = pl.Series([event.user_id for event in events])
        values = pl.Series([event_to_json(event) for event in events])
        partitions = partitions_of(keys, self._partitions)
        self._sender.send(self._topic, Slice(keys.cast(pl.Binary), values.cast(pl.Binary), partitions), _nothing)

    def finish(self) -> None:
        """Wait for every acknowledgement."""
        self._sender.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._sender.__exit__(kind)


class ApiChannel:
    """POST /stream/events. What is not taken is sent again with the same ids, which makes that harmless."""

    def __init__(self, settings: Settings, *, client: httpx.Client | None = None) -> None:
        self.most = limits.MAX_EVENTS_PER_REQUEST
        self.retries = 0
        self._url = settings.api_url
        timeout = httpx.Timeout(settings.kafka.timeout_ms / 1000 + 5, connect=5)
        self._client = client or httpx.Client(base_url=settings.api_url, headers=settings.api_headers, timeout=timeout)

    def send(self, events: Sequence[Event]) -> None:
        """Post the events and wait for the answer."""
        body = "[" + ",".join(event_to_json(event) for event in events) + "]"
        deadline = time.monotonic() + PATIENCE_SECONDS
        backoff = _FIRST_BACKOFF
        while (reason := self._post(body)) is not None:
            if time.monotonic() + backoff > deadline:
                raise SaranError(
                    f"the API at {self._url} takes no events ({reason})",
                    fix="look at `saran status` and `saran logs api`",
                )
            self.retries += 1
            _log.warning("the API took no events (%s): trying again in %.1f s", reason, backoff)
            time.sleep(backoff)
            backoff = min(2 * backoff, _LAST_BACKOFF)

    def _post(self, body: str) -> str | None:
        """None when taken, else why to try again."""
        try:
            answer = self._client.post("/stream/events", content=body, headers={"content-type": "application/json"})
        except httpx.TransportError as error:
            return str(error) or type(error).__name__
        if answer.status_code == _ACCEPTED:
            return None
        if answer.status_code == _UNAVAILABLE:
            return f"503 {answer.text[:200]}"
        raise SaranError(f"the API at {self._url} refused events: {answer.status_code} {answer.text[:500]}")

    def finish(self) -> None:
        """Nothing is under way between posts."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()


def read_catalogue(settings: Settings) -> pl.DataFrame:
    """Items of the catalog topic (item_id, categories, rating_count, price); no rows where the topic has none.

    Raises SaranError when Kafka does not answer.
    """
    timeout = settings.kafka.timeout_ms / 1000
    consumer = Consumer(
        {**client_options(settings), "group.id": "saran-simulate", "enable.auto.commit": False},
        logger=_log,
    )
    rows: list[dict[str, object]] = []
    try:
        known = consumer.list_topics(Topic.CATALOG, timeout=timeout).topics[Topic.CATALOG].partitions
        ends: dict[int, int] = {}
        for partition in known:
            low, high = consumer.get_watermark_offsets(TopicPartition(Topic.CATALOG, partition), timeout=timeout)
            if high > low:
                ends[partition] = high
        consumer.assign([TopicPartition(Topic.CATALOG, partition, 0) for partition in ends])
        while ends and (messages := consumer.consume(10_000, timeout=timeout)):
            for message in messages:
                if (error := message.error()) is not None:
                    raise KafkaException(error)
                if (value := message.value()) is not None and "error" not in (item := json.loads(value)):
                    rows.append({name: item.get(name) for name in _POOL_SCHEMA})
            for partition in list(ends):
                (place,) = consumer.position([TopicPartition(Topic.CATALOG, partition)])
                if place.offset >= ends[partition]:
                    del ends[partition]
    except KafkaException as error:
        raise broker_away(settings.bootstrap, error) from error
    finally:
        consumer.close()
    return pl.DataFrame(rows, schema=_POOL_SCHEMA)


def _nothing() -> None:
    """Live events are not resumed."""
