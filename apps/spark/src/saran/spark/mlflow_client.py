"""A client of MLflow: a server by URL, or a laptop's own store in its home. Every wait has an end.

MLflow takes seconds to import, so that happens when a client is asked for, and not at all while a server is away.
"""

from __future__ import annotations

import logging
import os
import ssl
import urllib.error
import urllib.request
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from saran.core.errors import SaranError
from saran.core.settings import Settings

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

_FIX: Final = "see that MLflow runs and that SARAN_MLFLOW__URL names it; `saran models sync` registers what is missing"


def has_registry(settings: Settings) -> bool:
    """Whether these settings name an MLflow: on a laptop there always is one, in a cluster if a URL is given."""
    return bool(settings.mlflow.url) or settings.mode == "laptop"


def registry_uri(settings: Settings) -> str:
    """URI of tracking store and registry, as MLflow wants it."""
    if settings.mlflow.url:
        return settings.mlflow.url.rstrip("/")
    return f"sqlite:///{settings.home / 'mlflow' / 'mlflow.db'}?timeout={settings.mlflow.timeout_seconds}"


def artifact_location(settings: Settings) -> str | None:
    """Where a laptop's own store puts artefacts; a server decides that itself."""
    return None if settings.mlflow.url else (settings.home / "mlflow" / "artifacts").as_uri()


@contextmanager
def mlflow_client(settings: Settings) -> Iterator[MlflowClient]:
    """A client, while inside. Raises SaranError when MLflow does not answer, or fails at what it is asked."""
    _set_environment(settings)
    uri = registry_uri(settings)
    if settings.mlflow.url:
        _knock(settings, uri)
    else:
        (settings.home / "mlflow").mkdir(parents=True, exist_ok=True)
    # Its warnings are about its own use of other libraries.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from mlflow.exceptions import MlflowException  # noqa: PLC0415 - see above
        from mlflow.tracking import MlflowClient  # noqa: PLC0415

        for name in ("mlflow", "alembic"):
            logging.getLogger(name).setLevel(logging.WARNING)
        try:
            yield MlflowClient(tracking_uri=uri, registry_uri=uri)
        except (MlflowException, OSError) as error:
            raise SaranError(f"MLflow at {uri} failed: {str(error).splitlines()[0]}", fix=_FIX) from error


def _set_environment(settings: Settings) -> None:
    """MLflow has no other way to be told these."""
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    os.environ["MLFLOW_HTTP_REQUEST_TIMEOUT"] = str(settings.mlflow.timeout_seconds)
    os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] = "1"
    os.environ["MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR"] = "1"
    os.environ["MLFLOW_ARTIFACT_UPLOAD_DOWNLOAD_TIMEOUT"] = str(settings.mlflow.timeout_seconds)
    if settings.mlflow.ca_file is not None:
        os.environ["MLFLOW_TRACKING_SERVER_CERT_PATH"] = str(settings.mlflow.ca_file)


def _knock(settings: Settings, uri: str) -> None:
    """Ask a server once whether it is there. Raises SaranError when it does not answer."""
    context = ssl.create_default_context(cafile=settings.mlflow.ca_file) if uri.startswith("https:") else None
    try:
        with urllib.request.urlopen(  # noqa: S310 - settings take http(s) only
            f"{uri}/health", timeout=settings.mlflow.timeout_seconds, context=context
        ) as answer:
            answer.read(100)
    except (OSError, ValueError) as error:
        reason = error.reason if isinstance(error, urllib.error.URLError) else error
        raise SaranError(f"MLflow at {uri} does not answer: {reason}", fix=_FIX) from error
