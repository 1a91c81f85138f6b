"""The authorities whose certificates are trusted: read from a file or a folder, and watched, since they are replaced.

Clients of Kafka and of a store read what they trust once, when they are made. While an authority is replaced, the old
and the new one both sign, and what is mounted changes below a process that runs on.
"""

from __future__ import annotations

import hashlib
import logging
import os
import signal
import threading
from pathlib import Path
from typing import Final

from saran.core.errors import SaranError
from saran.core.settings import Settings

_LOOK_SECONDS: Final = 10.0
_log = logging.getLogger(__name__)


def certificates(place: Path) -> str:
    """PEM of one file, or of each `*.crt` of a folder, such as a mounted Secret that keeps a replaced authority too.

    Raises SaranError when there is none.
    """
    files = sorted(place.glob("*.crt")) if place.is_dir() else [place]
    try:
        text = "\n".join(file.read_text().strip() for file in files)
    except OSError as error:
        raise SaranError(
            f"cannot read {error.filename}: {error.strerror}", fix="It names the CA that is trusted."
        ) from error
    if "BEGIN CERTIFICATE" not in text:
        raise SaranError(
            f"{place} holds no certificate", fix="Put the CA's PEM there, or in *.crt files of the folder."
        )
    return text + "\n"


def end_when_replaced(settings: Settings, *, look_seconds: float = _LOOK_SECONDS) -> threading.Thread | None:
    """Send this process SIGTERM when what it trusts has changed: whoever supervises it starts it anew.

    None when it trusts nothing but the public authorities.
    """
    places = [place for place in (settings.kafka.ca_file, settings.s3.ca_file) if place is not None]
    if not places:
        return None
    thread = threading.Thread(
        target=_look, args=(places, _print_of(places), look_seconds), name="authorities", daemon=True
    )
    thread.start()
    return thread


def _look(places: list[Path], before: str | None, seconds: float) -> None:
    pause = threading.Event()
    while not pause.wait(seconds):
        now = _print_of(places)
        # A file that is away is one that is being exchanged.
        if now is None or now == before:
            continue
        if before is not None:
            _log.warning("the authorities in %s were replaced: ending, to be started with the new ones", places)
            os.kill(os.getpid(), signal.SIGTERM)
            return
        before = now


def _print_of(places: list[Path]) -> str | None:
    try:
        return hashlib.sha256("".join(map(certificates, places)).encode()).hexdigest()
    except SaranError:
        return None
