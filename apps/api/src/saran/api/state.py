"""All that the routes share, and the tasks behind it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import psycopg
from starlette.requests import HTTPConnection

from saran.api.about import read_about
from saran.api.alike_users import AlikeUsers
from saran.api.analytics import Analytics
from saran.api.batcher import Batcher
from saran.api.certificates import Certificates
from saran.api.experiments import Experiments
from saran.api.exposures import Exposures
from saran.api.history_changes import HistoryChanges
from saran.api.history_reader import HistoryReader
from saran.api.kafka_monitor import KafkaMonitor
from saran.api.lake_tables import LakeTables
from saran.api.metrics import ApiMetrics
from saran.api.model_store import ModelStore, recommender_store
from saran.api.online_reader import OnlineReader
from saran.api.rates import Rate
from saran.api.record_producer import RecordProducer
from saran.api.rejected_reader import RejectedReader
from saran.api.segment_figures import SegmentReader
from saran.api.session_lists import SessionLists
from saran.api.silver_events import SilverEvents
from saran.api.streams import Streams
from saran.api.trends_reader import TrendsReader
from saran.core.names import Model
from saran.core.settings import Settings
from saran.core.visitor_models import load_predictor, load_segmentation


class State:
    """The parts of one API process. Made inside its event loop."""

    def __init__(self, settings: Settings, metrics: ApiMetrics) -> None:
        self.settings = settings
        self.metrics = metrics
        self.started = time.monotonic()
        self.ready = False
        self.about = read_about(settings)
        stored, pause = settings.models_path, settings.serving.model_poll_seconds
        self.models = recommender_store(stored, metrics, settings.serving)
        self.predictor = ModelStore(stored, Model.TRANSACTION_PREDICTOR, load_predictor, metrics, poll_seconds=pause)
        self.segmentation = ModelStore(stored, Model.USER_SEGMENTATION, load_segmentation, metrics, poll_seconds=pause)
        self.histories = HistoryReader(lambda: settings.postgres_url, timeout_ms=settings.serving.database_timeout_ms)
        self.alike_users = AlikeUsers(lambda: settings.postgres_url, self.histories)
        self.online = OnlineReader(lambda: settings.postgres_url)
        self.batcher = Batcher(self.models, self.histories, metrics)
        self.session_lists = SessionLists(self.models)
        self.changes = HistoryChanges(lambda: settings.postgres_url)
        self.streams = Streams(settings.serving.stream_clients, metrics)
        self.producer = RecordProducer(settings)
        self.kafka = KafkaMonitor(settings)
        self.experiments = Experiments(lambda: settings.postgres_url)
        self.exposures = Exposures(self.producer, settings.events_topic, metrics)
        self.certificates = Certificates(settings)
        self.analytics = Analytics(lambda: settings.postgres_url, settings.events_topic)
        self.tables = LakeTables(settings)
        self.segments = SegmentReader(settings)
        self.rejected = RejectedReader(settings)
        self.silver = SilverEvents(settings)
        self.trends = TrendsReader(lambda: settings.postgres_url)
        self.list_rate = Rate(metrics.lists_made)
        self.request_rate = Rate(lambda: metrics.requests)

    @property
    def stores(self) -> tuple[ModelStore[Any], ...]:
        """Those of all models."""
        return (self.models, self.predictor, self.segmentation)

    def end_streams(self) -> None:
        """End what would stay open; the process is about to end."""
        self.streams.closing = True
        self.changes.wake_all()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Keep the background tasks; ready when the first model, if any, is loaded."""
        self.producer.start()
        await asyncio.gather(*(store.refresh() for store in self.stores))
        with suppress(psycopg.Error, OSError):  # its task goes on trying, and says so
            await self.histories.connect()
        lasting = (
            self.histories.run(),
            self.batcher.run(),
            self.session_lists.run(),
            self.changes.run(),
            self.experiments.run(),
            self.exposures.run(),
            self.list_rate.run(),
            self.request_rate.run(),
        )
        followed = [store.run() for store in self.stores]
        tasks = [asyncio.create_task(one) for one in (*followed, *lasting)]
        self.ready = True
        try:
            yield
        finally:
            self.ready = False
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self.histories.close()
            self.exposures.finish()
            await asyncio.to_thread(self.producer.close)
            await asyncio.to_thread(self.kafka.close)


def state_of(connection: HTTPConnection) -> State:
    """The state of the process that serves a request; a FastAPI dependency too."""
    state: State = connection.app.state.saran
    return state
