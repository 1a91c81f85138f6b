"""The parts of the laptop platform, in the order in which `status` shows them."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Final

from saran.cli import jars
from saran.cli.java import find_java, spark_environment
from saran.cli.platform import probes
from saran.cli.platform.kafka import kafka_part
from saran.cli.platform.part import Part
from saran.cli.platform.postgres import postgres_part
from saran.core.errors import SaranError
from saran.core.names import Part as PartName
from saran.core.settings import Settings

KAFKA: Final = "kafka"
POSTGRES: Final = "postgres"
STREAMS: Final = PartName.STREAMS
API: Final = "api"
WORKER: Final = PartName.WORKER
DASHBOARD: Final = "dashboard"
NAMES: Final = (KAFKA, POSTGRES, STREAMS, API, WORKER, DASHBOARD)

JARS: Final = {KAFKA: (jars.KAFKA,), STREAMS: (jars.SPARK,)}
"""Groups of jars that a part needs."""


def platform_parts(settings: Settings) -> tuple[Part, ...]:
    """All parts. Raises SaranError when there is no Java."""
    java = find_java(settings.cache)
    shared = {"SARAN_HOME": str(settings.home), "PYTHONUNBUFFERED": "1", **spark_environment(java)}

    def url() -> str:
        return settings.postgres_url

    def python(*arguments: str) -> tuple[str, ...]:
        return (sys.executable, "-m", *arguments)

    api, dashboard = settings.port("api"), settings.port("dashboard")
    return (
        kafka_part(settings, java),
        postgres_part(settings),
        Part(
            name=STREAMS,
            command=lambda: python("saran.spark.streams"),
            environment=shared,
            probe=probes.heartbeat(url, STREAMS),
            # It waits for both itself, while its Java starts.
            uses=(KAFKA, POSTGRES),
            ports={"stream_metrics": settings.port("stream_metrics")},
            start_seconds=180,
            stop_seconds=30,
            memory_mb=1400,
        ),
        Part(
            name=API,
            command=lambda: python("saran.api"),
            environment=shared,
            probe=probes.http_ok(api, "/health"),
            needs=(POSTGRES,),
            uses=(KAFKA,),
            ports={"api": api},
            memory_mb=250,
        ),
        Part(
            name=WORKER,
            command=lambda: python("saran.api.worker"),
            environment=shared,
            probe=probes.heartbeat(url, WORKER),
            needs=(POSTGRES, KAFKA),
            ports={"worker_metrics": settings.port("worker_metrics")},
            memory_mb=150,
        ),
        Part(
            name=DASHBOARD,
            command=lambda: python("streamlit", "run", str(_dashboard_script()), *_streamlit_options(dashboard)),
            environment=shared,
            probe=probes.http_ok(dashboard, "/_stcore/health"),
            uses=(API,),
            ports={"dashboard": dashboard},
            memory_mb=250,
        ),
    )


def with_needs(names: tuple[str, ...], parts: tuple[Part, ...]) -> tuple[str, ...]:
    """`names` and all that they need or use, in the platform's order. Raises SaranError for an unknown name."""
    by_name = {part.name: part for part in parts}
    wanted: set[str] = set()
    pending = list(names)
    while pending:
        name = pending.pop()
        if name not in by_name:
            raise SaranError(f"{name} is no part of the platform", fix=f"choose from {', '.join(by_name)}")
        if name not in wanted:
            wanted.add(name)
            pending += [*by_name[name].needs, *by_name[name].uses]
    return tuple(name for name in by_name if name in wanted)


def _streamlit_options(port: int) -> tuple[str, ...]:
    return (
        "--server.headless=true",
        "--server.address=127.0.0.1",
        f"--server.port={port}",
        "--server.fileWatcherType=none",
        "--browser.gatherUsageStats=false",
    )


def _dashboard_script() -> Path:
    spec = importlib.util.find_spec("saran.dashboard")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        script = Path(folder) / "app.py"
        if script.exists():
            return script
    raise SaranError("the dashboard is not installed", fix="run `make setup`, or leave it out with --only")
