"""Running the programs, saying what is done, and waiting for what must come."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
POLL_SECONDS = 1.0


class Failed(RuntimeError):
    """A step that did not work. Its text names the cause and what to do."""


def say(text: str) -> None:
    print(text, flush=True)


def run(command: list[str], *, seconds: float, text: str | None = None, quiet: bool = False) -> str:
    """What a program prints; with `quiet` false its output goes to the terminal. Raises Failed with its last words."""
    try:
        done = subprocess.run(
            command,
            cwd=ROOT,
            input=text,
            stdout=subprocess.PIPE if quiet else None,
            stderr=subprocess.PIPE if quiet else None,
            text=True,
            timeout=seconds,
            check=False,
        )
    except FileNotFoundError as error:
        raise Failed(f"there is no program {command[0]}: `make kind-preflight` says what to install") from error
    except subprocess.TimeoutExpired as error:
        raise Failed(f"`{' '.join(command[:4])} …` has not ended after {seconds:.0f} s") from error
    if done.returncode:
        said = (done.stderr or done.stdout or ("it said nothing" if quiet else "see above")).strip()[-2000:]
        raise Failed(f"`{' '.join(command)}` failed: {said}")
    return done.stdout or ""


class Kubectl:
    """kubectl on one context of the kubeconfig; the current one when it is empty."""

    def __init__(self, context: str = "") -> None:
        self.context = context
        self._base = ["kubectl", *(["--context", context] if context else [])]

    def __call__(self, *arguments: str, text: str | None = None, seconds: float = 60, quiet: bool = True) -> str:
        return run([*self._base, *arguments], seconds=seconds, text=text, quiet=quiet)

    def items(self, kind: str, *options: str) -> list[dict[str, Any]]:
        """Resources of a kind; none where the cluster does not know it."""
        try:
            found: dict[str, Any] = json.loads(self("get", kind, "-o", "json", *options))
        except Failed as error:
            if "the server doesn't have a resource type" in str(error):
                return []
            raise
        return list(found["items"])


def wait_for(what: str, holds: Callable[[], str | None], *, seconds: float, fix: str) -> None:
    """Wait until `holds` gives None; meanwhile it gives what is missing. Raises Failed when it takes too long."""
    say(f"  waiting for {what} (up to {seconds:.0f} s)")
    began = time.monotonic()
    while (missing := holds()) is not None:
        if time.monotonic() - began > seconds:
            raise Failed(f"{what}: {missing}, after {seconds:.0f} s. {fix}")
        time.sleep(POLL_SECONDS)
    say(f"  ok {what} ({time.monotonic() - began:.0f} s)")


def fail(error: Failed) -> int:
    print(f"error: {error}", file=sys.stderr)
    return 1
