"""What a field may hold at most. The API refuses what breaks these; `ingest` rejects it, with the same words."""

from typing import Final

MAX_ID_LENGTH: Final = 256
"""Characters of an event, user, item, session or transaction id."""

MAX_CONTEXT_KEYS: Final = 32
MAX_CONTEXT_LENGTH: Final = 1024
"""Characters of one key or one value of an event's context."""

MAX_ABS_VALUE: Final = 1e12
"""Largest absolute event value; larger ones are taken for a unit mistake."""

MAX_FUTURE_SECONDS: Final = 24 * 3600
"""How far an event's time may lie ahead of the clock that reads it."""

MIN_EVENT_TIME: Final = "1970-01-01T00:00:00.000Z"

MAX_EVENTS_PER_REQUEST: Final = 1000
"""Events in one POST /stream/events."""

MAX_RAW_LENGTH: Final = 10_000
"""Characters kept of what was no event."""

MAX_LINE_BYTES: Final = 1024 * 1024
"""Of a line of an import; more than a record of Kafka may have."""

MAX_IMPORT_ERRORS: Final = 100
"""Told of an import; all are counted."""

MAX_LIST_LENGTH: Final = 500
"""Items in one list."""

MAX_PAGE_TOKEN: Final = 4 * (12 + 4 * MAX_LIST_LENGTH) // 3
"""Characters of a token that holds the items of a whole list."""

MAX_CATEGORY_LENGTH: Final = 200
MAX_CATEGORIES_ASKED: Final = 20
MAX_EXCLUDED: Final = 200
"""Item ids that one request may exclude by name."""

MAX_AGE: Final = 120
MAX_SESSION_ITEMS: Final = 500
MAX_CANDIDATES: Final = 1000
"""Items in one POST /rank."""

MAX_USERS_PER_BATCH: Final = 100
"""Users in one POST /recommendations/batch."""

MAX_BATCH_LIST_LENGTH: Final = 100
