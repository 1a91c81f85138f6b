"""What Spark is told of the store."""

from __future__ import annotations

from pathlib import Path

from saran.core.s3 import S3
from saran.core.settings import Settings
from saran.spark.object_store import jar_folders, object_store_options


def test_on_a_laptop_nothing_is_added(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, cache=tmp_path)
    assert object_store_options(settings) == {}
    assert jar_folders(settings) == [tmp_path / "jars" / "spark"]


def test_one_spelling_of_a_location_is_good_for_spark_too(tmp_path: Path) -> None:
    settings = Settings(cache=tmp_path, mode="cluster", s3=S3(endpoint="https://store:9000", region="eu-1"))
    options = object_store_options(settings)
    assert options["spark.hadoop.fs.s3.impl"] == "org.apache.hadoop.fs.s3a.S3AFileSystem"
    assert options["spark.hadoop.fs.s3a.endpoint"] == "https://store:9000"
    assert options["spark.hadoop.fs.s3a.connection.ssl.enabled"] == "true"
    assert options["spark.hadoop.fs.s3a.path.style.access"] == "true"
    assert options["spark.hadoop.fs.s3a.endpoint.region"] == "eu-1"
    assert jar_folders(settings) == [tmp_path / "jars" / "spark", tmp_path / "jars" / "s3"]
    assert jar_folders(settings.model_copy(update={"spark_jars": Path("/opt/saran/jars")})) == [Path("/opt/saran/jars")]


def test_no_secret_is_among_the_options(tmp_path: Path) -> None:
    options = object_store_options(Settings(cache=tmp_path, storage="s3://"))
    assert not [name for name in options if "key" in name or "secret" in name]
    assert options["spark.hadoop.fs.s3a.aws.credentials.provider"].endswith("DefaultCredentialsProvider")
    assert "spark.hadoop.fs.s3a.endpoint" not in options, "without an endpoint it is AWS's own"
