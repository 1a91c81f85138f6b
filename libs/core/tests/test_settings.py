"""Settings: prefixes, the Amazon system's own names, the laptop's defaults and the cluster's refusals."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from saran.core.names import Table
from saran.core.settings import Settings, load_settings


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("KAFKA_BOOTSTRAP_SERVERS", "KAFKA_TOPIC", "DATABASE_URL", "SARAN_PORT_OFFSET", "SARAN_HOME"):
        monkeypatch.delenv(name, raising=False)


def test_the_offset_moves_every_port(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SARAN_PORT_OFFSET", "500")
    settings = load_settings()
    assert (settings.bootstrap, settings.api_url) == ("127.0.0.1:9592", "http://127.0.0.1:8500")


def test_the_amazon_systems_names_are_accepted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "broker:9092")
    monkeypatch.setenv("KAFKA_TOPIC", "user-events")
    monkeypatch.setenv("DATABASE_URL", "postgresql://u:p@db/shop")
    settings = load_settings()
    assert (settings.bootstrap, settings.events_topic) == ("broker:9092", "user-events")
    assert settings.postgres_url == "postgresql://u:p@db/shop"


def test_own_names_win_over_aliases(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "theirs:9092")
    monkeypatch.setenv("SARAN_KAFKA__BOOTSTRAP", "ours:9092")
    assert load_settings().bootstrap == "ours:9092"


def test_a_dotenv_file_is_read(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("SARAN_DATASET=amazon\nSARAN_SERVING__HISTORY_LENGTH=7\n")
    settings = load_settings()
    assert (settings.dataset, settings.serving.history_length) == ("amazon", 7)


def test_tables_and_buckets_lie_under_home(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path / "h")
    assert settings.table_path(Table.SILVER_EVENTS) == str(tmp_path / "h/data/lakehouse/silver/events")
    assert Settings(storage="s3a://").table_path(Table.SILVER_EVENTS) == "s3a://lakehouse/silver/events"


def test_a_missing_postgres_names_the_fix(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="start it with `saran up`, or set SARAN_DATABASE_URL"):
        _ = Settings(home=tmp_path).postgres_url


def test_the_password_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://u:topsecret@db/shop")
    assert "topsecret" not in repr(load_settings())


def test_a_cluster_has_no_defaults() -> None:
    with pytest.raises(ValidationError) as raised:
        Settings(mode="cluster")
    message = str(raised.value)
    assert all(name in message for name in ("SARAN_KAFKA__BOOTSTRAP", "SARAN_DATABASE_URL", "SARAN_STORAGE"))
