"""A part of the platform as data: what to run, when it counts as ready, how to end it."""

from __future__ import annotations

import signal
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

Probe = Callable[[float], str | None]
"""Given when the part's process started (seconds since 1970): None when it is ready, else why it is not yet.

Called some ten times a second while the part starts; must come back within a few seconds.
"""


def _nothing() -> None:
    return None


@dataclass(frozen=True)
class Part:
    """One supervised process."""

    name: str
    command: Callable[[], Sequence[str]]
    """Program and arguments; asked for at each start, after `prepare`."""
    probe: Probe
    environment: Mapping[str, str] = field(default_factory=dict)
    needs: tuple[str, ...] = ()
    """Parts that must be ready before this one starts."""
    uses: tuple[str, ...] = ()
    """Parts that it waits for itself, and that are stopped after it."""
    ports: Mapping[str, int] = field(default_factory=dict)
    """Ports it listens on, by their name in `saran.core.settings.Ports`."""
    prepare: Callable[[], None] = _nothing
    """Runs before each start; an exception counts as a crash of the part."""
    after_ready: Callable[[], None] = _nothing
    """Runs when the probe first succeeds, again after an exception; the part is ready when it returns."""
    start_seconds: float = 60.0
    """Longest time from start to ready; then it is stopped and started again."""
    stop_signal: signal.Signals = signal.SIGTERM
    stop_seconds: float = 10.0
    memory_mb: int = 0
    """What it takes once warm, MiB."""
    user: int | None = None
    """User id to run as, where that is not the supervisor's own."""
