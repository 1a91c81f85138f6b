"""The error that a person is meant to read."""

from __future__ import annotations


class SaranError(Exception):
    """Something failed for a known reason. `fix` says what to do about it, and is shown after the reason."""

    def __init__(self, message: str, *, fix: str | None = None) -> None:
        super().__init__(message if fix is None else f"{message}: {fix}")
        self.message = message
        self.fix = fix
