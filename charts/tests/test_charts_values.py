"""values.yaml, its schema and its comments are about the same keys; what is wrong is refused with the reason."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from charts.render import CHART, OPERATORS, described, documents, helm_template, one
from charts.tests.pods import environment, pods

SCHEMA = json.loads((CHART / "values.schema.json").read_text())
FREE = {"settings", "resources", "parameters", "conf", "gateway", "annotations", "labels"}
"""Keys whose content the user names."""


def _resolve(schema: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in schema:
        schema = SCHEMA["definitions"][schema["$ref"].rsplit("/", 1)[1]]
    return schema


def _schema_keys(schema: dict[str, Any], prefix: str = "") -> Iterator[str]:
    for name, inner in _resolve(schema).get("properties", {}).items():
        yield prefix + name
        if name not in FREE:
            yield from _schema_keys(inner, f"{prefix}{name}.")


def _value_keys(values: dict[str, Any], prefix: str = "") -> Iterator[str]:
    for name, inner in values.items():
        yield prefix + name
        if isinstance(inner, dict) and name not in FREE:
            yield from _value_keys(inner, f"{prefix}{name}.")


def test_the_schema_knows_the_values_and_no_others() -> None:
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    # Helm's own, and a class that a controller's disk may have.
    extra = {"global", "kafka.controller.storage.class"}
    assert set(_schema_keys(SCHEMA)) - extra == set(_value_keys(values))


@pytest.mark.parametrize("chart", [CHART, OPERATORS], ids=lambda path: path.name)
def test_every_value_is_described(chart: Any) -> None:
    values = yaml.safe_load((chart / "values.yaml").read_text())
    comments = described(chart / "values.yaml")
    leaves = {
        key for key in _value_keys(values) if not any(other.startswith(f"{key}.") for other in _value_keys(values))
    }
    bare = {key for key in leaves if not any(key == told or key.startswith(f"{told}.") for told in comments)}
    # Not for users to change: the chart saran makes these.
    assert bare - {"spark-operator.spark.serviceAccount.create", "spark-operator.spark.rbac.create"} == set()


@pytest.mark.parametrize(
    ("sets", "reason"),
    [
        (("kafka.brokerz=1",), "brokerz"),
        (("api.resources.requests.memory=lots",), "memory"),
        (("settings.KAFKA=1",), "KAFKA"),
        (("dataset.source=claim",), "claim"),
        (("dataset.source=synthetic",), "name"),
        (("dataset.name=retailrocket",), "name"),
        (("kafka.mode=external",), "bootstrap"),
        (("postgresql.enabled=false",), "existingSecret"),
        (("kafka.retentionHours=24",), "retentionHours"),
        (("images.api.digest=sha256:1",), "digest"),
        (("kafka.replicas=3",), "raise kafka.brokers"),
        (("kafka.minInsyncReplicas=2",), "nothing could be acknowledged"),
        (("worker.replicas=5",), "a partition has one reader"),
        (("storage.minio.volumesPerServer=2",), "4 and more"),
        (("settings.SARAN_MODE=laptop",), "set by the chart itself"),
    ],
)
def test_what_is_wrong_is_refused_with_the_reason(sets: tuple[str, ...], reason: str) -> None:
    with pytest.raises(subprocess.CalledProcessError) as refused:
        helm_template(sets=sets)
    assert reason in refused.value.stderr


def test_an_operator_that_there_is_not_is_refused() -> None:
    schema = json.loads((OPERATORS / "values.schema.json").read_text())
    values = yaml.safe_load((OPERATORS / "values.yaml").read_text())
    jsonschema.validate(values, schema)
    with pytest.raises(jsonschema.ValidationError, match="strimzi"):
        jsonschema.validate({**values, "strimzi": {"enabled": False}}, schema)


def test_a_long_release_name_is_refused() -> None:
    with pytest.raises(subprocess.CalledProcessError) as refused:
        helm_template("a" * 31)
    assert "at most 30" in refused.value.stderr


def test_settings_reach_every_part_as_they_are_written(tmp_path: Path) -> None:
    settings = {"SARAN_SERVING__HISTORY_LENGTH": 200, "SARAN_KEPT": 2000000, "SARAN_SHARE": 0.5}
    values = tmp_path / "values.yaml"
    values.write_text(yaml.safe_dump({"settings": settings, "postgresql": {"parameters": {"work_mem": 1000000}}}))
    found = documents(helm_template(values=(values,)))
    ours = [
        variables for pod in pods(found) for each in pod.containers if "SARAN_MODE" in (variables := environment(each))
    ]
    assert len(ours) == 24
    for variables in ours:
        assert {name: variables[name] for name in settings} == {name: str(value) for name, value in settings.items()}
    assert (
        "work_mem=1000000"
        in one("StatefulSet", "shop-postgresql", found)["spec"]["template"]["spec"]["containers"][0]["command"]
    )
