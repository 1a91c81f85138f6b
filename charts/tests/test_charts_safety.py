"""Pods pass the restricted Pod Security Standard, reach what they need and no more, and data outlives the release."""

from __future__ import annotations

from typing import Any

import pytest
from charts.render import documents, helm_template, one
from charts.tests.pods import Pod, pods
from charts.tests.renderings import encrypted

KEPT_KINDS = {"Kafka", "KafkaNodePool", "KafkaTopic", "KafkaUser", "Tenant"}
ALLOWED_VOLUMES = {"configMap", "emptyDir", "projected", "secret", "persistentVolumeClaim"}


def _refusals(pod: Pod) -> list[str]:
    """What the restricted standard (Kubernetes 1.34) and our own rule of a read-only root would refuse."""
    found = []
    for container in pod.containers:
        security = {**pod.security, **container["securityContext"]}
        wanted = {
            "runAsNonRoot": True,
            "allowPrivilegeEscalation": False,
            "seccompProfile": {"type": "RuntimeDefault"},
            "capabilities": {"drop": ["ALL"]},
        }
        if container["name"] != "minio":  # the operator's sidecar and the server write beside the volume
            wanted["readOnlyRootFilesystem"] = True
        found += [f"{container['name']}: {key}" for key, value in wanted.items() if security.get(key) != value]
        if not security.get("runAsUser"):
            found.append(f"{container['name']}: runs as root")
        if "hostPort" in str(container.get("ports", "")):
            found.append(f"{container['name']}: host port")
    found += [f"volume {each['name']}" for each in pod.volumes if not set(each) - {"name"} <= ALLOWED_VOLUMES]
    return found


def test_every_pod_is_restricted(variant: list[dict[str, Any]]) -> None:
    assert {pod.name: refused for pod in pods(variant) if (refused := _refusals(pod))} == {}


def test_every_pod_is_restricted_with_everything_on() -> None:
    found = list(pods(encrypted()))
    assert {pod.name: refused for pod in found if (refused := _refusals(pod))} == {}
    assert {pod.component for pod in found} >= {"api", "worker", "dashboard", "producer", "streams", "trainer"}


def _strimzi_refusals(kafka: dict[str, Any]) -> list[str]:
    """What the standard would refuse of the pods that Strimzi makes."""
    spec = kafka["spec"]
    parts = {"kafka": spec["kafka"], "entity operator": spec["entityOperator"], "exporter": spec.get("kafkaExporter")}
    found = []
    for name, part in parts.items():
        for container, template in (part["template"] if part else {}).items():
            security = template["securityContext"]
            if not security["runAsNonRoot"] or security["seccompProfile"] != {"type": "RuntimeDefault"}:
                found.append(f"{name}: {container}")
            if container != "pod" and (
                security["allowPrivilegeEscalation"] or security["capabilities"] != {"drop": ["ALL"]}
            ):
                found.append(f"{name}: {container}")
    return found


def test_kafkas_pods_are_restricted(variant: list[dict[str, Any]]) -> None:
    kafka = one("Kafka", "shop", variant)
    assert _strimzi_refusals(kafka) == []
    assert set(kafka["spec"]["kafka"]["template"]) == {"pod", "kafkaContainer", "initContainer"}
    assert set(kafka["spec"]["entityOperator"]["template"]) == {
        "pod",
        "topicOperatorContainer",
        "userOperatorContainer",
    }


def test_every_pod_has_an_account_of_its_part(variant: list[dict[str, Any]]) -> None:
    accounts = {each["metadata"]["name"] for each in variant if each["kind"] == "ServiceAccount"}
    used = {pod.account for pod in pods(variant) if pod.account}
    assert used <= accounts
    tokens = {each["metadata"]["name"] for each in variant if each.get("automountServiceAccountToken")}
    assert tokens == {"shop-spark-driver"}


def test_only_what_asks_the_api_server_may(minimal: list[dict[str, Any]]) -> None:
    roles = {each["metadata"]["name"]: each["rules"] for each in minimal if each["kind"] == "Role"}
    assert set(roles) == {"shop-secrets", "shop-spark-driver", "shop-spark-submit"}
    assert roles["shop-secrets"] == [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["create"]}]
    assert roles["shop-spark-submit"][0]["resources"] == ["networkpolicies"]
    assert not [each for each in minimal if each["kind"].startswith("ClusterRole")]


