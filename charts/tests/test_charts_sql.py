"""Trino as the chart configures it: it finds the lakehouse's tables, and lets nobody change them."""

from __future__ import annotations

import math
import os
import shlex
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from charts.render import documents, helm_template, one
from charts.tests.renderings import encrypted
from deltalake import write_deltalake
from tests.certificates import write_certificates
from tests.object_store import credentials, make_buckets, store_endpoint
from tests.servers import free_offset

from saran.cli.register_tables import USER, register
from saran.core.errors import SaranError
from saran.core.names import Table
from saran.core.s3 import S3, delta_options
from saran.core.settings import Settings
from saran.sql import sql_engine
from saran.sql.answer import Answer, Limits
from saran.sql.saved import BUNDLED
from saran.sql.trino import StatementError, Trino, connect

HOME = "/var/lib/saran"
TRUSTED = "/tmp/authorities"  # noqa: S108 - the pod's own


def configuration(*sets: str) -> dict[str, str]:
    """Files below /etc/trino, by path."""
    found = documents(helm_template(sets=("trino.enabled=true", *sets)))
    files = one("ConfigMap", "shop-sql", found)["data"]
    (volume,) = [
        each["configMap"]["items"]
        for each in one("Deployment", "shop-sql", found)["spec"]["template"]["spec"]["volumes"]
        if each["name"] == "configuration"
    ]
    assert {item["key"] for item in volume} == set(files)
    return {item["path"]: files[item["key"]] for item in volume}


def test_the_store_is_the_platforms_and_the_user_may_read_it_only() -> None:
    assert "s3.endpoint=http://minio.shop.svc\n" in configuration()["catalog/delta.properties"]
    shared = "storage.mode=external"
    assert "s3.endpoint" not in configuration(shared)["catalog/delta.properties"]
    # Without a Secret the pod finds credentials by itself.
    assert "s3.aws-access-key" not in configuration(shared)["catalog/delta.properties"]
    keyed = configuration(shared, "storage.external.existingSecret=keys")["catalog/delta.properties"]
    assert "s3.aws-access-key=${ENV:AWS_ACCESS_KEY_ID}" in keyed
    found = documents(helm_template(sets=("trino.enabled=true",)))
    (wanted,) = [
        each for each in found if each["kind"] == "ConfigMap" and each["metadata"]["name"] == "shop-store-setup"
    ]
    assert '"sql":{"lakehouse":"read"}' in wanted["data"]["store.json"]


def test_java_trusts_the_authority_of_an_encrypted_store() -> None:
    found = encrypted()
    (server, _) = one("Deployment", "shop-sql", found)["spec"]["template"]["spec"]["containers"]
    assert "/etc/saran/trust/store/ca.crt" in server["command"][2]
    assert "-Djavax.net.ssl.trustStore=/tmp/authorities" in one("ConfigMap", "shop-sql", found)["data"]["jvm.config"]


def test_only_the_dashboard_reaches_it_over_the_network_unless_others_are_named() -> None:
    def incoming(*sets: str) -> list[dict[str, Any]]:
        found = documents(helm_template(sets=("trino.enabled=true", *sets)))
        rules: list[dict[str, Any]] = one("NetworkPolicy", "shop-sql", found)["spec"]["ingress"]
        return rules

    (ours,) = incoming()
    assert ours["from"][0]["podSelector"]["matchLabels"]["app.kubernetes.io/component"] == "dashboard"
    (_, rule) = incoming("networkPolicies.sql[0].podSelector.matchLabels.app=notebook")
    assert rule["from"] == [{"podSelector": {"matchLabels": {"app": "notebook"}}}]
    assert rule["ports"] == [{"protocol": "TCP", "port": 8080}]


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[S3]:
    """A store that speaks TLS by an authority of its own."""
    for name, value in {**credentials(), "SSL_CERT_FILE": ""}.items():
        monkeypatch.setenv(name, value)
    made = write_certificates(tmp_path / "tls")
    with store_endpoint(tmp_path, made) as endpoint:
        yield make_buckets(endpoint, made.authority)


@pytest.fixture
def trino_url(store: S3, tmp_path: Path) -> Iterator[str]:
    """A real server with the chart's files and the chart's command, over that store."""
    installed, home = os.environ.get("SARAN_TEST_TRINO"), os.environ.get("JAVA_HOME")
    if not (installed and home):
        pytest.skip("SARAN_TEST_TRINO names no folder of a Trino server (476), or JAVA_HOME no Java 24 or later")
    options = {"endpoint": store.endpoint, "existingSecret": "keys", "caConfigMap": "store-ca"}
    sets = ("storage.mode=external", *(f"storage.external.{name}={value}" for name, value in options.items()))
    port, etc = Settings(port_offset=free_offset()).port("api"), tmp_path / "etc"
    places = {
        HOME: tmp_path,
        "8080": port,
        "/etc/trino": etc,
        "/usr/lib/trino": installed,
        TRUSTED: tmp_path / "authorities",
    }
    for path, text in configuration(*sets).items():
        file = etc / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(_moved(text, places))
    java = [f"{home}/bin/java", "-Dnode.id=test", f"-Dconfig={etc}/config.properties"]
    java += [f"-Dlog.levels-file={etc}/log.properties", "-cp", f"{installed}/lib/*"]
    java += (etc / "jvm.config").read_text().split()
    java += [f"-D{line}" for line in (etc / "node.properties").read_text().split()]
    pod = one("Deployment", "shop-sql", documents(helm_template(sets=("trino.enabled=true", *sets))))
    command = pod["spec"]["template"]["spec"]["containers"][0]["command"]
    # In place of the image's script, which starts Java with the same files.
    places |= {f"{installed}/bin/run-trino": shlex.join([*java, "io.trino.server.TrinoServer"])}
    places |= {"/etc/saran/trust/store/ca.crt": store.ca_file}
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen([_moved(part, places) for part in command], cwd=installed, stdout=log, stderr=log)
    try:
        _wait(f"http://127.0.0.1:{port}", process, tmp_path / "log")
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(60)


