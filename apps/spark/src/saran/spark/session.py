"""The Spark session of every job: the same settings with local[*] and in a pod."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Final

from pyspark.sql import SparkSession

from saran.core.class_data import making_flags, spark_class_data
from saran.core.errors import SaranError
from saran.core.settings import Settings
from saran.spark.event_logs import event_log_options
from saran.spark.object_store import jar_folders, object_store_options

_LOGGING: Final = Path(__file__).with_name("log4j2.properties")
_DELTA: Final = {
    "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
    "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
    # A table's log is small here; the default of 50 partitions costs seconds of scheduling at each snapshot.
    "spark.databricks.delta.snapshotPartitions": "2",
}
_COMMON: Final = {
    "spark.sql.session.timeZone": "UTC",
    # A cast that cannot be done is an error, not a null.
    "spark.sql.ansi.enabled": "true",
    "spark.sql.catalogImplementation": "in-memory",
    "spark.sql.autoBroadcastJoinThreshold": "32m",
    "spark.sql.adaptive.coalescePartitions.minPartitionSize": "1m",
    "spark.sql.execution.arrow.pyspark.enabled": "true",
    # Rows of one Arrow batch between the JVM and Python, bounded in bytes for records as large as Kafka allows.
    "spark.sql.execution.arrow.maxRecordsPerBatch": "50000",
    "spark.sql.execution.arrow.maxBytesPerBatch": str(32 << 20),
    "spark.ui.showConsoleProgress": "false",
    "spark.sql.streaming.minBatchesToRetain": "2",
    "spark.log.level": "WARN",
}


_BRIEF: Final = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC")
"""Half the processor time of a driver that lives for seconds goes to the second compiler, whose code it hardly runs."""


def build_session(
    settings: Settings, app_name: str, *, delta: bool = True, brief: bool = False, class_data: Path | None = None
) -> SparkSession:
    """A session with Kafka's and, unless `delta` is False, Delta's jars on its class path.

    A job that reads and writes no Delta table through Spark starts seconds sooner without Delta. `brief` is for a job
    of seconds: its code is compiled less. Java writes the archive of its classes into `class_data` as it ends; without
    it, on a laptop, it uses the one that `saran jars` has made.
    Raises SaranError when the jars are not in the cache.
    """
    # Workers must be this interpreter: it is the one that has Saran's packages.
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    builder = SparkSession.builder.appName(app_name)
    for name, value in _options(settings, delta, brief, class_data).items():
        builder = builder.config(name, value)
    return builder.getOrCreate()


def _options(settings: Settings, delta: bool, brief: bool, class_data: Path | None) -> dict[str, str]:
    options = {
        **_COMMON,
        **(_DELTA if delta else {}),
        **object_store_options(settings),
        "spark.sql.shuffle.partitions": str(settings.spark.shuffle_partitions),
        **event_log_options(settings),
        "spark.driver.extraJavaOptions": " ".join(_java_options(settings, brief, class_data)),
    }
    if settings.mode == "cluster":
        return options
    return {
        **options,
        "spark.master": settings.spark.master,
        # In a cluster it is what an operator looks at; on a laptop it is one more port, and a second of the start.
        "spark.ui.enabled": "false",
        "spark.driver.memory": settings.spark.driver_memory,
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.sql.warehouse.dir": str(settings.home / "run" / "warehouse"),
        # On the class path from the start: `spark.jars` would copy them at each start.
        "spark.driver.extraClassPath": os.pathsep.join(str(jar) for jar in _jars(settings)),
    }


def _java_options(settings: Settings, brief: bool, class_data: Path | None) -> list[str]:
    flags = [f"-Dlog4j2.configurationFile={_LOGGING.as_uri()}", *(_BRIEF if brief else ())]
    if class_data is not None:
        flags += making_flags(class_data)
    elif settings.mode == "laptop" and (archive := spark_class_data(settings)):
        flags += archive.flags()
    return [f'"{flag}"' for flag in flags]


def _jars(settings: Settings) -> list[Path]:
    folders = jar_folders(settings)
    jars = [jar for folder in folders for jar in sorted(folder.glob("*.jar"))]
    if not jars:
        raise SaranError(
            f"no jars for Spark in {', '.join(map(str, folders))}",
            fix="`saran up` fetches them, or set SARAN_SPARK_JARS to a folder that has them",
        )
    return jars
