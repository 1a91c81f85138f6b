"""The Job that sets the object store up, against a MinIO: users can do what they need and nothing else."""

from __future__ import annotations

import io
import json
import os
import sys
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import deltalake
import pyarrow as pa
import pytest
from charts.render import documents, helm_template, one
from charts.tests.carried import carried
from tests.object_store import credentials

from saran.core.champions import moves, promote, roll_back
from saran.core.names import Bucket, Model, Table
from saran.core.s3 import S3, _file_system, delta_options
from saran.core.settings import Settings
from saran.core.versions import CHAMPION, MANIFEST
from saran.spark.event_logs import FOLDER

minio = pytest.importorskip("minio", reason="the package minio is not installed")
pytestmark = pytest.mark.s3

PREFIX = "chart-"
_DENIED = r"ACCESS_DENIED|AccessDenied"


@pytest.fixture
def store(s3_endpoint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Address of a store that the Job was run on, twice."""
    if "SARAN_TEST_S3" in os.environ:
        pytest.skip("users are made only in a store of the test's own")
    found = documents(helm_template(sets=(f"storage.bucketPrefix={PREFIX}", "history.enabled=true")))
    wanted = json.loads(one("ConfigMap", "shop-store-setup", found)["data"]["store.json"])
    for user in wanted["users"]:
        (tmp_path / "users" / user).mkdir(parents=True)
        (tmp_path / "users" / user / "AWS_SECRET_ACCESS_KEY").write_text(_secret(user))
    (tmp_path / "store.json").write_text(json.dumps(wanted | {"endpoint": s3_endpoint}))
    root = credentials()
    monkeypatch.setenv("MINIO_ROOT_USER", root["AWS_ACCESS_KEY_ID"])
    monkeypatch.setenv("MINIO_ROOT_PASSWORD", root["AWS_SECRET_ACCESS_KEY"])
    monkeypatch.setattr(sys, "argv", ["set_up_store.py", str(tmp_path / "store.json")])
    job = carried("set_up_store")
    monkeypatch.setattr(job, "USERS", tmp_path / "users")
    job.main()
    job.main()
    return s3_endpoint


def _secret(user: str) -> str:
    return f"secret-of-{user}"


def _client(store: str, user: str) -> Any:
    provider = minio.credentials.StaticProvider(user, _secret(user))
    address = store.removeprefix("http://")
    return minio.Minio(endpoint=address, credentials=provider, secure=False, region="us-east-1")


def _allowed(call: Callable[[], Any]) -> bool:
    try:
        call()
    except minio.error.S3Error as error:
        if "AccessDenied" not in str(error):
            raise
        return False
    return True


def test_users_may_do_what_their_part_needs(store: str) -> None:
    def put(user: str, bucket: str, key: str = "a") -> bool:
        client = _client(store, user)
        return _allowed(lambda: client.put_object(PREFIX + bucket, key, io.BytesIO(b"x"), 1))

    def get(user: str, bucket: str, key: str = "a") -> bool:
        client = _client(store, user)
        return _allowed(lambda: client.stat_object(PREFIX + bucket, key))

    writers = {bucket: {user for user in _USERS if put(user, bucket)} for bucket in _BUCKETS}
    assert writers == {
        Bucket.LAKEHOUSE: {"streams", "trainer", "maintenance", "features"},
        Bucket.CHECKPOINTS: {"streams", "trainer", "features"},
        Bucket.MODELS: {"trainer", "evaluation"},
        Bucket.MOVIES: {"upload"},
    }
    assert get("api", Bucket.MODELS)
    assert get("producer", Bucket.MOVIES)
    assert get("streams", Bucket.MODELS)
    assert get("maintenance", Bucket.MODELS)
    assert get("evaluation", Bucket.LAKEHOUSE)
    assert get("history", Bucket.CHECKPOINTS)
    assert not get("history", Bucket.LAKEHOUSE)


def test_the_folder_of_event_logs_stays_and_its_logs_do_not(store: str) -> None:
    folder = f"{FOLDER}/"
    assert _client(store, "history").stat_object(f"{PREFIX}{Bucket.CHECKPOINTS}", folder).size == 0
    root = credentials()
    provider = minio.credentials.StaticProvider(root["AWS_ACCESS_KEY_ID"], root["AWS_SECRET_ACCESS_KEY"])
    client = minio.Minio(endpoint=store.removeprefix("http://"), credentials=provider, secure=False, region="us-east-1")
    (rule,) = client.get_bucket_lifecycle(f"{PREFIX}{Bucket.CHECKPOINTS}").rules
    assert (rule.rule_filter.prefix, rule.expiration.days) == (f"{folder}eventlog", 14)


_USERS = ("api", "evaluation", "features", "history", "maintenance", "producer", "streams", "trainer", "upload")
_BUCKETS = (Bucket.LAKEHOUSE, Bucket.CHECKPOINTS, Bucket.MODELS, Bucket.MOVIES)


def test_posters_are_public_and_raw_files_are_not(store: str) -> None:
    upload = _client(store, "upload")
    for key in ("posters/1.jpg", "events.csv"):
        upload.put_object(f"{PREFIX}{Bucket.MOVIES}", key, io.BytesIO(b"x"), 1)
    with urllib.request.urlopen(f"{store}/{PREFIX}{Bucket.MOVIES}/posters/1.jpg", timeout=10) as answer:  # noqa: S310 - of the test's own store
        assert answer.read() == b"x"
    with pytest.raises(urllib.error.HTTPError, match="403") as refused:
        urllib.request.urlopen(f"{store}/{PREFIX}{Bucket.MOVIES}/events.csv", timeout=10)  # noqa: S310 - as above
    refused.value.close()


def test_the_producer_fetches_a_folder(store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    upload = _client(store, "upload")
    for key in ("rr/events.csv", "rr/more/tree.csv", "other.csv"):
        upload.put_object(f"{PREFIX}{Bucket.MOVIES}", key, io.BytesIO(key.encode()), len(key))
    variables = {"AWS_ACCESS_KEY_ID": "producer", "AWS_SECRET_ACCESS_KEY": _secret("producer")}
    for name, value in (variables | {"SARAN_S3__ENDPOINT": store, "SARAN_S3__REGION": "us-east-1"}).items():
        monkeypatch.setenv(name, value)
    fetch = carried("fetch_files")
    monkeypatch.setattr(sys, "argv", ["fetch_files.py", f"{PREFIX}{Bucket.MOVIES}", "rr", str(tmp_path / "files")])
    assert fetch.main() == 0
    found = {str(path.relative_to(tmp_path / "files")) for path in (tmp_path / "files").rglob("*") if path.is_file()}
    assert found == {"events.csv", "more/tree.csv"}
    monkeypatch.setattr(sys, "argv", ["fetch_files.py", f"{PREFIX}{Bucket.MOVIES}", "nothing", str(tmp_path / "none")])
    assert fetch.main() == 1


def test_rights_are_enough_for_tables_and_models(store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings(mode="cluster", s3=S3(endpoint=store, bucket_prefix=PREFIX))

    def be(user: str) -> None:
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", user)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", _secret(user))
        _file_system.cache_clear()

    table = settings.table_folder(Table.SILVER_EVENTS)
    rows = pa.table({"event_id": ["a", "b"]})
    be("streams")
    for _ in range(2):
        deltalake.write_deltalake(str(table), rows, mode="append", storage_options=delta_options(table))
    copy = settings.locate(settings.bucket(Bucket.CHECKPOINTS)) / "ids" / "1"
    copy.write_bytes(b"x")
    assert [path.name for path in copy.parent.iterdir()] == ["1"]
    copy.unlink()

    be("trainer")
    assert deltalake.DeltaTable(str(table), storage_options=delta_options(table)).to_pyarrow_table().num_rows == 4
    for version in ("1", "2"):
        (settings.models_path / Model.RECOMMENDER / version / MANIFEST).write_text("{}")

    be("streams")
    with pytest.raises(OSError, match=_DENIED):
        promote(settings.models_path, Model.RECOMMENDER, "1", why="a test")
    be("api")
    for version in ("1", "2"):
        promote(settings.models_path, Model.RECOMMENDER, version, why="a test")
    assert roll_back(settings.models_path, Model.RECOMMENDER, why="a test") == "1"
    assert [move.version for move in moves(settings.models_path, Model.RECOMMENDER)] == ["1", "2", "1"]
    with pytest.raises(OSError, match=_DENIED):
        (settings.models_path / Model.RECOMMENDER / "1" / MANIFEST).write_text("{ }")
    with pytest.raises(OSError, match=_DENIED):
        (settings.models_path / Model.RECOMMENDER / CHAMPION).unlink()
    _file_system.cache_clear()
