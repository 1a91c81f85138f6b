"""The stream driver: `python -m saran.spark.streams`. Runs `ingest` over events, catalogue and users, and beside it
`trends` over what that wrote, until it is told to end.

Ends with 0 after SIGTERM or SIGINT, with 1 when a query died, so that whoever supervises it starts it again.
"""

from __future__ import annotations

import logging
import signal
import sys
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime
from types import FrameType
from typing import Final

from prometheus_client import start_http_server
from pyspark.sql import SparkSession

from saran.core.authorities import end_when_replaced
from saran.core.errors import SaranError
from saran.core.job_lock import STREAMS, only_one
from saran.core.names import Topic
from saran.core.settings import Settings, load_settings
from saran.spark.backup.unfinished import require_finished
from saran.spark.dead_letters import DeadLetters
from saran.spark.erasures import ErasureKeeper
from saran.spark.ingest_catalog import CatalogIngest
from saran.spark.ingest_events import EventIngest
from saran.spark.ingest_users import UserIngest
from saran.spark.kafka_stream import KafkaStream
from saran.spark.kafka_topics import KafkaTopics, TopicState, check_ends, first_offsets
from saran.spark.outcomes import BatchOutcome, Erased, Listener, TableCount
from saran.spark.rejected_sink import RejectedSink
from saran.spark.session import build_session
from saran.spark.stream_metrics import StreamMetrics
from saran.spark.stream_reporter import StreamReporter
from saran.spark.topic_ingest import TopicIngest
from saran.spark.trends.thread import TrendsThread
from saran.spark.upkeep import Upkeep

_LOOK_SECONDS: Final = 0.5
_STOP_SECONDS: Final = 20.0
_log = logging.getLogger(__name__)


def run(settings: Settings, stop: threading.Event) -> int:
    """Run both streams until `stop` is set (0) or one of them dies (1). Raises SaranError when it cannot start."""
    with ExitStack() as stack:
        stack.enter_context(only_one(settings, STREAMS))
        require_finished(settings)
        kafka = KafkaTopics(settings)
        # Kafka and Spark both take seconds to come up: wait for one while the other starts.
        with ThreadPoolExecutor(max_workers=1) as pool:
            waiting = pool.submit(
                kafka.wait_for, [settings.events_topic, Topic.CATALOG, Topic.USERS, Topic.DLQ, Topic.REQUESTS], stop
            )
            spark = build_session(settings, "saran streams", delta=False)
            stack.callback(spark.stop)
            topics = waiting.result()
        if topics is None:
            return 0
        metrics = StreamMetrics()
        trends = TrendsThread(settings, metrics)
        streams: list[KafkaStream] = []
        reporter = StreamReporter(settings, kafka, metrics, lambda: bool(streams) and not _dead(streams))
        rejected = RejectedSink(settings, DeadLetters(settings).send)
        stack.callback(rejected.close)
        stack.callback(reporter.close)

        def tell(outcome: BatchOutcome) -> None:
            reporter.tell(outcome)
            trends.tell(outcome.tables)

        def tell_erased(erased: Sequence[Erased], counts: Sequence[TableCount] = ()) -> None:
            reporter.tell_erased(erased, counts)
            trends.tell(counts)

        def look(order: Upkeep) -> None:
            for stream in streams:
                stream.upkeep(order)
            users.upkeep(order)
            trends.upkeep(order)

        erasures = ErasureKeeper(settings, topics[Topic.REQUESTS], tell_erased, look)
        users = UserIngest(
            settings, topics[Topic.USERS], rejected, lambda: erasures.tombstones, lambda counts: tell_erased((), counts)
        )
        tell_erased((), users.counts())

        _start(streams, spark, settings, topics, kafka, rejected, reporter, erasures, users, tell)
        users.follow()
        stack.callback(trends.close)
        for stream in streams:
            stack.callback(stream.stop, _STOP_SECONDS)
        stack.callback(users.close)
        stack.callback(erasures.close)
        server, thread = start_http_server(
            settings.spark.metrics_port or settings.port("stream_metrics"), settings.listen, registry=metrics.registry
        )
        stack.callback(thread.join)
        stack.callback(server.shutdown)
        reporter.start()
        trends.start()
        _log.info("reading %s at %s", ", ".join(stream.name for stream in streams), settings.bootstrap)
        while not stop.wait(_LOOK_SECONDS):
            followers = {one.name: reason for one in (erasures, users) if (reason := one.failure()) is not None}
            if dead := _dead(streams) | followers:
                for name, reason in dead.items():
                    _log.error("the stream %s died: %s", name, reason)
                return 1
        _log.info("ending")
        return 0


def _start(
    streams: list[KafkaStream],
    spark: SparkSession,
    settings: Settings,
    topics: dict[str, TopicState],
    kafka: KafkaTopics,
    rejected: RejectedSink,
    reporter: StreamReporter,
    erasures: ErasureKeeper,
    users: UserIngest,
    tell: Listener,
) -> None:
    """Start both streams, which join `streams`; then the erasures, which may order something of all of them."""
    began = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%fZ")
    of_events, of_catalog = topics[settings.events_topic], topics[Topic.CATALOG]
    events = EventIngest(settings, of_events, rejected, f"{of_events.name}/{began}", tell)
    events.tombstones = erasures.tombstones
    catalog = CatalogIngest(settings, of_catalog, rejected, f"{of_catalog.name}/{began}", tell)
    ingests: list[tuple[TopicState, TopicIngest]] = [(of_events, events), (of_catalog, catalog)]
    for topic, ingest in ingests:
        first = first_offsets(topic, ingest.next_offsets())
        check_ends(topic, first, kafka.ends(topic))
        reporter.add_stream(topic, first, ingest.counts())
        stream = KafkaStream(ingest, f"{topic.name}/{began}")
        stream.start(spark, settings, topic.name, first)
        streams.append(stream)
    erasures.start(streams[0], events, users)


def _dead(streams: list[KafkaStream]) -> dict[str, str]:
    """Streams that no longer run, and why."""
    return {stream.name: reason for stream in streams if (reason := stream.failure()) is not None}


def main() -> int:
    """Entry point of the process; the exit code."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    logging.getLogger("py4j").setLevel(logging.WARNING)
    stop = threading.Event()

    def end(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
    try:
        settings = load_settings()
        end_when_replaced(settings)
        return run(settings, stop)
    except SaranError as error:
        _log.error("%s", error)
        return 1


if __name__ == "__main__":
    sys.exit(main())
