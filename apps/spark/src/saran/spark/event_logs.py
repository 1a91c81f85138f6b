"""Spark's event logs in the object store, and the history server that shows ended applications from them."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Final

from saran.core.errors import SaranError
from saran.core.names import Bucket
from saran.core.s3 import Location
from saran.core.settings import Settings, load_settings
from saran.spark.object_store import object_store_options

FOLDER: Final = "spark-events"
"""In the bucket `checkpoints`. What is old in it is the store's to remove."""


def event_log_folder(settings: Settings) -> str:
    """Where the logs are. Raises SaranError in a cluster where no store is given."""
    place = _place(settings)
    return place.as_uri() if isinstance(place, Path) else str(place)


def _place(settings: Settings) -> Location:
    return settings.locate(f"{settings.bucket(Bucket.CHECKPOINTS)}/{FOLDER}")


def event_log_options(settings: Settings) -> dict[str, str]:
    """Options of a session; none unless logs are wanted. The folder is made, since Spark does not start without it.

    A stream never ends, so its log is cut into files, of which the history server needs the newest.
    """
    if not settings.spark.event_logs:
        return {}
    place = _place(settings)
    if isinstance(place, Path):
        place.mkdir(parents=True, exist_ok=True)
    else:
        place.mark_folder()
    return {
        "spark.eventLog.enabled": "true",
        "spark.eventLog.dir": event_log_folder(settings),
        "spark.eventLog.compress": "true",
        "spark.eventLog.rolling.enabled": "true",
        "spark.eventLog.rolling.maxFileSize": "16m",
    }


def history_options(settings: Settings) -> dict[str, str]:
    """Options of the history server."""
    return {
        **object_store_options(settings),
        "spark.history.fs.logDirectory": event_log_folder(settings),
        "spark.history.fs.update.interval": "20s",
        "spark.history.ui.port": str(settings.spark.history_port),
        "spark.history.ui.maxApplications": "200",
    }


def main() -> None:
    """Become the history server. Raises SaranError where Spark is not installed."""
    settings = load_settings()
    program = shutil.which("spark-class")
    if program is None:
        raise SaranError("no spark-class in PATH", fix="run it in the image saran/spark")
    properties = Path(tempfile.mkdtemp(prefix="saran-history-")) / "history.properties"
    properties.write_text("".join(f"{name} {value}\n" for name, value in history_options(settings).items()))
    server = ["org.apache.spark.deploy.history.HistoryServer", "--properties-file", str(properties)]
    sys.stdout.flush()
    os.execv(program, [program, *server])  # noqa: S606 - the pod's process shall be Java


if __name__ == "__main__":
    main()
