"""All settings, read once from `SARAN_…` variables and a `.env` file.

Nested fields use a double underscore: `SARAN_KAFKA__BOOTSTRAP`. The names that the Amazon products system
used (`DATABASE_URL`, `KAFKA_BOOTSTRAP_SERVERS`, `KAFKA_TOPIC`) are accepted too.
"""

from __future__ import annotations

import os
import re
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AliasChoices, BaseModel, Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from saran.core.errors import SaranError
from saran.core.names import Bucket, Topic
from saran.core.s3 import S3, SCHEME, Location, S3Path

CHECKOUT = Path(__file__).resolve().parents[5]
"""Root of the source tree when Saran runs from a checkout (an editable install)."""

Port = Annotated[int, Field(ge=1, le=65535)]


class Kafka(BaseModel):
    """How clients reach the broker. Time-outs are milliseconds."""

    partitions: int = Field(default=4, ge=1, le=1000, description="Fixed at a topic's birth")
    retention_hours: int = Field(default=168, ge=168, description="`events` keeps at least 7 days")
    timeout_ms: int = Field(default=10_000, ge=100, description="Longest wait for an acknowledgement or metadata")
    own_topics: bool | None = Field(
        default=None, description="Make and configure the topics; on a cluster that is an operator's work"
    )
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    sasl_mechanism: Literal["SCRAM-SHA-512", "SCRAM-SHA-256", "PLAIN"] = "SCRAM-SHA-512"
    username: str = ""
    password: SecretStr = SecretStr("")
    ca_file: Path | None = Field(
        default=None, description="PEM bundle that signs the brokers' certificates, or a folder of *.crt files"
    )

    @property
    def logs_in(self) -> bool:
        """Whether clients name a user."""
        return self.security_protocol.startswith("SASL")

    @model_validator(mode="after")
    def _has_user(self) -> Self:
        if self.logs_in and not (self.username and self.password.get_secret_value()):
            raise ValueError(f"{self.security_protocol} needs SARAN_KAFKA__USERNAME and SARAN_KAFKA__PASSWORD")
        return self


class Spark(BaseModel):
    """The driver on a laptop; on a cluster the SparkApplication sets these."""

    master: str = "local[*]"
    driver_memory: str = "2g"
    shuffle_partitions: int = Field(default=4, ge=1)
    max_offsets_per_batch: int = Field(default=500_000, ge=1, description="Bound of one micro-batch, in records")
    metrics_port: int | None = Field(default=None, description="Prometheus port of the stream driver")
    event_logs: bool = Field(
        default=False, description="Write what Spark's history server shows to the bucket `checkpoints`"
    )
    history_port: Port = Field(default=18080, description="Port of the history server, which no laptop platform runs")


class Serving(BaseModel):
    """What trainer and API must agree on, and how the API answers."""

    history_length: int = Field(default=500, ge=1, le=5000, description="H: events of a user that count, newest first")
    model_poll_seconds: float = Field(default=1.0, gt=0, description="How often a new champion is looked for")
    index_from: int = Field(
        default=100_000, ge=1, description="Items from which lists are found by an approximate index"
    )
    index_threads: int = Field(
        default=1, ge=1, le=64, description="Threads that make the index, beside those that serve"
    )
    requests_per_second: float = Field(
        default=0, ge=0, description="What each API key may ask of one API process, on average; 0: no limit"
    )
    stream_clients: int = Field(
        default=500, ge=1, le=10_000, description="Server-sent event streams that one API process keeps open at most"
    )
    stream_heartbeat_seconds: float = Field(
        default=15, ge=0.1, le=300, description="A stream without news says this often that it is still there"
    )
    stream_max_seconds: float = Field(
        default=3600, gt=0, description="How long a stream lasts; its client comes back, with a key that is still good"
    )
    cors_origins: str = Field(
        default="",
        pattern=r"^(https?://[^\s/,*]+(,https?://[^\s/,*]+)*)?$",
        description="Origins of web pages that may ask the API from a browser, by comma; none unless they are named",
    )
    log_requests: bool = Field(
        default=False, description="Log a line for each request; unexpected errors are logged anyway"
    )
    database_timeout_ms: int = Field(default=250, ge=1, description="Longest wait for a user's history")


class BackupStore(S3):
    """The store of backups, where it is another than the platform's; credentials in `BACKUP_AWS_…`, if they differ."""

    variables: str = "BACKUP_"


class Backup(BaseModel):
    """Where backups are, and how many are kept."""

    location: str = Field(default="", description="A folder, or s3://bucket/prefix")
    keep: int = Field(default=7, ge=1, description="Newest backups that stay when one is made")
    s3: BackupStore | None = Field(default=None, description="The store of `location`; the platform's when not given")


class Maintenance(BaseModel):
    """What is kept of tables."""

    kept_hours: int = Field(
        default=168,
        ge=24,
        description="How long files stay that the newest version of a table does not need: who reads an older version, "
        "as a training, a backup or a stream, ends long before",
    )
    event_days: int | None = Field(
        default=None,
        ge=8,
        description="Days after which events leave bronze and silver, by when they came in; for ever when empty",
    )


