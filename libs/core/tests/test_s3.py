"""Paths in a bucket behave as those on disk do, and a model goes there and back."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from libs.core.tests.test_model_folder import FACTORS, ITEMS, PARTS, POPULARITY, SNAPSHOT, manifest
from pydantic import ValidationError

from saran.core.model_folder import load_model, read_interactions, write_model
from saran.core.names import Bucket, Table
from saran.core.s3 import S3, Location, S3Path, delta_options, open_input, open_output, replace_text
from saran.core.settings import Settings
from saran.core.versions import ModelError, champion, set_champion


@pytest.fixture(params=["disk", pytest.param("store", marks=pytest.mark.s3)])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Location:
    """An empty folder on disk, and a bucket."""
    if request.param == "disk":
        return tmp_path
    settings = Settings(storage="s3://", s3=request.getfixturevalue("s3"))
    return settings.locate(settings.bucket(Bucket.MODELS))


def test_files_are_written_listed_replaced_and_removed(folder: Location) -> None:
    place = folder / "a" / "b.txt"
    assert not place.exists()
    with pytest.raises(FileNotFoundError):
        place.read_bytes()
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text("é")
    assert (place.exists(), (folder / "a").exists()) == (True, True)
    replace_text(place, "é!")
    assert place.read_bytes() == b"\xc3\xa9!"
    assert place.read_text() == "é!"
    assert [path.name for path in place.parent.iterdir()] == ["b.txt"]
    place.unlink()
    assert not place.exists()


def test_a_large_file_is_read_from_any_place_in_it(folder: Location) -> None:
    """Larger than the ten megabytes from which a store gets an object in parts."""
    content = np.random.default_rng(1).bytes(25_000_000)
    with open_output(folder / "large") as file:
        for start in range(0, len(content), 1_000_000):
            file.write(content[start : start + 1_000_000])
        assert file.tell() == len(content)
    with open_input(folder / "large") as file:
        file.seek(24_999_990)
        assert file.read() == content[-10:]
        file.seek(0)
        assert file.read_buffer().equals(pa.py_buffer(content))


def test_a_model_goes_there_and_back(folder: Location) -> None:
    assert champion(folder, "recommender") is None
    written = write_model(folder, manifest(), parts=PARTS, popularity=POPULARITY, items=ITEMS, interactions=SNAPSHOT)
    set_champion(folder, "recommender", "1")
    assert champion(folder, "recommender") == "1"
    model = load_model(written)
    np.testing.assert_array_equal(model.parts["als"].arrays["factors"], FACTORS)
    assert model.items.equals(ITEMS)
    assert read_interactions(written).equals(SNAPSHOT)
    with pytest.raises(ModelError, match="exists already"):
        write_model(folder, manifest(), parts=PARTS, popularity=POPULARITY, items=ITEMS, interactions=SNAPSHOT)


def test_a_changed_object_is_noticed(folder: Location) -> None:
    written = write_model(folder, manifest(), parts=PARTS, popularity=POPULARITY, items=ITEMS, interactions=SNAPSHOT)
    (written / "items.parquet").write_bytes((written / "items.parquet").read_bytes() + b"!")
    with pytest.raises(ModelError, match=r"items\.parquet differs from its checksum"):
        load_model(written)


def test_a_path_can_be_sent_to_another_process_and_holds_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "topsecret")
    path = S3Path(S3(endpoint="http://store:9000"), "lakehouse/silver/events") / "part-0.parquet"
    packed = pickle.dumps(path)
    assert pickle.loads(packed) == path  # noqa: S301 - made a line above
    assert b"topsecret" not in packed
    assert str(path) == "s3://lakehouse/silver/events/part-0.parquet"


def test_a_table_on_disk_has_no_storage_options_and_one_in_the_store_is_never_overwritten() -> None:
    assert delta_options(Path("/data")) is None
    options = delta_options(S3Path(S3(endpoint="http://store:9000", region="eu-1"), "lakehouse/t"))
    assert options is not None
    assert options["aws_conditional_put"] == "etag"
    assert (options["aws_endpoint"], options["aws_region"], options["allow_http"]) == (
        "http://store:9000",
        "eu-1",
        "true",
    )
    encrypted = delta_options(S3Path(S3(endpoint="https://store"), "lakehouse/t"))
    assert encrypted is not None
    assert encrypted["allow_http"] == "false"


def test_an_endpoint_is_an_address() -> None:
    with pytest.raises(ValidationError, match="endpoint"):
        S3(endpoint="minio:9000")
    assert Settings(storage="s3a://", s3=S3(bucket_prefix="shop-")).table_path(Table.SILVER_EVENTS) == (
        "s3://shop-lakehouse/silver/events"
    )
