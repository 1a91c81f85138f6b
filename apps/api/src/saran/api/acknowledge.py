"""What a request puts into Kafka, and the answer when Kafka does not take it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from saran.api.problem import Problem
from saran.api.record_producer import NotAcknowledgedError
from saran.api.state import State

_RETRY_SECONDS: Final = 5

KAFKA_AWAY: Final[dict[int | str, dict[str, Any]]] = {
    503: {"description": "Kafka did not acknowledge; send it again, which changes nothing that was taken"}
}


async def acknowledged(state: State, topic: str, records: Sequence[tuple[str, str | None]]) -> None:
    """Returns when Kafka has the records (key, value). Raises Problem 503 when it has not within the time-out."""
    try:
        await state.producer.put(topic, records)
    except NotAcknowledgedError as error:
        state.metrics.kafka_errors.inc()
        raise Problem(503, f"Kafka did not acknowledge ({error}): send it again", retry_after=_RETRY_SECONDS) from error
