"""The charts and the code agree: variables, ports, topics, groups, buckets."""

from __future__ import annotations

import json
from typing import Any

import pytest
from charts.render import VARIANTS, documents, helm_template, one
from charts.tests.pods import environment, pods
from charts.tests.renderings import encrypted
from pydantic import AliasChoices, BaseModel

from saran.core.champions import RECORD
from saran.core.names import Bucket, Group, Topic
from saran.core.settings import BackupStore, Kafka, Settings
from saran.core.topics import topic_configs
from saran.core.versions import CHAMPION

SPARKS = {"SPARK_DAEMON_MEMORY", "SPARK_DAEMON_CLASSPATH", "SARAN_CA_FILE"}
"""Read by Spark's own scripts and by the entry point of the image saran/spark."""
MLFLOWS = {
    "MLFLOW_ARTIFACTS_DESTINATION",
    "MLFLOW_BOTO_CLIENT_ADDRESSING_STYLE",
    "MLFLOW_S3_ENDPOINT_URL",
    "MLFLOW_SERVER_ALLOWED_HOSTS",
    "AWS_CA_BUNDLE",
    "AWS_DEFAULT_REGION",
}
"""Read by MLflow's server, and by the client of the store that it uses."""
FOREIGN = {
    "HOME",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "BACKUP_AWS_ACCESS_KEY_ID",
    "BACKUP_AWS_SECRET_ACCESS_KEY",
    "PGDATA",
    "POSTGRES_PASSWORD_FILE",
    "MINIO_ROOT_USER",
    "MINIO_ROOT_PASSWORD",
}


def known_variables() -> set[str]:
    """Every variable that Settings reads."""
    found = {f"SARAN_BACKUP__S3__{name.upper()}" for name in BackupStore.model_fields}
    for name, field in Settings.model_fields.items():
        alias = field.validation_alias
        if isinstance(alias, AliasChoices):
            found |= {str(choice) for choice in alias.choices}
        else:
            found.add(str(alias) if alias else f"SARAN_{name.upper()}")
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            found |= {f"SARAN_{name.upper()}__{inner.upper()}" for inner in field.annotation.model_fields}
    return found


