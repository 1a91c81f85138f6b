"""A supervisor over parts that are a few lines of Python: started as a process by test_supervisor."""

from __future__ import annotations

import json
import logging
import os
import sys
from pathlib import Path

from saran.cli.platform.part import Part
from saran.cli.platform.supervisor import Supervisor

STEADY = "import time; print('up', flush=True); time.sleep(600)"
STUBBORN = (
    "import signal, subprocess, sys, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
    "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)']); print('up', flush=True); time.sleep(600)"
)
CRASHING = "import sys; print('no such table: gold', flush=True); sys.exit(7)"
SCRIPTS = {"steady": STEADY, "second": STEADY, "stubborn": STUBBORN, "crashing": CRASHING}


def part(name: str, home: Path, ports: dict[str, int]) -> Part:
    """Ready as soon as its log says `up` since its start; a crashing one never is."""
    log = home / "logs" / f"{name}.log"

    def probe(started: float) -> str | None:
        said = log.exists() and log.stat().st_mtime >= started - 0.05 and "up" in log.read_text()
        return None if said else "has not said that it is up"

    return Part(
        name=name,
        command=lambda: (sys.executable, "-c", SCRIPTS[name]),
        probe=probe,
        needs=("steady",) if name == "second" else (),
        ports=ports,
        stop_seconds=0.5 if name == "stubborn" else 5.0,
    )


def parts(home: Path, ports: dict[str, dict[str, int]] | None = None) -> list[Part]:
    return [part(name, home, (ports or {}).get(name, {})) for name in SCRIPTS]


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, stream=sys.stderr)
    own_home = Path(os.environ["SARAN_HOME"])
    given = json.loads(os.environ.get("FAKE_PORTS", "{}"))
    sys.exit(Supervisor(own_home, parts(own_home, given)).run())
