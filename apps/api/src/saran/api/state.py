"""All that the routes share, and the tasks behind it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import psycopg
from starlette.requests import HTTPConnection

from saran.api.about import read_about
from saran.api.analytics import Analytics
from saran.api.batcher import Batcher
from saran.api.certificates import Certificates
from saran.api.event_producer import EventProducer
from saran.api.history_reader import HistoryReader
from saran.api.kafka_monitor import KafkaMonitor
from saran.api.metrics import ApiMetrics
from saran.api.model_store import ModelStore
from saran.core.settings import Settings


class State:
    """The parts of one API process. Made inside its event loop."""

    def __init__(self, settings: Settings, metrics: ApiMetrics) -> None:
        self.settings = settings
        self.metrics = metrics
        self.started = time.monotonic()
        self.ready = False
        self.about = read_about(settings)
        self.models = ModelStore(settings.models_path, metrics, settings.serving)
        self.histories = HistoryReader(lambda: settings.postgres_url, timeout_ms=settings.serving.database_timeout_ms)
        self.batcher = Batcher(self.models, self.histories, metrics)
        self.producer = EventProducer(settings)
        self.kafka = KafkaMonitor(settings)
        self.certificates = Certificates(settings)
        self.analytics = Analytics(lambda: settings.postgres_url, settings.events_topic)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Keep the background tasks; ready when the first model, if any, is loaded."""
        self.producer.start()
        await self.models.refresh()
        with suppress(psycopg.Error, OSError):  # its task goes on trying, and says so
            await self.histories.connect()
        tasks = [asyncio.create_task(part.run()) for part in (self.models, self.histories, self.batcher)]
        self.ready = True
        try:
            yield
        finally:
            self.ready = False
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self.histories.close()
            await asyncio.to_thread(self.producer.close)
            await asyncio.to_thread(self.kafka.close)


def state_of(connection: HTTPConnection) -> State:
    """The state of the process that serves a request; a FastAPI dependency too."""
    state: State = connection.app.state.saran
    return state
