"""Where the brokers are and how to log in: the same for every client, in the two spellings that there are."""

from __future__ import annotations

from typing import Final

from saran.core.authorities import certificates
from saran.core.settings import Kafka, Settings

_PLAIN: Final = "PLAINTEXT"
_SCRAM_MODULE: Final = "org.apache.kafka.common.security.scram.ScramLoginModule"
_PLAIN_MODULE: Final = "org.apache.kafka.common.security.plain.PlainLoginModule"


def client_options(settings: Settings) -> dict[str, str | int | float | bool]:
    """Of a client of confluent-kafka."""
    kafka = settings.kafka
    options: dict[str, str | int | float | bool] = {"bootstrap.servers": settings.bootstrap}
    if kafka.security_protocol != _PLAIN:
        options["security.protocol"] = kafka.security_protocol
    if kafka.ca_file is not None:
        options["ssl.ca.pem"] = certificates(kafka.ca_file)
    if kafka.logs_in:
        options |= {
            "sasl.mechanism": kafka.sasl_mechanism,
            "sasl.username": kafka.username,
            "sasl.password": kafka.password.get_secret_value(),
        }
    return options


def spark_options(settings: Settings) -> dict[str, str]:
    """Of Spark's Kafka source, whose clients are Java's."""
    kafka = settings.kafka
    options = {"kafka.bootstrap.servers": settings.bootstrap}
    if kafka.security_protocol != _PLAIN:
        options["kafka.security.protocol"] = kafka.security_protocol
    if kafka.ca_file is not None:
        options |= {
            "kafka.ssl.truststore.type": "PEM",
            "kafka.ssl.truststore.certificates": certificates(kafka.ca_file),
        }
    if kafka.logs_in:
        options |= {"kafka.sasl.mechanism": kafka.sasl_mechanism, "kafka.sasl.jaas.config": _jaas(kafka)}
    return options


def _jaas(kafka: Kafka) -> str:
    module = _PLAIN_MODULE if kafka.sasl_mechanism == "PLAIN" else _SCRAM_MODULE
    user, password = (_quoted(text) for text in (kafka.username, kafka.password.get_secret_value()))
    return f"{module} required username={user} password={password};"


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
