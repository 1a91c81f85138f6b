"""A broker as clusters have them: TLS by an authority of its own, and users that log in with SCRAM."""

from __future__ import annotations

import dataclasses
import subprocess
from pathlib import Path
from typing import Final

from pydantic import SecretStr

from saran.cli import jars
from saran.cli.java import find_java
from saran.cli.platform.kafka import kafka_part, properties
from saran.core.settings import Kafka, Settings
from saran.core.topics import ensure_topics
from tests.certificates import write_certificates
from tests.servers import Server

USER: Final = "shop-streams"
PASSWORD: Final = 'a "quoted" \\ password'  # noqa: S105 - of a broker that lives as long as a test
_BROKER_PASSWORD: Final = "of-the-broker"  # noqa: S105 - likewise
_JAAS: Final = "org.apache.kafka.common.security.scram.ScramLoginModule required"


def secured(settings: Settings) -> Settings:
    """`settings` whose clients log in to the broker of `secured_kafka_server`, and make its topics."""
    kafka = Kafka(
        own_topics=True,
        security_protocol="SASL_SSL",
        sasl_mechanism="SCRAM-SHA-512",
        username=USER,
        password=SecretStr(PASSWORD),
        ca_file=settings.home / "authorities",
    )
    return settings.model_copy(update={"kafka": kafka})


def client_environment(settings: Settings) -> dict[str, str]:
    """The variables that say the same to another process."""
    return {
        "SARAN_KAFKA__BOOTSTRAP": settings.bootstrap,
        "SARAN_KAFKA__SECURITY_PROTOCOL": settings.kafka.security_protocol,
        "SARAN_KAFKA__SASL_MECHANISM": settings.kafka.sasl_mechanism,
        "SARAN_KAFKA__USERNAME": settings.kafka.username,
        "SARAN_KAFKA__PASSWORD": settings.kafka.password.get_secret_value(),
        "SARAN_KAFKA__CA_FILE": str(settings.kafka.ca_file),
    }


def secured_kafka_server(settings: Settings) -> Server:
    """A broker under `settings.home` that takes TLS and SCRAM only; `settings` are those that `secured` gave."""
    java = find_java(settings.cache)
    jars.fetch(settings.cache, [jars.KAFKA], java=java)
    folder = settings.home / "kafka"
    part = kafka_part(settings, java)

    def prepare() -> None:
        made = write_certificates(settings.home / "tls")
        # As while an authority is replaced: clients trust the one that signs, and another.
        authorities = settings.home / "authorities"
        other = write_certificates(authorities / "other", "another")
        other.authority.rename(authorities / "ca-2026-01-01T00-00-00Z.crt")
        (authorities / "ca.crt").write_bytes(made.authority.read_bytes())
        (settings.home / "broker.pem").write_bytes(made.key.read_bytes() + made.certificate.read_bytes())
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / "server.properties"
        file.write_text(_properties(settings, folder))
        (folder / "log4j2.properties").write_text("rootLogger.level=warn\n")
        users = ((USER, PASSWORD), ("broker", _BROKER_PASSWORD))
        scram = [f'--add-scram=SCRAM-SHA-512=[name="{name}",password="{password}"]' for name, password in users]
        classes = jars.classpath(settings.cache, [jars.KAFKA])
        subprocess.run(
            [
                *(str(java.executable), "-cp", classes, "kafka.tools.StorageTool", "format"),
                *("--config", str(file), "--cluster-id", "c2VjdXJlZC1jbHVzdGVyMQ", *scram),
            ],
            check=True,
            capture_output=True,
            timeout=120,
        )

    return Server(
        dataclasses.replace(part, prepare=prepare, after_ready=lambda: _topics(settings)), settings.home / "kafka.log"
    )


def _topics(settings: Settings) -> None:
    ensure_topics(settings)


def _properties(settings: Settings, folder: Path) -> str:
    port, controller = settings.port("kafka"), settings.port("kafka_controller")
    plain = properties(folder, port, controller).replace("PLAINTEXT", "SASL_SSL")
    protocols = "CONTROLLER:PLAINTEXT,SASL_SSL:SASL_SSL"
    values = {
        "listener.security.protocol.map": protocols,
        "sasl.enabled.mechanisms": "SCRAM-SHA-512",
        "sasl.mechanism.inter.broker.protocol": "SCRAM-SHA-512",
        "listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config": f'{_JAAS} username="broker" '
        f'password="{_BROKER_PASSWORD}";',
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": settings.home / "broker.pem",
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": settings.home / "tls-ca.crt",
    }
    return plain + "".join(f"{name}={value}\n" for name, value in values.items())
