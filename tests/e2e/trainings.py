"""Trainings, submitted as people submit them."""

from __future__ import annotations

import json
import os
import subprocess
import sys

from tests.e2e.installation import Installation


def submit_training(installation: Installation, iterations: int) -> None:
    """`saran submit train-recommender`, to its end."""
    options = ["--namespace", installation.namespace, "--release", installation.release]
    options += ["--set", f"iterations={iterations}"]
    done = subprocess.run(
        [sys.executable, "-m", "saran.cli", "submit", "train-recommender", "--json", "--timeout", "1800", *options],
        env={**os.environ, "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        timeout=2000,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-5000:]
    answer = json.loads(done.stdout)
    assert answer["state"] == "COMPLETED"
    assert answer["arguments"][-2:] == ["--set", f"iterations={iterations}"]
