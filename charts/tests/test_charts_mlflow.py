"""MLflow as the chart runs it, and who knows of it."""

from __future__ import annotations

from typing import Any

import pytest
from charts.render import documents, helm_template, one
from charts.tests.renderings import encrypted

ON = "mlflow.enabled=true"


def environment(container: dict[str, Any]) -> dict[str, Any]:
    return {variable["name"]: variable.get("value", variable.get("valueFrom")) for variable in container["env"]}


def server(found: list[dict[str, Any]]) -> dict[str, Any]:
    """Its container's environment."""
    (container,) = one("Deployment", "shop-mlflow", found)["spec"]["template"]["spec"]["containers"]
    return environment(container)


def trainer(*sets: str) -> dict[str, Any]:
    """The environment of the training's driver."""
    found = documents(helm_template(sets=sets))
    return environment(one("ScheduledSparkApplication", "shop-train-recommender", found)["spec"]["template"]["driver"])


def rules(found: list[dict[str, Any]], policy: str, side: str, other: str) -> list[Any]:
    """The ports at which a policy lets one side talk to a part."""
    return [
        port["port"]
        for rule in one("NetworkPolicy", policy, found)["spec"][side]
        for port in rule.get("ports", [])
        if other in str(rule["from" if side == "ingress" else "to"])
    ]


def test_it_has_a_database_and_a_bucket_of_its_own() -> None:
    found = documents(helm_template(sets=(ON,)))
    told = server(found)
    assert told["SARAN_DATABASE_URL"] == {"secretKeyRef": {"name": "shop-database", "key": "url"}}
    assert told["MLFLOW_ARTIFACTS_DESTINATION"] == "s3://mlflow"
    assert told["MLFLOW_S3_ENDPOINT_URL"] == "http://minio.shop.svc"
    assert told["MLFLOW_BOTO_CLIENT_ADDRESSING_STYLE"] == "path"
    assert told["AWS_ACCESS_KEY_ID"] == {"secretKeyRef": {"name": "shop-store-mlflow", "key": "AWS_ACCESS_KEY_ID"}}
    assert "AWS_CA_BUNDLE" not in told
    wanted = one("ConfigMap", "shop-store-setup", found)["data"]["store.json"]
    assert '"mlflow":{"mlflow":"write"}' in wanted
    assert '"checkpoints","mlflow"' in wanted
    without = one("ConfigMap", "shop-store-setup", documents(helm_template()))["data"]["store.json"]
    assert "mlflow" not in without


def test_it_trusts_the_authority_of_an_encrypted_store() -> None:
    assert server(encrypted())["AWS_CA_BUNDLE"] == "/etc/saran/trust/store/ca.crt"


def test_only_names_of_this_installation_are_answered() -> None:
    def hosts(*sets: str) -> list[str]:
        told: str = server(documents(helm_template(sets=(ON, *sets))))["MLFLOW_SERVER_ALLOWED_HOSTS"]
        return told.split(",")

    assert hosts() == ["shop-mlflow", "localhost", "localhost:*"]
    routed = hosts("routes.mlflow=true", "routes.domain=example.org")
    assert routed[3:] == ["mlflow.example.org", "mlflow.example.org:*"]


@pytest.mark.parametrize(
    ("sets", "url"),
    [
        ((), None),
        ((ON,), "http://shop-mlflow"),
        (("mlflow.url=https://books.example.org",), "https://books.example.org"),
        ((ON, "mlflow.url=https://books.example.org"), "http://shop-mlflow"),
    ],
)
def test_trainings_know_where_to_register(sets: tuple[str, ...], url: str | None) -> None:
    assert trainer(*sets).get("SARAN_MLFLOW__URL") == url


def test_only_trainings_reach_it_unless_it_is_routed() -> None:
    found = documents(helm_template(sets=(ON,)))
    assert rules(found, "shop-mlflow", "ingress", "trainer") == [5000]
    assert len(one("NetworkPolicy", "shop-mlflow", found)["spec"]["ingress"]) == 1
    assert rules(found, "shop-mlflow", "egress", "postgresql") == [5432]
    assert rules(found, "shop-postgresql", "ingress", "mlflow") == [5432]
    assert rules(found, "shop-trainer", "egress", "mlflow") == [5000]
    routed = documents(helm_template(sets=(ON, "routes.mlflow=true")))
    assert len(one("NetworkPolicy", "shop-mlflow", routed)["spec"]["ingress"]) == 2
    assert one("Ingress", "shop-mlflow", routed)["spec"]["rules"][0]["host"] == "mlflow.localhost"
    elsewhere = documents(helm_template(sets=("mlflow.url=http://10.0.0.7:5000",)))
    assert 5000 in rules(elsewhere, "shop-trainer", "egress", "0.0.0.0/0")