def _moved(text: str, places: Mapping[str, object]) -> str:
    for ours, here in places.items():
        text = text.replace(ours, str(here))
    return text


def _wait(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 600
    while True:
        assert process.poll() is None, log.read_text()[-3000:]
        try:
            with connect(url, "someone") as trino:
                trino.run("SELECT 1")
                return
        except (SaranError, StatementError):
            assert time.monotonic() < deadline, log.read_text()[-3000:]
            time.sleep(1)


@pytest.mark.s3
@pytest.mark.timeout(900)
def test_trino_reads_the_tables_and_only_the_registrar_may_name_them(trino_url: str, store: S3) -> None:
    settings = Settings(mode="cluster", storage="s3://", s3=store)

    def write(table: str, rows: pa.Table, **options: Any) -> None:
        folder = settings.table_folder(table)
        write_deltalake(str(folder), rows, storage_options=delta_options(folder), **options)

    events = pa.table({"event_id": ["a", "b", "c"], "user_id": ["1", "1", "2"]})
    write(Table.SILVER_EVENTS, events)
    with connect(trino_url, USER) as trino:
        assert register(trino, settings) == [Table.SILVER_EVENTS]
        assert register(trino, settings) == []
        write(Table.GOLD_POPULARITY, pa.table({"item_id": ["7"]}))
        assert register(trino, settings) == [Table.GOLD_POPULARITY]
    with connect(trino_url, "someone") as trino:
        assert trino.run("SELECT count(*), count(DISTINCT user_id) FROM silver.events").values == [[3, 2]]
        write(Table.SILVER_EVENTS, events.slice(0, 1), mode="append")
        assert trino.run("SELECT count(*) FROM silver.events").values == [[4]]
        for statement in _FORBIDDEN:
            assert refused(trino, statement) == "PERMISSION_DENIED", statement
    ask_the_engine(settings.model_copy(update={"trino_url": trino_url}), write)


def ask_the_engine(settings: Settings, write: Callable[..., None]) -> None:
    """The same questions as of DuckDB get the same answers."""
    noon = datetime(2026, 5, 4, 12, tzinfo=UTC)
    times = pa.array([noon, None], pa.timestamp("us", "UTC"))
    facts = pa.array([{"colour": "red"}, {"colour": None}], pa.struct([("colour", pa.string())]))
    prices = pa.array([Decimal("1.25"), None], pa.decimal128(9, 2))
    columns = {"item_id": ["i1", "i2"], "at": times, "price": prices, "n": [float("nan"), 2.5], "tags": [["a"], []]}
    write(Table.SILVER_ITEMS, pa.table(columns | {"facts": facts}))
    with connect(settings.trino_url, USER) as trino:
        assert register(trino, settings) == [Table.SILVER_ITEMS]

    def ask(statement: str, **limits: Any) -> Answer:
        return sql_engine(settings, Limits(**limits)).ask(statement)

    first, second = ask("SELECT *, date(at) AS day FROM silver.items ORDER BY item_id; ").table.to_pylist()
    assert math.isnan(first.pop("n"))
    assert first == {
        "item_id": "i1",
        "at": noon,
        "price": Decimal("1.25"),
        "tags": ["a"],
        "facts": '["red"]',
        "day": noon.date(),
    }
    assert second == {"item_id": "i2", "at": None, "price": None, "n": 2.5, "tags": [], "facts": "[null]", "day": None}
    assert {row["table"]: row["column_names"] for row in ask(BUNDLED["tables"]).rows()}[Table.SILVER_ITEMS] == [
        *columns,
        "facts",
    ]
    many = ask("SELECT * FROM UNNEST(sequence(1, 5000))", rows=1000)
    assert (many.table.num_rows, many.more) == (1000, True)
    with pytest.raises(SaranError, match="no single SELECT"):
        ask("DELETE FROM silver.events")
    with pytest.raises(SaranError, match="Column 'nothing' cannot be resolved"):
        ask("SELECT nothing FROM silver.events")
    with pytest.raises(SaranError, match=r"more than 0\.5 s"):
        ask(
            "SELECT count(*) FROM UNNEST(sequence(1, 10000)) CROSS JOIN UNNEST(sequence(1, 10000)) "
            "CROSS JOIN UNNEST(sequence(1, 10000))",
            seconds=0.5,
        )


_FORBIDDEN = (
    "DELETE FROM silver.events",
    "INSERT INTO silver.events VALUES ('d', '3')",
    "DROP TABLE silver.events",
    "CREATE SCHEMA mine",
    "CALL delta.system.unregister_table(schema_name => 'silver', table_name => 'events')",
)


def refused(trino: Trino, statement: str) -> str:
    """Trino's word for why."""
    with pytest.raises(StatementError) as refusal:
        trino.run(statement)
    return refusal.value.name
