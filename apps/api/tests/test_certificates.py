"""When a peer's certificate ends, asked of a real TLS server."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from tests.certificates import Certificates as Files
from tests.certificates import write_certificates

from saran.api.certificates import Certificates
from saran.api.metrics import ApiMetrics
from saran.core.s3 import S3
from saran.core.settings import Kafka, Settings


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return write_certificates(tmp_path / "tls")


@pytest.fixture
def server(files: Files) -> Iterator[int]:
    """Port of a server that shows its certificate and says nothing."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files.certificate, files.key)
    listening = socket.create_server(("127.0.0.1", 0))

    def answer() -> None:
        while True:
            try:
                plain, _ = listening.accept()
            except OSError:
                return
            with plain:
                try:
                    context.wrap_socket(plain, server_side=True).close()
                except OSError:
                    continue

    thread = threading.Thread(target=answer)
    thread.start()
    yield int(listening.getsockname()[1])
    listening.shutdown(socket.SHUT_RDWR)
    listening.close()
    thread.join()


def ends(settings: Settings) -> dict[str, float]:
    return asyncio.run(Certificates(settings).ends())


def test_kafka_and_store_show_when_their_certificates_end(server: int, files: Files) -> None:
    end = x509.load_pem_x509_certificate(files.certificate.read_bytes()).not_valid_after_utc.timestamp()
    settings = Settings(
        kafka_bootstrap=f"127.0.0.1:{server},127.0.0.1:1",
        kafka=Kafka(security_protocol="SSL", ca_file=files.authority),
        s3=S3(endpoint=f"https://127.0.0.1:{server}", ca_file=files.authority),
    )
    assert ends(settings) == {"kafka": end, "store": end}
    metrics = ApiMetrics()
    metrics.certificates({"kafka": end})
    metrics.certificates({"store": end})
    read = metrics.registry.get_sample_value
    assert read("saran_api_certificate_end_timestamp_seconds", {"peer": "store"}) == end
    assert read("saran_api_certificate_end_timestamp_seconds", {"peer": "kafka"}) is None


def test_what_is_not_encrypted_or_not_trusted_has_no_end(server: int) -> None:
    assert ends(Settings(kafka_bootstrap=f"127.0.0.1:{server}", s3=S3(endpoint=f"http://127.0.0.1:{server}"))) == {}
    assert ends(Settings(s3=S3(endpoint=f"https://127.0.0.1:{server}"))) == {}
