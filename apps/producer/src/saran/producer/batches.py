"""`saran batches`: events from Kafka into numbered CSV files, each event in exactly one of them.

What was written is known by the folder itself. A state file names the newest batch, how many rows it has and the
offsets behind it; replacing it is the moment at which a batch counts. A batch file is complete beside it before,
under a name that tells its rows, and gets its own name after. A kill at any point leaves one of the two states.
"""

from __future__ import annotations

import io
import json
import logging
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Final

import polars as pl
from confluent_kafka import Consumer, KafkaException, TopicPartition

from saran.core.datasets import DatasetSpec, load_spec, source_columns, to_source_columns
from saran.core.datasets.spec import FileEvents
from saran.core.errors import SaranError
from saran.core.kafka_clients import client_options
from saran.core.names import Group
from saran.core.settings import Settings
from saran.producer.broker_away import broker_away
from saran.producer.decode import decode_events
from saran.producer.json_file import replace_json

STATE_FILE: Final = ".saran-batches.json"
_POLL_SECONDS: Final = 0.2

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class State:
    """What the folder holds: batches 1 to `number`, the newest with `rows` rows, and the offsets behind them."""

    topic: str
    cluster: str
    number: int = 0
    rows: int = 0
    offsets: dict[str, int] = field(default_factory=dict)
    """Next offset of each partition (as text, for JSON)."""


@dataclass
class BatchesSummary:
    """What a run wrote."""

    folder: str
    files: int = 0
    events: int = 0
    wrong_rows: int = 0
    newest: str | None = None
    rows_in_newest: int = 0


def write_batches(
    name: str, settings: Settings, out: Path, size: int, quiet_seconds: float, tell: Callable[[str], None]
) -> BatchesSummary:
    """Write batches of `size` events of data set `name`'s columns to `out` until `quiet_seconds` bring nothing.

    A last batch that is not full is written too, and filled by the next run. Raises SaranError when Kafka does
    not answer, or the folder belongs to another topic or cluster.
    """
    spec = load_spec(name, settings)
    out.mkdir(parents=True, exist_ok=True)
    consumer = Consumer(
        {
            **client_options(settings),
            "group.id": Group.BATCHES,
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
            "socket.timeout.ms": settings.kafka.timeout_ms,
        },
        logger=_log,
    )
    try:
        return _Writer(consumer, spec, settings, out, size).run(quiet_seconds, tell)
    except KafkaException as error:
        raise broker_away(settings.bootstrap, error, then="run the command again to go on") from error
    finally:
        consumer.close()


def batch_name(number: int) -> str:
    """`batch_001.csv`, as the Retail Rocket system names them."""
    return f"batch_{number:03d}.csv"


