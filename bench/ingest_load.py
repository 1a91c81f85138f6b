"""Producer half of `make bench-ingest`: `saran load` next to Kafka's own ProducerPerformance.

Both send the same number of records of the same size, with acks=all, idempotence, the same compression, batch size and
linger, to topics of the same partitions on the same broker, by turns. ProducerPerformance draws its payloads from
10,000 of our own values, so that both compress alike; it makes no keys, reads no file and builds no JSON. The rates are
by the commands' own clocks, which start when their clients are up and end with the last acknowledgement; reading and
encoding the file are within that of `saran load`. Beside them stand the rates of the whole commands, with the start of
Python or Java, and for ours the catalogue.
"""

from __future__ import annotations

import json
import os
import re
import statistics
import subprocess
import sys
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

import polars as pl

from saran.cli import jars
from saran.cli.java import Java, find_java
from saran.core.datasets import load_spec, open_dataset
from saran.core.settings import Settings
from saran.core.topics import ensure_topics
from saran.producer.records import event_records

COMPRESSION: Final = "lz4"
SAMPLES: Final = 10_000
AIM: Final = 0.7
_TIMEOUT: Final = 600
_RATE: Final = re.compile(r"records sent, ([0-9.]+) records/sec")


@dataclass
class LoadBench:
    """Rates are records a second, one element a run."""

    rows: int
    record_bytes: float
    load: list[float] = field(default_factory=list)
    load_whole_command: list[float] = field(default_factory=list)
    kafka: list[float] = field(default_factory=list)
    kafka_whole_command: list[float] = field(default_factory=list)

    @property
    def ratio(self) -> float:
        """Median of ours over median of Kafka's."""
        return statistics.median(self.load) / statistics.median(self.kafka)

    def as_json(self) -> dict[str, Any]:
        """All figures, with the ratio and its aim."""
        return {**asdict(self), "ratio": self.ratio, "aim": AIM}


def bench_load(settings: Settings, data: Path, runs: int) -> LoadBench:
    """Measure on a broker that runs at `settings.bootstrap`; `data` holds Retail Rocket's files."""
    values = _sample_values(settings, data)
    payloads = settings.home / "payloads.txt"
    payloads.write_text("\n".join(values) + "\n")
    size = statistics.fmean(len(value.encode()) for value in values)
    java = find_java(settings.cache)
    jars.fetch(settings.cache, [jars.KAFKA, jars.TOOLS], java=java)
    bench = LoadBench(rows=0, record_bytes=size)
    for run in range(runs):
        _load(settings.model_copy(update={"events_topic": f"bench-load-{run}"}), data, bench)
        _performance(settings.model_copy(update={"events_topic": f"bench-kafka-{run}"}), java, payloads, bench)
    return bench


def _sample_values(settings: Settings, data: Path) -> list[str]:
    dataset = open_dataset(load_spec("retailrocket", settings), settings, data=data)
    block = next(iter(dataset.read_events(block_bytes=1 << 20)))
    return event_records(block, 1).values.cast(pl.String).head(SAMPLES).to_list()


def _load(settings: Settings, data: Path, bench: LoadBench) -> None:
    environment = {
        **os.environ,
        "SARAN_HOME": str(settings.home),
        "SARAN_KAFKA__BOOTSTRAP": settings.bootstrap,
        "SARAN_KAFKA__EVENTS_TOPIC": settings.events_topic,
    }
    command = [sys.executable, "-m", "saran.producer", "load", "retailrocket", "--path", str(data), "--json"]
    started = time.monotonic()
    done = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, timeout=_TIMEOUT)
    seconds = time.monotonic() - started
    summary = json.loads(done.stdout)
    if summary["acknowledged"] != summary["rows"] + summary["items"]:
        raise RuntimeError(f"not everything was acknowledged: {summary}")
    bench.rows = summary["rows"]
    bench.load.append(summary["rows_per_second"])
    bench.load_whole_command.append(summary["rows"] / seconds)


def _performance(settings: Settings, java: Java, payloads: Path, bench: LoadBench) -> None:
    ensure_topics(settings)
    command = [
        *(str(java.executable), "-Xmx512m", "-cp", jars.classpath(settings.cache, [jars.KAFKA, jars.TOOLS])),
        "org.apache.kafka.tools.ProducerPerformance",
        *("--topic", settings.events_topic, "--num-records", str(bench.rows), "--throughput", "-1"),
        *("--payload-file", str(payloads), "--producer-props", f"bootstrap.servers={settings.bootstrap}"),
        *("acks=all", "enable.idempotence=true", f"compression.type={COMPRESSION}"),
        *("batch.size=262144", "linger.ms=20", "buffer.memory=100663296"),
    ]
    started = time.monotonic()
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=_TIMEOUT)
    seconds = time.monotonic() - started
    rates = _RATE.findall(done.stdout)
    if not rates or f"{bench.rows} records sent" not in done.stdout:
        raise RuntimeError(f"ProducerPerformance did not finish: {done.stdout[-500:]} {done.stderr[-500:]}")
    bench.kafka.append(float(rates[-1]))
    bench.kafka_whole_command.append(bench.rows / seconds)


def show(bench: LoadBench) -> None:
    """Print the table."""
    print(f"{bench.rows:,} records of {bench.record_bytes:.0f} bytes, acks=all, idempotent, {COMPRESSION}")
    for name, rates in (
        ("saran load", bench.load),
        ("  whole command", bench.load_whole_command),
        ("ProducerPerformance", bench.kafka),
        ("  whole command", bench.kafka_whole_command),
    ):
        print(f"{name:<22}{statistics.median(rates):>12,.0f} records/s   runs: {', '.join(f'{r:,.0f}' for r in rates)}")
    print(f"{'ratio':<22}{bench.ratio:>12.2f}   aim: {AIM} or better")
