"""Users who asked to be forgotten: the request in Kafka's topic `requests`, and tombstones that are honoured for ever.

Neither holds the user's id, only its pseudonym: who reads them cannot tell who it was, and who has the id and the
installation's key can tell that it was erased.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from saran.core.entities import Identifier
from saran.core.maintenance import read_maintenance
from saran.core.pseudonym import installation_key, pseudonyms
from saran.core.settings import Settings

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
FOREVER: Final = (1 << 63) - 1
"""As milliseconds since 1970: events of any time."""

_log = logging.getLogger(__name__)


class Erasure(BaseModel):
    """An order to the owners of tables. Key of the record: `subject`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["erase"] = "erase"
    request_id: Identifier
    subject: str = Field(pattern="^[0-9a-f]{32}$", description="Pseudonym of the user")
    requested_at: AwareDatetime
    until: AwareDatetime | None = Field(
        default=None, description="Events up to then; without it the user is forgotten, and later events too"
    )

    @property
    def until_ms(self) -> int:
        """`until` in milliseconds since 1970, FOREVER without it."""
        return milliseconds(self.until)


def milliseconds(until: datetime | None) -> int:
    """A tombstone's end in milliseconds since 1970, FOREVER for None."""
    return FOREVER if until is None else (until - _EPOCH) // timedelta(milliseconds=1)


def read_erasure(value: bytes | None) -> Erasure | None:
    """The erasure that a record of `requests` holds; None for another order, and with a line in the log for none."""
    try:
        return Erasure.model_validate_json(value or b"")
    except ValidationError as error:
        if read_maintenance(value) is not None:
            return None
        # What is wrong, without the values: they may name a person.
        wrong = [(".".join(map(str, each["loc"])), each["type"]) for each in error.errors(include_input=False)]
        _log.warning("a record of `requests` is no order and was passed over: %s", wrong)
        return None


@dataclass(frozen=True)
class Tombstones:
    """Until when (milliseconds since 1970) events of each erased subject are left out. False when there are none."""

    subjects: Mapping[str, int] = field(default_factory=dict)
    key: bytes = b""

    def __bool__(self) -> bool:
        return bool(self.subjects)

    def among(self, user_ids: Sequence[str]) -> dict[str, int]:
        """Those of the users who were erased, and until when. Costs a hash a user, and nothing before any erasure."""
        if not self.subjects:
            return {}
        named = zip(user_ids, pseudonyms(user_ids, self.key), strict=True)
        return {user: self.subjects[subject] for user, subject in named if subject in self.subjects}

    def with_more(self, found: Mapping[str, int], key: bytes) -> Tombstones:
        """These and `found`; of two of a subject the later end counts."""
        merged = dict(self.subjects)
        for subject, until in found.items():
            merged[subject] = max(until, merged.get(subject, until))
        return Tombstones(merged, key)


def erasure_key(settings: Settings) -> bytes:
    """The key that subjects are made with. Raises SaranError on a cluster where it is not mounted."""
    return installation_key(settings.home, make=settings.mode == "laptop")
