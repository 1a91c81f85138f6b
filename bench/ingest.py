"""`make bench-ingest`: what the producer sends and `ingest` drains a second, next to what Kafka and Spark alone do."""

from __future__ import annotations

import argparse
import json
import signal
import sys
import tempfile
from pathlib import Path

from bench import ingest_drain, ingest_load
from tests.servers import free_offset, kafka_server

from saran.core.settings import Settings
from saran.producer.synthetic.make import synthesise


def main() -> None:
    """Start a broker of its own, measure both halves over the same events, print, and save with --json."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=2)
    parser.add_argument("--data", type=Path, help="folder of Retail Rocket's files; a synthetic stand-in when left out")
    parser.add_argument("--json", type=Path, dest="json_path", help="save the figures here")
    options = parser.parse_args()
    # A polite end must still stop the broker, which has a session of its own.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with tempfile.TemporaryDirectory(prefix="saran-bench-") as folder:
        data = options.data or Path(folder) / "retailrocket"
        if options.data is None:
            synthesise("retailrocket", data, rows=options.rows)
        settings = Settings(home=Path(folder) / "home", port_offset=free_offset())
        server = kafka_server(settings)
        server.start()
        try:
            load = ingest_load.bench_load(settings, data, options.runs)
            # The first load's topic holds each event once.
            drained = settings.model_copy(update={"events_topic": "bench-load-0"})
            drain = ingest_drain.bench_drain(drained, options.runs)
        finally:
            server.kill9()
    ingest_load.show(load)
    ingest_drain.show(drain)
    if options.json_path is not None:
        options.json_path.parent.mkdir(parents=True, exist_ok=True)
        figures = {"load": load.as_json(), "drain": drain.as_json()}
        options.json_path.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
