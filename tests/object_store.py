"""An S3 store for tests: a MinIO of their own, or one that runs already."""

from __future__ import annotations

import os
import shutil
import socket
import ssl
import subprocess
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest
from pyarrow import fs

from saran.core.names import Bucket
from saran.core.s3 import S3
from tests.certificates import Certificates

USER: Final = "saran-tests"
PASSWORD: Final = "only-for-tests"  # noqa: S105 - of a server that lives as long as the tests
BUCKETS: Final = (Bucket.LAKEHOUSE, Bucket.MODELS, Bucket.MOVIES, Bucket.CHECKPOINTS)
_START_SECONDS: Final = 60.0


@contextmanager
def store_endpoint(folder: Path, certificates: Certificates | None = None) -> Iterator[str]:
    """Address of an S3 store that takes the credentials of the environment.

    It is the one at SARAN_TEST_S3, or a MinIO (SARAN_TEST_MINIO, or `minio` on PATH) started over `folder`, with TLS
    when it is given `certificates`. Skips the test where there is neither.
    """
    given = os.environ.get("SARAN_TEST_S3")
    if given and certificates is None:
        yield given
        return
    program = os.environ.get("SARAN_TEST_MINIO") or shutil.which("minio")
    if program is None:
        pytest.skip("no `minio` on PATH: set SARAN_TEST_MINIO to the program, or SARAN_TEST_S3 to a store's address")
    address = f"127.0.0.1:{_free_port()}"
    environment = {**os.environ, "MINIO_ROOT_USER": USER, "MINIO_ROOT_PASSWORD": PASSWORD, "MINIO_BROWSER": "off"}
    secure = () if certificates is None else ("--certs-dir", str(certificates.key.parent))
    log = folder / "minio.log"
    with log.open("wb") as output:
        server = subprocess.Popen(
            [program, "server", "--address", address, *secure, str(folder / "drive")],
            env=environment,
            stdout=output,
            stderr=output,
        )
    try:
        endpoint = f"{'http' if certificates is None else 'https'}://{address}"
        _await_ready(server, f"{endpoint}/minio/health/ready", certificates, log)
        yield endpoint
    finally:
        server.terminate()
        server.wait(timeout=30)


def credentials() -> dict[str, str]:
    """Variables by which every client logs in to the tests' store."""
    if "SARAN_TEST_S3" in os.environ:
        return {name: os.environ[name] for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")}
    return {"AWS_ACCESS_KEY_ID": USER, "AWS_SECRET_ACCESS_KEY": PASSWORD}


def make_buckets(endpoint: str, authority: Path | None = None) -> S3:
    """Settings of a store whose buckets are new; the environment must hold its credentials."""
    s3 = S3(endpoint=endpoint, bucket_prefix=f"t{uuid.uuid4().hex[:12]}-", ca_file=authority)
    scheme, address = endpoint.split("://")
    files = fs.S3FileSystem(
        endpoint_override=address,
        scheme=scheme,
        region=s3.region,
        allow_bucket_creation=True,
        tls_ca_file_path=None if authority is None else str(authority),
    )
    for name in BUCKETS:
        files.create_dir(s3.bucket_prefix + name)
    return s3


def _await_ready(server: subprocess.Popen[bytes], url: str, certificates: Certificates | None, log: Path) -> None:
    trust = None if certificates is None else ssl.create_default_context(cafile=str(certificates.authority))
    deadline = time.monotonic() + _START_SECONDS
    while True:
        try:
            with urllib.request.urlopen(url, timeout=5, context=trust):  # noqa: S310 - of the server just started
                return
        except (urllib.error.URLError, OSError):
            if server.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"MinIO is not ready; end of {log}:\n{log.read_text()[-2000:]}") from None
        time.sleep(0.05)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
