from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

import pytest

from saran.core.authorities import certificates, end_when_replaced
from saran.core.errors import SaranError
from saran.core.s3 import S3
from saran.core.settings import Kafka, Settings

FIRST = "-----BEGIN CERTIFICATE-----\nfirst\n-----END CERTIFICATE-----"
SECOND = FIRST.replace("first", "second")


@pytest.fixture
def told() -> Iterator[threading.Event]:
    """Set by SIGTERM, which ends nothing meanwhile."""
    event = threading.Event()

    def end(_number: int, _frame: FrameType | None) -> None:
        event.set()

    before = signal.signal(signal.SIGTERM, end)
    yield event
    signal.signal(signal.SIGTERM, before)


def test_every_certificate_of_a_folder_is_trusted_and_nothing_else_of_it(tmp_path: Path) -> None:
    (tmp_path / "ca.crt").write_text(SECOND)
    (tmp_path / "ca-2026-01-01T00-00-00Z.crt").write_text(f"{FIRST}\n")
    (tmp_path / "ca.password").write_text("secret")
    assert certificates(tmp_path) == f"{FIRST}\n{SECOND}\n"
    assert certificates(tmp_path / "ca.crt") == f"{SECOND}\n"


def test_where_no_certificate_is_the_error_names_the_place(tmp_path: Path) -> None:
    with pytest.raises(SaranError, match="holds no certificate"):
        certificates(tmp_path)
    with pytest.raises(SaranError, match=r"absent\.crt: No such file"):
        certificates(tmp_path / "absent.crt")


def test_a_process_ends_itself_once_an_authority_is_replaced(tmp_path: Path, told: threading.Event) -> None:
    folder = tmp_path / "kafka"
    folder.mkdir()
    (folder / "ca.crt").write_text(FIRST)
    store = tmp_path / "store.crt"
    store.write_text(FIRST)
    thread = end_when_replaced(Settings(kafka=Kafka(ca_file=folder), s3=S3(ca_file=store)), look_seconds=0.01)
    assert thread is not None
    # Away for a moment, and back as it was.
    store.unlink()
    assert not told.wait(0.1)
    store.write_text(FIRST)
    (folder / "ca.password").write_text("secret")
    assert not told.wait(0.1)
    (folder / "ca-2026-01-01T00-00-00Z.crt").write_text(SECOND)
    assert told.wait(10)
    thread.join(10)
    assert not thread.is_alive()


def test_nothing_is_watched_where_public_authorities_are_trusted() -> None:
    assert end_when_replaced(Settings()) is None
