"""A note in the lakehouse while a restore is under way: what is half there must not be taken for all there is."""

from __future__ import annotations

from typing import Final

from saran.core.errors import SaranError
from saran.core.names import Bucket
from saran.core.s3 import Location, replace_text
from saran.core.settings import Settings

_NOTE: Final = "_restoring"


def begin(settings: Settings, backup: str) -> None:
    """Note that `backup` is being restored."""
    note = _place(settings)
    note.parent.mkdir(parents=True, exist_ok=True)
    replace_text(note, backup)


def end(settings: Settings) -> None:
    """Take the note away: all is there."""
    _place(settings).unlink()


def unfinished(settings: Settings) -> str | None:
    """The backup whose restore was begun and did not end."""
    try:
        return _place(settings).read_text()
    except FileNotFoundError:
        return None


def require_finished(settings: Settings) -> None:
    """Raises SaranError while a restore is under way, or was cut off."""
    if (backup := unfinished(settings)) is not None:
        raise SaranError(
            f"the restore of {backup} has not ended", fix=f"wait for it, or go on with `saran restore {backup}`"
        )


def _place(settings: Settings) -> Location:
    return settings.locate(settings.bucket(Bucket.LAKEHOUSE)) / _NOTE
