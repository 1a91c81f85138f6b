"""Settings: prefixes, the Amazon system's own names, the laptop's defaults and the cluster's refusals."""

from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import ValidationError

from saran.core.errors import SaranError
from saran.core.kafka_clients import client_options, spark_options
from saran.core.names import Table
from saran.core.s3 import S3, S3Path
from saran.core.settings import Kafka, Settings, load_settings
from saran.core.topics import ensure_topics


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
    assert settings.models_path == tmp_path / "h/data/models"


def test_a_missing_postgres_names_the_fix(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="start it with `saran up`, or set SARAN_DATABASE_URL"):
        _ = Settings(home=tmp_path).postgres_url


def test_the_password_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://u:topsecret@db/shop")
    assert "topsecret" not in repr(load_settings())


def test_a_cluster_has_its_buckets_in_the_store(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SARAN_MODE", "cluster")
    monkeypatch.setenv("SARAN_S3__ENDPOINT", "http://minio:9000")
    monkeypatch.setenv("SARAN_S3__REGION", "eu-1")
    settings = load_settings()
    assert settings.table_path(Table.SILVER_EVENTS) == "s3://lakehouse/silver/events"
    assert settings.models_path == S3Path(S3(endpoint="http://minio:9000", region="eu-1"), "models")
    assert settings.media_paths == (), "a bucket's images are public, and are had from the store"
    monkeypatch.setenv("SARAN_STORAGE", "s3a://shops/one/")
    assert load_settings().table_path(Table.SILVER_EVENTS) == "s3://shops/one/lakehouse/silver/events"


@pytest.mark.parametrize(
    ("use", "variable"),
    [
        (lambda settings: settings.bootstrap, "SARAN_KAFKA__BOOTSTRAP"),
        (lambda settings: settings.postgres_url, "SARAN_DATABASE_URL"),
        (lambda settings: settings.models_path, "SARAN_S3__ENDPOINT"),
        (lambda settings: settings.api_keys_file, "SARAN_API_KEYS"),
    ],
)
def test_a_cluster_has_no_defaults_for_what_a_part_uses(use: Callable[[Settings], object], variable: str) -> None:
    """What it does not use it need not be told: the dashboard's pod holds no password of the database."""
    settings = Settings(mode="cluster")
    with pytest.raises(SaranError, match=variable):
        use(settings)


def test_topics_are_an_operators_in_a_cluster_unless_said_otherwise() -> None:
    assert Settings().kafka.own_topics
    assert not Settings(mode="cluster").kafka.own_topics
    assert Settings(mode="cluster", kafka=Kafka(own_topics=True)).kafka.own_topics


def test_without_security_clients_are_told_the_brokers_only() -> None:
    settings = Settings(kafka_bootstrap="broker:9092")
    assert client_options(settings) == {"bootstrap.servers": "broker:9092"}
    assert spark_options(settings) == {"kafka.bootstrap.servers": "broker:9092"}


def test_every_client_logs_in_alike(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    authority = "-----BEGIN CERTIFICATE-----\nMII\n-----END CERTIFICATE-----\n"
    (tmp_path / "ca.crt").write_text(authority)
    for name, value in {
        "BOOTSTRAP": "broker:9093",
        "SECURITY_PROTOCOL": "SASL_SSL",
        "SASL_MECHANISM": "SCRAM-SHA-512",
        "USERNAME": "shop-ingest",
        "PASSWORD": 'qu"ote\\',
        "CA_FILE": str(tmp_path / "ca.crt"),
    }.items():
        monkeypatch.setenv(f"SARAN_KAFKA__{name}", value)
    settings = load_settings()
    assert client_options(settings) == {
        "bootstrap.servers": "broker:9093",
        "security.protocol": "SASL_SSL",
        "sasl.mechanism": "SCRAM-SHA-512",
        "sasl.username": "shop-ingest",
        "sasl.password": 'qu"ote\\',
        "ssl.ca.pem": authority,
    }
    assert spark_options(settings) == {
        "kafka.bootstrap.servers": "broker:9093",
        "kafka.security.protocol": "SASL_SSL",
        "kafka.sasl.mechanism": "SCRAM-SHA-512",
        "kafka.sasl.jaas.config": "org.apache.kafka.common.security.scram.ScramLoginModule required "
        'username="shop-ingest" password="qu\\"ote\\\\";',
        "kafka.ssl.truststore.type": "PEM",
        "kafka.ssl.truststore.certificates": authority,
    }
    assert "qu" not in repr(settings.kafka.password)


def test_a_login_needs_a_user() -> None:
    with pytest.raises(ValidationError, match="SARAN_KAFKA__USERNAME and SARAN_KAFKA__PASSWORD"):
        Kafka(security_protocol="SASL_SSL", username="shop")


def test_topics_of_an_operator_are_left_alone() -> None:
    """Not even asked for: nothing answers at this address."""
    assert ensure_topics(Settings(mode="cluster", kafka_bootstrap="127.0.0.1:1"), timeout_seconds=0.1) == []
    with pytest.raises(SaranError, match=r"127\.0\.0\.1:1 does not answer"):
        ensure_topics(Settings(kafka_bootstrap="127.0.0.1:1"), timeout_seconds=0.1)
