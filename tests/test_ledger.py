"""The ledger: what was sent is in silver once, whatever dies on the way and however often the file is sent.

The whole platform runs under its own supervisor. While a file is loaded, the broker, the Spark driver and the online
worker are killed with SIGKILL at random moments; then the file is sent again from its beginning.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from saran.core.settings import Settings
from tests.ledger import SEED, check, expected, write_file
from tests.platform import PATIENCE, Platform
from tests.servers import free_offset

pytestmark = [pytest.mark.platform, pytest.mark.spark, pytest.mark.timeout(600)]

PARTS: Final = ("kafka", "postgres", "streams", "worker")
ROWS: Final = 20_000


@pytest.fixture
def platform(tmp_path: Path) -> Iterator[Platform]:
    made = Platform(Settings(home=tmp_path / "home", port_offset=free_offset(), dataset="retailrocket"))
    try:
        made.saran("up", "--detach", "--only", ",".join(PARTS))
        yield made
    finally:
        made.saran("down")


def test_every_event_once_through_kills_and_a_replay(platform: Platform, tmp_path: Path) -> None:
    folder = tmp_path / "files"
    write_file(folder, ROWS)
    good, wrong = expected(folder, platform.settings)
    assert (len(good), len(wrong)) == (ROWS - ROWS // 100, ROWS // 100)

    chance = random.Random(SEED)
    loading = platform.load("--path", str(folder), "--rate", "800", "--patience", "120")
    for part in ("streams", "kafka", "worker", "streams", "worker"):
        time.sleep(chance.uniform(0.5, 3.0))
        platform.kill(part)
    _, complaint = loading.communicate(timeout=PATIENCE)
    assert loading.returncode == 0, complaint
    check(platform, good, wrong)
    assert all(platform.restarts(part) >= 1 for part in ("streams", "kafka", "worker"))

    replay = platform.load("--path", str(folder))
    _, complaint = replay.communicate(timeout=PATIENCE)
    assert replay.returncode == 0, complaint
    assert platform.records() == 2 * ROWS
    check(platform, good, wrong)
