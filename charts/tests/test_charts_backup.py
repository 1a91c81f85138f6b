"""The CronJob that backs up and the Job that restores: settings, rights in the store, what must not run beside them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from charts.render import documents, helm_template, one
from charts.tests.pods import environment, pods

from saran.core.names import Bucket
from saran.core.s3 import S3Path
from saran.core.settings import Settings

BACKUP = "backup.enabled=true"
ELSEWHERE = ("backup.external.enabled=true", "backup.external.endpoint=https://s3.example.org", "backup.bucket=kept")


def rendered(*sets: str) -> list[dict[str, Any]]:
    return documents(helm_template(sets=sets))


def settings_of(found: list[dict[str, Any]], component: str, monkeypatch: pytest.MonkeyPatch) -> Settings:
    (pod,) = [pod for pod in pods(found) if pod.component == component]
    for name, value in environment(pod.containers[0]).items():
        monkeypatch.setenv(name, value)
    return Settings()


def users(found: list[dict[str, Any]]) -> dict[str, dict[str, str]]:
    store = json.loads(one("ConfigMap", "shop-store-setup", found)["data"]["store.json"])
    assert ("backups" in store["buckets"]) == any("backups" in rights for rights in store["users"].values())
    found_users: dict[str, dict[str, str]] = store["users"]
    return found_users


def test_a_backup_goes_into_its_bucket_by_a_user_who_changes_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    found = rendered(BACKUP, "backup.prefix=shop/daily", "backup.keep=3")
    settings = settings_of(found, "backup", monkeypatch)
    assert settings.backups() == S3Path(settings.s3, "backups/shop/daily")
    assert settings.backup.keep == 3
    cron = one("CronJob", "shop-backup", found)["spec"]
    assert (cron["schedule"], cron["concurrencyPolicy"]) == ("15 3 * * *", "Forbid")
    (container,) = cron["jobTemplate"]["spec"]["template"]["spec"]["containers"]
    assert container["command"] == ["python", "-m", "saran.spark", "backup", "create", "--json"]
    read = dict.fromkeys((Bucket.LAKEHOUSE, Bucket.CHECKPOINTS, Bucket.MODELS), "read")
    assert users(found)["backup"] == {**read, "backups": "write"}
    assert "restore" not in users(found)


def test_another_store_has_its_own_credentials_and_an_edge(monkeypatch: pytest.MonkeyPatch) -> None:
    found = rendered(
        BACKUP, *ELSEWHERE, "backup.external.existingSecret=theirs", "backup.external.caConfigMap=their-ca"
    )
    settings = settings_of(found, "backup", monkeypatch)
    place = settings.backups()
    assert isinstance(place, S3Path)
    assert (place.key, place.s3.endpoint, place.s3.variables) == ("kept", "https://s3.example.org", "BACKUP_")
    assert str(place.s3.ca_file) == "/etc/saran/backup/store.crt"
    (pod,) = [pod for pod in pods(found) if pod.component == "backup"]
    given = {each["name"]: each["valueFrom"] for each in pod.containers[0]["env"] if "valueFrom" in each}
    assert given["BACKUP_AWS_ACCESS_KEY_ID"]["secretKeyRef"]["name"] == "theirs"
    assert given["AWS_ACCESS_KEY_ID"]["secretKeyRef"]["name"] == "shop-store-backup"
    assert {"name": "backup-trust", "mountPath": "/etc/saran/backup", "readOnly": True} in pod.containers[0][
        "volumeMounts"
    ]
    assert set(users(found)["backup"].values()) == {"read"}
    egress = one("NetworkPolicy", "shop-backup", found)["spec"]["egress"]
    assert [port["port"] for rule in egress if "ipBlock" in rule["to"][0] for port in rule["ports"]] == [80, 443, 9000]


def test_a_restore_runs_alone() -> None:
    found = rendered(BACKUP, "restore.from=20261128T005935.123Z", "restore.force=true", "visitors.enabled=true")
    running = {pod.component for pod in pods(found)}
    assert not {"streams", "trainer", "worker", "producer"} & running
    assert {"api", "backup", "restore"} <= running
    (job,) = [pod for pod in pods(found) if pod.component == "restore"]
    assert job.containers[0]["command"][2:] == ["saran.spark", "restore", "--json", "20261128T005935.123Z", "--force"]
    write = dict.fromkeys((Bucket.LAKEHOUSE, Bucket.CHECKPOINTS, Bucket.MODELS), "write")
    assert users(found)["restore"] == {**write, "backups": "read"}
    (newest,) = [pod for pod in pods(rendered("restore.from=newest")) if pod.component == "restore"]
    assert newest.containers[0]["command"][2:] == ["saran.spark", "restore", "--json"]


def test_without_backups_there_is_nothing_of_them(minimal: list[dict[str, Any]]) -> None:
    assert not {"backup", "restore"} & {pod.component for pod in pods(minimal)}
    assert not {"backup", "restore"} & set(users(minimal))
    assert "shop-backup" not in {each["metadata"]["name"] for each in minimal}
