"""`saran simulate`: live users through Kafka or through the API."""

from __future__ import annotations

import hashlib
import logging
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import Final, Literal

from saran.core.datasets import Dataset, load_spec, open_dataset
from saran.core.entities import Event
from saran.core.settings import Settings
from saran.producer.channels import ApiChannel, Channel, KafkaChannel, read_catalogue
from saran.producer.pool import Pool, make_pool
from saran.producer.shoppers import Shoppers, Step

_TICK_SECONDS: Final = 0.05
"""Events due within a tick leave together."""
_SHOWN_SECONDS: Final = 0.5

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class SimulateOptions:
    """How many users, how many events a second, for how long, and which way."""

    users: int = 100
    rate: float = 20.0
    minutes: float | None = None
    """None: until interrupted."""
    via: Literal["kafka", "api"] = "kafka"
    data: Path | None = None
    seed: int | None = None
    """None: drawn from the clock, so that a second run makes new events."""


@dataclass
class SimulateSummary:
    """What happened. `events` were acknowledged."""

    source: str
    users: int
    seed: int
    events: int = 0
    retries: int = 0
    seconds: float = 0.0
    actions: dict[str, int] = field(default_factory=dict)


def simulate(name: str, settings: Settings, options: SimulateOptions, tell: Callable[[str], None]) -> SimulateSummary:
    """Let users act until the time is over or SIGINT or SIGTERM comes; then everything sent is acknowledged.

    Raises SaranError when there is no catalogue, or what takes the events stays away.
    """
    dataset = open_dataset(load_spec(name, settings), settings, data=options.data)
    pool = _pool(dataset, settings, options)
    seed = time.time_ns() // 1_000_000 if options.seed is None else options.seed
    source = f"{dataset.spec.name}-simulated"
    summary = SimulateSummary(source, options.users, seed)
    shoppers = Shoppers(pool, options.users, seed)
    actions: Counter[str] = Counter()
    made = 0
    started = time.monotonic()
    with _channel(settings, options) as channel, _stop_on_signal() as stop:
        end = None if options.minutes is None else options.minutes * 60
        shown = 0.0
        while not stop.is_set() and (end is None or time.monotonic() - started < end):
            elapsed = time.monotonic() - started
            due = int(elapsed * options.rate) + 1 - made
            events = [_event(shoppers.step(), seed, made + place, source) for place in range(min(due, channel.most))]
            if events:
                channel.send(events)
                made += len(events)
                actions.update(event.action.value for event in events)
            if elapsed - shown > _SHOWN_SECONDS:
                shown = elapsed
                tell(f"{made:,} events, {made / elapsed:,.1f}/s")
            stop.wait(_TICK_SECONDS)
        channel.finish()
    summary.events, summary.retries = made, channel.retries
    summary.actions = dict(sorted(actions.items()))
    summary.seconds = time.monotonic() - started
    _log.info("simulated: %s", summary)
    return summary


def _pool(dataset: Dataset, settings: Settings, options: SimulateOptions) -> Pool:
    """The catalogue as it is in Kafka; where it is not there, or Kafka is not our way, as the files have it."""
    if options.via == "kafka" and (frame := read_catalogue(settings)).height:
        return make_pool([frame])
    return make_pool(block.items for block in dataset.read_items())


def _channel(settings: Settings, options: SimulateOptions) -> Channel:
    return KafkaChannel(settings) if options.via == "kafka" else ApiChannel(settings)


def _event(step: Step, seed: int, number: int, source: str) -> Event:
    identity = hashlib.sha256(f"{source} {seed} {number}".encode()).hexdigest()[:32]
    return Event(
        event_id=identity,
        event_time=datetime.now(UTC),
        user_id=f"sim-{step.user}",
        item_id=step.item_id,
        action=step.action,
        value=step.value,
        session_id=f"sim-{seed}-{step.session}",
        source=source,
    )


@contextmanager
def _stop_on_signal() -> Iterator[threading.Event]:
    """An event that SIGINT and SIGTERM set, where signals can be handled (in the main thread)."""
    stop = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return

    def handle(_: int, __: FrameType | None) -> None:
        stop.set()

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