class _Writer:
    def __init__(self, consumer: Consumer, spec: DatasetSpec, settings: Settings, out: Path, size: int) -> None:
        self._consumer = consumer
        self._spec = spec
        self._topic = settings.events_topic
        self._timeout = settings.kafka.timeout_ms / 1000
        self._out = out
        self._size = size
        self._summary = BatchesSummary(str(out))

    def run(self, quiet_seconds: float, tell: Callable[[str], None]) -> BatchesSummary:
        state = self._begin()
        number, rows = self._open_batch(state)
        offsets = dict(state.offsets)
        context_keys = tuple(self._spec.events.context) if isinstance(self._spec.events, FileEvents) else ()
        heard = time.monotonic()
        while time.monotonic() - heard < quiet_seconds:
            messages = self._consumer.consume(self._size - rows.height, timeout=_POLL_SECONDS)
            values: list[bytes] = []
            for message in messages:
                if (error := message.error()) is not None:
                    raise KafkaException(error)
                offsets[str(message.partition())] = int(message.offset() or 0) + 1
                values.append(message.value() or b"")
            if not values:
                continue
            heard = time.monotonic()
            events = decode_events(values, context_keys)
            self._summary.wrong_rows += len(values) - events.height
            self._summary.events += events.height
            rows = pl.concat([rows, to_source_columns(events, self._spec)])
            tell(f"{self._summary.events:,} events, {batch_name(number)}")
            if rows.height == self._size:
                state = self._write(replace(state, number=number, rows=rows.height, offsets=dict(offsets)), rows)
                number, rows = number + 1, rows.clear()
        if offsets != state.offsets:
            kept = replace(state, number=number, rows=rows.height, offsets=offsets)
            state = self._write(kept, rows) if rows.height else self._record(replace(state, offsets=offsets))
        self._summary.files = state.number
        self._summary.newest = batch_name(state.number) if state.number else None
        self._summary.rows_in_newest = state.rows
        return self._summary

    def _begin(self) -> State:
        """The folder's state, made whole after a kill, with the consumer placed behind it."""
        metadata = self._consumer.list_topics(self._topic, timeout=self._timeout)
        state = State(self._topic, str(metadata.cluster_id))
        path = self._out / STATE_FILE
        if path.exists():
            stored = State(**json.loads(path.read_text()))
            if (stored.topic, stored.cluster) != (state.topic, state.cluster):
                raise SaranError(f"{self._out} holds batches of another topic or cluster", fix="give a new folder")
            state = stored
        elif (self._out / batch_name(1)).exists():
            raise SaranError(f"{self._out} holds batches that this command did not write", fix="give a new folder")
        for left in self._out.glob(f"{STATE_FILE}.*"):
            left.unlink()
        for left in self._out.glob("batch_*.tmp"):
            if left == self._prepared(state):
                left.replace(self._out / batch_name(state.number))
            else:
                left.unlink()
        partitions = sorted(metadata.topics[self._topic].partitions)
        if not partitions:
            raise SaranError(f"there is no topic {self._topic!r}", fix="load a data set first (`saran load DATASET`)")
        places = [TopicPartition(self._topic, p, state.offsets.get(str(p), 0)) for p in partitions]
        self._consumer.assign([self._within_retention(place) for place in places])
        return state

    def _within_retention(self, place: TopicPartition) -> TopicPartition:
        low, high = self._consumer.get_watermark_offsets(place, timeout=self._timeout)
        if place.offset > high:
            raise SaranError(
                f"{self._topic}/{place.partition} ends at {high}, before {place.offset} where {self._out} stopped",
                fix="the topic was made anew: give a new folder",
            )
        if place.offset < low:
            _log.warning(
                "%s/%d: offsets %d to %d are gone by retention", self._topic, place.partition, place.offset, low - 1
            )
        return TopicPartition(place.topic, place.partition, max(low, place.offset))

    def _open_batch(self, state: State) -> tuple[int, pl.DataFrame]:
        """The batch to go on with, and its rows: the newest where it is not full, else the next."""
        columns = dict.fromkeys(source_columns(self._spec), pl.String)
        if not state.number or state.rows >= self._size:
            return state.number + 1, pl.DataFrame(schema=columns)
        return state.number, pl.read_csv(self._out / batch_name(state.number), schema=columns)

    def _prepared(self, state: State) -> Path:
        return self._out / f"{batch_name(state.number)}.{state.rows}.tmp"

    def _write(self, state: State, rows: pl.DataFrame) -> State:
        prepared = self._prepared(state)
        text = io.BytesIO()
        rows.write_csv(text)
        prepared.write_bytes(text.getvalue())
        self._record(state)
        prepared.replace(self._out / batch_name(state.number))
        _log.info("%s: %d rows", batch_name(state.number), state.rows)
        return state

    def _record(self, state: State) -> State:
        replace_json(self._out / STATE_FILE, asdict(state))
        # For lag tools only; the state file is what counts.
        places = [TopicPartition(self._topic, int(partition), offset) for partition, offset in state.offsets.items()]
        self._consumer.commit(offsets=places, asynchronous=True)
        return state