def _policies(found: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {each["metadata"]["name"]: each["spec"] for each in found if each["kind"] == "NetworkPolicy"}


def test_what_is_not_allowed_is_denied(variant: list[dict[str, Any]]) -> None:
    policies = _policies(variant)
    assert policies["shop-default-deny"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    selected = {
        labels.get("app.kubernetes.io/component")
        for spec in policies.values()
        if (labels := spec["podSelector"].get("matchLabels"))
    }
    assert {pod.component for pod in pods(variant)} - {"minio"} <= selected


def _sources(spec: dict[str, Any]) -> set[str]:
    """Components that a policy lets in from the namespace."""
    return {
        peer["podSelector"]["matchLabels"]["app.kubernetes.io/component"]
        for rule in spec["ingress"]
        for peer in rule["from"]
        if "podSelector" in peer
    }


def test_the_database_is_for_those_who_use_it(minimal: list[dict[str, Any]]) -> None:
    spec = _policies(minimal)["shop-postgresql"]
    assert _sources(spec) == {"api", "worker", "streams", "trainer", "maintenance", "features"}
    assert {port["port"] for rule in spec["ingress"] for port in rule["ports"]} == {5432}
    assert spec["egress"] == []


def test_each_edge_has_a_rule_at_both_ends(minimal: list[dict[str, Any]]) -> None:
    policies = _policies(minimal)
    out = {
        (name.removeprefix("shop-"), peer["podSelector"]["matchLabels"].get("app.kubernetes.io/component"))
        for name, spec in policies.items()
        for rule in spec.get("egress", [])
        for peer in rule["to"]
        if "podSelector" in peer
    }
    into = {
        (source, name.removeprefix("shop-"))
        for name, spec in policies.items()
        if name not in {"shop-default-deny", "shop-dns", "shop-kafka", "shop-store"}
        for source in _sources(spec)
    }
    assert into == {edge for edge in out if edge[1] is not None}
    assert ("dashboard", "api") in into
    assert ("dashboard", "postgresql") not in into


def test_users_that_the_listener_lets_in_are_kafkas_users(minimal: list[dict[str, Any]]) -> None:
    listener = one("Kafka", "shop", minimal)["spec"]["kafka"]["listeners"][0]
    (chosen,) = listener["networkPolicyPeers"][0]["podSelector"]["matchExpressions"]
    users = {each["metadata"]["name"] for each in minimal if each["kind"] == "KafkaUser"}
    assert {f"shop-kafka-{part}" for part in chosen["values"]} == users
    assert listener["authentication"] == {"type": "scram-sha-512"}


def test_data_outlives_the_release(variant: list[dict[str, Any]]) -> None:
    for each in variant:
        if each["kind"] in KEPT_KINDS:
            assert each["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep", each["metadata"]["name"]
        if each["kind"] == "KafkaNodePool":
            assert [volume["deleteClaim"] for volume in each["spec"]["storage"]["volumes"]] == [False]
        if each["kind"] == "StatefulSet":
            assert each["spec"]["persistentVolumeClaimRetentionPolicy"] == {
                "whenDeleted": "Retain",
                "whenScaled": "Retain",
            }


def test_what_an_operator_copies_to_pods_does_not_change_with_the_charts_version(minimal: list[dict[str, Any]]) -> None:
    for each in minimal:
        if each["kind"] in {"Kafka", "KafkaNodePool"}:
            assert not {"helm.sh/chart", "app.kubernetes.io/version"} & set(each["metadata"]["labels"])
    for pod in pods(minimal):
        if pod.component != "test":
            assert not {"helm.sh/chart", "app.kubernetes.io/version"} & set(pod.labels), pod.name


@pytest.mark.parametrize("sets", [("kafka.mode=external", "kafka.external.bootstrap=b:9092", "storage.mode=external")])
def test_without_operators_resources_there_is_no_edge_to_them(sets: tuple[str, ...]) -> None:
    found = documents(helm_template(sets=(*sets, "storage.external.endpoint=https://s3.example.com")))
    assert not {each["kind"] for each in found} & KEPT_KINDS
    assert not {"shop-kafka", "shop-store"} & set(_policies(found))
    rules = [rule for rule in _policies(found)["shop-worker"]["egress"] if "ipBlock" in rule["to"][0]]
    assert [port["port"] for port in rules[0]["ports"]] == [9092, 9093, 9094]
