"""What every command says when Kafka does not answer."""

from __future__ import annotations

from confluent_kafka import KafkaException

from saran.core.errors import SaranError


def broker_away(bootstrap: str, reason: KafkaException | str, *, then: str = "") -> SaranError:
    """The error to raise; `then` is what to do once Kafka is back."""
    why = reason.args[0].str() if isinstance(reason, KafkaException) else reason
    fix = "start it with `saran up`, or set SARAN_KAFKA__BOOTSTRAP"
    return SaranError(f"Kafka at {bootstrap} does not answer: {why}", fix=f"{fix}; {then}" if then else fix)