class MLflow(BaseModel):
    """Where runs and model versions are registered. What is served are the folders of the bucket `models`."""

    url: str = Field(
        default="",
        pattern=r"^(https?://\S+)?$",
        description="http(s)://host:port of a tracking server; when empty a laptop's own store in `home/mlflow`, and a "
        "cluster has none",
    )
    prefix: str = Field(default="", description="Before names of experiments and models, where a server is shared")
    timeout_seconds: int = Field(default=10, ge=1, description="Longest wait for one answer")
    ca_file: Path | None = Field(default=None, description="PEM bundle that signs the server's certificate")


class Ports(BaseModel):
    """Ports of the laptop platform; all are moved together by `SARAN_PORT_OFFSET`."""

    kafka: Port = 9092
    kafka_controller: Port = 9093
    postgres: Port = 15432
    api: Port = 8000
    dashboard: Port = 8501
    stream_metrics: Port = 9108
    worker_metrics: Port = 9109
    load_metrics: Port = 9110


class Settings(BaseSettings):
    """Settings of one installation. One installation serves one data set."""

    model_config = SettingsConfigDict(
        env_prefix="SARAN_", env_nested_delimiter="__", env_file=".env", extra="ignore", populate_by_name=True
    )

    mode: Literal["laptop", "cluster"] = "laptop"
    home: Path = Field(default=CHECKOUT / ".saran", description="Data, logs and state of the laptop platform")
    cache: Path = Field(
        default=Path(os.environ.get("XDG_CACHE_HOME", str(Path.home() / ".cache"))) / "saran",
        description="Downloaded jars, shared by every home",
    )
    datasets: Path = Field(default=CHECKOUT / "datasets", description="Folder of dataset specs")
    dataset: str = Field(default="movielens", description="Name of a spec in `datasets`, or a path to one")
    data: Path | None = Field(default=None, description="Folder with the data set's own files, when not bundled")

    kafka_bootstrap: str = Field(
        default="",
        validation_alias=AliasChoices("SARAN_KAFKA__BOOTSTRAP", "SARAN_KAFKA_BOOTSTRAP", "KAFKA_BOOTSTRAP_SERVERS"),
        description="host:port[,…]; the laptop's broker when empty",
    )
    events_topic: str = Field(
        default=Topic.EVENTS, validation_alias=AliasChoices("SARAN_KAFKA__EVENTS_TOPIC", "KAFKA_TOPIC")
    )
    database_url: SecretStr = Field(
        default=SecretStr(""),
        validation_alias=AliasChoices("SARAN_DATABASE_URL", "DATABASE_URL"),
        description="postgresql://…; the laptop's server when empty",
    )
    api_address: str = Field(
        default="", validation_alias="SARAN_API_URL", description="http://host:port of the API; the laptop's when empty"
    )
    api_public_address: str = Field(
        default="",
        validation_alias="SARAN_API_PUBLIC_URL",
        description="Where browsers reach the API, for images; as parts do when empty",
    )
    api_key: SecretStr = Field(default=SecretStr(""), description="The key that parts send to an API that asks for one")
    api_keys: Path | None = Field(
        default=None, description="File of the API's keys (`saran api-key`); without one a laptop's API asks for none"
    )
    trino_url: str = Field(
        default="", description="Trino that answers SQL, http(s)://host:port; DuckDB does without one"
    )
    listen: str = Field(default="", description="Address that servers bind; loopback on a laptop, all in a cluster")
    media: Path | None = Field(
        default=None, description="Folder of images behind /media/; the bucket `movies`, then `data`, when not given"
    )
    spark_jars: Path | None = Field(default=None, description="Folder of Spark's jars; in `cache` when not given")
    storage: str = Field(
        default="",
        description="Where the buckets are: a folder, or s3:// and what is before their names; when empty `home/data`, "
        "and in a cluster s3://",
    )

    log_format: Literal["", "text", "json"] = Field(
        default="", description="Of the API's and the worker's logs: text for people on a laptop, json in a cluster"
    )

    erasure_days: int = Field(
        default=30,
        ge=8,
        description="Days after which nothing is left of an erased user: no less than Kafka's retention, how long "
        "tables keep old files, and how long backups are kept",
    )

    kafka: Kafka = Kafka()
    s3: S3 = S3()
    spark: Spark = Spark()
    serving: Serving = Serving()
    backup: Backup = Backup()
    maintenance: Maintenance = Maintenance()
    mlflow: MLflow = MLflow()
    ports: Ports = Ports()
    port_offset: int = Field(default=0, ge=0, le=50_000)

    @model_validator(mode="after")
    def _complete(self) -> Self:
        self.home = self.home.expanduser().resolve()
        self.cache = self.cache.expanduser().resolve()
        self.listen = self.listen or ("127.0.0.1" if self.mode == "laptop" else "0.0.0.0")  # noqa: S104
        self.log_format = self.log_format or ("text" if self.mode == "laptop" else "json")
        if self.kafka.own_topics is None:
            self.kafka = self.kafka.model_copy(update={"own_topics": self.mode == "laptop"})
        if self.erasure_days * 24 < max(self.kafka.retention_hours, self.maintenance.kept_hours):
            raise ValueError(
                "SARAN_ERASURE_DAYS is shorter than Kafka's retention, or than tables keep old files: it cannot be kept"
            )
        # Hadoop's spelling is taken too.
        self.storage = re.sub(r"^s3[an]?://", SCHEME, self.storage)
        return self

    def port(self, name: str) -> int:
        """The port of a part of the laptop platform (a field of `Ports`), moved by the offset."""
        return int(getattr(self.ports, name)) + self.port_offset

    @cached_property
    def bootstrap(self) -> str:
        """Kafka's bootstrap servers. Raises SaranError in a cluster where they are not given."""
        return self.kafka_bootstrap or f"127.0.0.1:{self._laptop_only('SARAN_KAFKA__BOOTSTRAP').port('kafka')}"

    @cached_property
    def postgres_url(self) -> str:
        """PostgreSQL's URL. On a laptop its password is in `home/postgres/password`.

        Raises FileNotFoundError, naming the fix, when the laptop's server was never started, and SaranError in a
        cluster where it is not given.
        """
        if given := self.database_url.get_secret_value():
            return given
        password = self._laptop_only("SARAN_DATABASE_URL").home / "postgres" / "password"
        if not password.exists():
            raise FileNotFoundError(
                f"no PostgreSQL in {self.home}: start it with `saran up`, or set SARAN_DATABASE_URL"
            )
        return f"postgresql://saran:{password.read_text().strip()}@127.0.0.1:{self.port('postgres')}/saran"

    @cached_property
    def api_url(self) -> str:
        """Where parts reach the API, without a slash at the end."""
        return self.api_address.rstrip("/") or f"http://127.0.0.1:{self.port('api')}"

    @property
    def api_public_url(self) -> str:
        """Where browsers reach the API, without a slash at the end."""
        return self.api_public_address.rstrip("/") or self.api_url

    @property
    def api_headers(self) -> dict[str, str]:
        """What a part's requests to the API carry."""
        key = self.api_key.get_secret_value()
        return {"Authorization": f"Bearer {key}"} if key else {}

    @property
    def api_keys_file(self) -> Path | None:
        """The API's keys, None where it asks for none. Raises SaranError in a cluster where they are not given."""
        return self.api_keys or self._laptop_only("SARAN_API_KEYS").api_keys

    def bucket(self, name: str) -> str:
        """Location of a bucket: `<storage>/<name>`, or `s3://<prefix><name>`.

        Raises SaranError in a cluster where no store is given.
        """
        root = self.storage
        if not root and self.mode == "cluster":
            if not self.s3.endpoint:
                self._laptop_only("SARAN_S3__ENDPOINT (or, for AWS itself, SARAN_STORAGE=s3://)")
            root = SCHEME
        if root == SCHEME:
            return f"{root}{self.s3.bucket_prefix}{name}"
        return f"{(root or str(self.home / 'data')).rstrip('/')}/{name}"

    def table_path(self, table: str) -> str:
        """Location of a Delta table: `<lakehouse>/<layer>/<name>`."""
        return f"{self.bucket(Bucket.LAKEHOUSE)}/{table.replace('.', '/', 1)}"

    def locate(self, location: str) -> Location:
        """What `bucket` and `table_path` name, as a path that can be read and written."""
        if location.startswith(SCHEME):
            return S3Path(self.s3, location.removeprefix(SCHEME))
        return Path(location)

    def backups(self, location: str = "") -> Location:
        """Where backups are: `location`, or what the settings say. Raises SaranError when neither says it."""
        chosen = re.sub(r"^s3[an]?://", SCHEME, location or self.backup.location).rstrip("/")
        if not chosen:
            raise SaranError(
                "no place for backups is named",
                fix="name a folder or s3://bucket/prefix, or set SARAN_BACKUP__LOCATION",
            )
        if chosen.startswith(SCHEME):
            return S3Path(self.backup.s3 or self.s3, chosen.removeprefix(SCHEME))
        return Path(chosen).expanduser().resolve()

    def table_folder(self, table: str) -> Location:
        """Folder of a Delta table."""
        return self.locate(self.table_path(table))

    @property
    def media_paths(self) -> tuple[Path, ...]:
        """Folders whose images the API serves, in the order in which they are searched."""
        if self.media is not None:
            return (self.media,)
        bucket = self.locate(self.bucket(Bucket.MOVIES))
        # A bucket's images are public: browsers get them from the store.
        return tuple(folder for folder in (bucket, self.data) if isinstance(folder, Path))

    @property
    def models_path(self) -> Location:
        """Folder of model versions."""
        return self.locate(self.bucket(Bucket.MODELS))

    def _laptop_only(self, variable: str) -> Self:
        """These settings, of which a default may be used. Raises SaranError outside the laptop."""
        if self.mode == "cluster":
            raise SaranError(
                f"{variable} is not set, and mode=cluster has no default for it", fix="set it in the pod's environment"
            )
        return self


def load_settings() -> Settings:
    """Settings from the environment; raises pydantic.ValidationError naming each bad variable."""
    return Settings()
