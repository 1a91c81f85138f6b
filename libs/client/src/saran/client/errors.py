"""Why a question has no answer."""

from __future__ import annotations

from collections.abc import Sequence

from saran.core.api_shapes import Fault
from saran.core.errors import SaranError


class ApiError(SaranError):
    """The API refused or could not answer.

    `status` is its HTTP status, None where there was no answer; `faults` say what is wrong with a request (422);
    `retry_after` is the seconds after which to ask again, where the API told.
    """

    def __init__(
        self,
        message: str,
        *,
        fix: str | None = None,
        status: int | None = None,
        faults: Sequence[Fault] = (),
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message, fix=fix)
        self.status = status
        self.faults = tuple(faults)
        self.retry_after = retry_after


class ApiAway(ApiError):
    """Nothing answers at the API's address, or not in time."""