def _load(variables: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Settings:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return Settings()


def _check(found: list[dict[str, Any]]) -> None:
    for pod in pods(found):
        for container in pod.containers:
            variables = environment(container)
            assert set(variables) <= known_variables() | FOREIGN | SPARKS | MLFLOWS, (
                f"{pod.name}: a variable that no setting reads"
            )
            with pytest.MonkeyPatch.context() as patch:
                settings = _load(variables, patch)
                if "SARAN_MODE" not in variables:
                    continue
                assert settings.mode == "cluster"
                assert settings.listen == "0.0.0.0"  # noqa: S104
                if pod.component in {"api", "streams", "trainer"}:
                    assert settings.table_path("silver.events").startswith("s3://")


def test_every_variable_is_a_setting_and_its_value_is_taken(variant: list[dict[str, Any]]) -> None:
    _check(variant)


def test_variables_with_encryption_are_settings_too() -> None:
    found = encrypted()
    _check(found)
    (worker,) = [pod for pod in pods(found) if pod.component == "worker"]
    variables = environment(worker.containers[0])
    assert variables["SARAN_KAFKA__SECURITY_PROTOCOL"] == "SASL_SSL"
    assert variables["SARAN_KAFKA__CA_FILE"] == "/etc/saran/trust/kafka"
    # The whole of it, with what Strimzi keeps beside `ca.crt` while it replaces the authority.
    (kafka,) = [volume for volume in worker.volumes if volume["name"] == "kafka-authority"]
    assert kafka["secret"] == {"secretName": "shop-cluster-ca-cert"}


def test_each_part_has_what_it_uses_and_no_more(minimal: list[dict[str, Any]]) -> None:
    def secrets(component: str) -> set[str]:
        chosen = [
            pod.containers[0] for pod in pods(minimal) if pod.component == component and "executor" not in pod.name
        ]
        env = [each["valueFrom"]["secretKeyRef"]["name"] for each in chosen[0].get("env", []) if "valueFrom" in each]
        return set(env)

    assert secrets("dashboard") == {"shop-api-keys"}
    assert secrets("producer") == {"shop-kafka-producer"}
    assert secrets("worker") == {"shop-kafka-worker", "shop-database"}
    assert secrets("api") == {"shop-kafka-api", "shop-database", "shop-store-api"}
    assert secrets("streams") == {"shop-kafka-streams", "shop-database", "shop-store-streams"}
    (hashes,) = [
        volume["secret"]
        for pod in pods(minimal)
        if pod.component == "api"
        for volume in pod.volumes
        if volume["name"] == "keys"
    ]
    assert hashes == {"secretName": "shop-api-keys", "items": [{"key": "keys", "path": "keys"}]}
    assert secrets("trainer") == {"shop-database", "shop-store-trainer"}
    assert secrets("maintenance") == {"shop-kafka-maintenance", "shop-database", "shop-store-maintenance"}
    assert secrets("features") == {"shop-database", "shop-store-features"}
    assert secrets("evaluation") == {"shop-store-evaluation"}


def test_ports_are_those_of_the_settings() -> None:
    ports = Settings().ports
    found = documents(helm_template(sets=("history.enabled=true",)))
    exposed = {
        pod.component: pod.containers[-1]["ports"][0]["containerPort"]
        for pod in pods(found)
        if pod.containers[-1].get("ports")
    }
    del exposed["postgresql"]
    assert exposed == {
        "api": ports.api,
        "dashboard": ports.dashboard,
        "history": Settings().spark.history_port,
        "worker": ports.worker_metrics,
        "streams": ports.stream_metrics,
        "producer": ports.load_metrics,
    }


def test_topics_are_those_of_the_code(minimal: list[dict[str, Any]]) -> None:
    made = {
        each["spec"]["topicName"]: {key: str(value) for key, value in each["spec"]["config"].items()}
        for each in minimal
        if each["kind"] == "KafkaTopic"
    }
    assert made == topic_configs(Settings())
    partitions = {each["spec"]["partitions"] for each in minimal if each["kind"] == "KafkaTopic"}
    assert partitions == {Kafka().partitions}


def _values(names: type) -> set[str]:
    return {value for name, value in vars(names).items() if name.isupper()}


def test_rights_are_on_topics_and_groups_of_the_code(minimal: list[dict[str, Any]]) -> None:
    rights = {
        (each["metadata"]["name"], acl["resource"]["type"], acl["resource"]["name"]): set(acl["operations"])
        for each in minimal
        if each["kind"] == "KafkaUser"
        for acl in each["spec"]["authorization"]["acls"]
    }
    assert {name for _, kind, name in rights if kind == "topic"} <= _values(Topic)
    groups = {name for _, kind, name in rights if kind == "group"}
    assert groups - _values(Group) == {"saran-simulate"}
    writers = {user for (user, kind, name), granted in rights.items() if name == Topic.EVENTS and "Write" in granted}
    assert writers == {"shop-kafka-producer", "shop-kafka-api"}
    assert rights["shop-kafka-worker", "group", Group.ONLINE] == {"Read"}


def test_buckets_are_those_of_the_code(minimal: list[dict[str, Any]]) -> None:
    store = json.loads(one("ConfigMap", "shop-store-setup", minimal)["data"]["store.json"])
    assert set(store["buckets"]) == _values(Bucket)
    assert store["public"] == [f"{Bucket.MOVIES}/posters/*"]
    named = {place.partition("/")[0] for rights in store["users"].values() for place in rights}
    assert named == _values(Bucket)
    pointers = {f"{Bucket.MODELS}/*/{name}": "put" for name in (CHAMPION, RECORD)}
    assert store["users"]["api"] == dict.fromkeys((Bucket.LAKEHOUSE, Bucket.MODELS, Bucket.MOVIES), "read") | pointers


def test_examples_serve_data_sets_that_there_are() -> None:
    for name, path in VARIANTS.items():
        loads = [pod for pod in pods(documents(helm_template(values=(path,)))) if pod.component == "producer"]
        for pod in loads:
            dataset = pod.containers[-1]["command"][2]
            assert (Settings().datasets / f"{dataset}.yaml").exists(), name
