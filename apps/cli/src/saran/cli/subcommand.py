"""Runs a command of `saran` as a user would, in a process of its own, and reads its JSON answer."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any, Final

from saran.cli.java import find_java, spark_environment
from saran.cli.logs import tail
from saran.core.errors import SaranError
from saran.core.settings import Settings

_COMMAND_SECONDS: Final = 3600


def run_saran(settings: Settings, *arguments: str, show: bool = False) -> dict[str, Any]:
    """The JSON object that `saran ARGUMENTS…` writes; its stderr goes to a log, or with `show` to the terminal.

    Raises SaranError with the log's last lines when the command fails.
    """
    log = settings.home / "logs" / f"{arguments[0]}-command.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w") as file:
        done = subprocess.run(
            [sys.executable, "-m", "saran.cli", *arguments],
            stdout=subprocess.PIPE,
            stderr=None if show else file,
            text=True,
            timeout=_COMMAND_SECONDS,
            env={**os.environ, **spark_environment(find_java(settings.cache))},
            check=False,
        )
    if done.returncode:
        words = "" if show else ": " + "\n".join(tail(log, 12))
        raise SaranError(f"`saran {' '.join(arguments)}` failed{words}", fix=f"logs are in {log.parent}")
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer
