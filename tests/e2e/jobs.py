"""Jobs, submitted as people submit them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

from tests.e2e.installation import Installation


def submit(installation: Installation, job: str, **parameters: object) -> dict[str, Any]:
    """`saran submit`, to the job's end; its JSON."""
    options = ["--namespace", installation.namespace, "--release", installation.release]
    options += [part for name, value in parameters.items() for part in ("--set", f"{name}={value}")]
    done = subprocess.run(
        [sys.executable, "-m", "saran.cli", "submit", job, "--json", "--timeout", "1800", *options],
        env={**os.environ, "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        timeout=2000,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-5000:]
    answer: dict[str, Any] = json.loads(done.stdout)
    assert answer["state"] == "COMPLETED"
    return answer
