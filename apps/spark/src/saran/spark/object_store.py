"""What Spark needs to read and write the buckets: options of Hadoop's S3 client, and where its jars lie."""

from __future__ import annotations

from pathlib import Path

from saran.core.s3 import S3Path
from saran.core.settings import Settings

_CLIENT = "org.apache.hadoop.fs.s3a.S3AFileSystem"


def object_store_options(settings: Settings) -> dict[str, str]:
    """Options of a session; none when tables are on disk.

    Hadoop's client is given the scheme `s3` too, so that a location reads the same for Spark and for everything else.
    Credentials are those of the environment or of the pod's account, in the order in which all of AWS's clients look.
    """
    if not isinstance(settings.models_path, S3Path):
        return {}
    s3 = settings.s3
    options = {
        "fs.s3.impl": _CLIENT,
        "fs.s3a.endpoint.region": s3.region,
        "fs.s3a.path.style.access": str(s3.path_style).lower(),
        "fs.s3a.aws.credentials.provider": "software.amazon.awssdk.auth.credentials.DefaultCredentialsProvider",
        # The default fetches ahead what it guesses; Parquet says what it will read.
        "fs.s3a.input.stream.type": "classic",
        "fs.s3a.connection.establish.timeout": "15s",
        "fs.s3a.connection.timeout": "30s",
    }
    if s3.endpoint:
        tls = str(s3.endpoint.startswith("https:")).lower()
        options |= {"fs.s3a.endpoint": s3.endpoint, "fs.s3a.connection.ssl.enabled": tls}
    return {f"spark.hadoop.{name}": value for name, value in options.items()}


def jar_folders(settings: Settings) -> list[Path]:
    """Folders of the jars that a driver on this machine needs beside Spark's own."""
    if settings.spark_jars is not None:
        return [settings.spark_jars]
    groups = ["spark", *(["s3"] if object_store_options(settings) else [])]
    return [settings.cache / "jars" / group for group in groups]
