"""How far a load got: one small file for each data file, replaced atomically."""

from __future__ import annotations

import json
import logging
import time
from dataclasses import asdict, dataclass
from typing import Final

from saran.core.settings import Settings
from saran.producer.json_file import replace_json

_WRITE_SECONDS: Final = 0.2

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Position:
    """What was acknowledged. It counts only for the same data, topic and cluster (`serves`)."""

    sha256: str
    topic: str
    cluster: str
    catalogue_sent: bool
    first_row: int
    next_row: int
    """Rows first_row to next_row - 1 are in Kafka."""

    def serves(self, other: Position) -> bool:
        """Whether a load that would begin as `other` can begin here: same data, topic and cluster, and no gap."""
        same = (self.sha256, self.topic, self.cluster) == (other.sha256, other.topic, other.cluster)
        return same and self.first_row <= other.first_row <= self.next_row


class ResumeFile:
    """Keeps a Position in `home/run`. Writing is rare (five times a second): a kill then repeats a few rows at most."""

    def __init__(self, settings: Settings, dataset: str, sha256: str) -> None:
        self.path = settings.home / "run" / f"load-{dataset}-{sha256[:16]}.json"
        self._written_at = 0.0
        self._latest: Position | None = None

    def read(self, expected: Position) -> Position:
        """The stored position where it serves a load that would begin as `expected`, else `expected`."""
        try:
            stored = Position(**json.loads(self.path.read_text()))
        except FileNotFoundError:
            return expected
        except (ValueError, TypeError):
            _log.warning("%s cannot be read: the load begins at row %d", self.path, expected.next_row)
            return expected
        if stored.serves(expected):
            return stored
        _log.info("%s is about other rows, topic or cluster: the load begins at row %d", self.path, expected.next_row)
        return expected

    def note(self, position: Position) -> None:
        """Remember; write it when the last write is a while ago."""
        self._latest = position
        if time.monotonic() - self._written_at >= _WRITE_SECONDS:
            self.save()

    def save(self) -> None:
        """Write what was noted last."""
        if self._latest is None:
            return
        replace_json(self.path, asdict(self._latest))
        self._written_at = time.monotonic()
