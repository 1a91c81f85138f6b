"""An installation on a cluster as tests see it: its pods, its API through the ingress, its tables in the store.

Names are the chart's. What a part is told by its environment (the store, its user) is read from the cluster, not
repeated here.
"""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import urlsplit

import httpx
from deltalake import DeltaTable
from kubernetes import client, config
from pyarrow import dataset as ds

from saran.core.api_keys import key_line, new_key
from saran.core.names import Model, Table
from saran.core.s3 import S3, delta_options
from saran.core.settings import Settings
from saran.core.versions import champion
from tests.e2e.encrypted import plain

PATIENCE: Final = float(os.environ.get("SARAN_E2E_PATIENCE", "600"))
"""Seconds that a test waits for what must come."""

_SECONDS: Final = 30
_FORWARDING: Final = re.compile(r"Forwarding from 127\.0\.0\.1:(\d+)")

Pod = dict[str, Any]


class Installation:
    """A release in a namespace. `address` is where the ingress controller listens; empty: as the chart prints it."""

    def __init__(self, release: str, namespace: str, address: str = "") -> None:
        self.release = release
        self.namespace = namespace
        self.address = address or "http://127.0.0.1:8080"
        api = config.new_client_from_config()
        self.core = client.CoreV1Api(api)
        self._custom = client.CustomObjectsApi(api)
        self._apps = client.AppsV1Api(api)
        self._networking = client.NetworkingV1Api(api)
        self._plain = api.sanitize_for_serialization

    def ours(self, component: str) -> str:
        """Selector of a part's pods."""
        return f"app.kubernetes.io/instance={self.release},app.kubernetes.io/component={component}"

    def pods(self, selector: str) -> list[Pod]:
        """Pods that are not being deleted."""
        found = self.core.list_namespaced_pod(self.namespace, label_selector=selector, _request_timeout=_SECONDS)
        items: list[Pod] = self._plain(found)["items"]
        return [pod for pod in items if not pod["metadata"].get("deletionTimestamp")]

    def ready_pod(self, selector: str) -> str:
        """Name of a pod that is Ready."""
        names = [pod["metadata"]["name"] for pod in self.pods(selector) if is_ready(pod)]
        assert names, f"no pod is Ready with {selector}: {self.describe()}"
        return str(names[0])

    def kill(self, selector: str) -> None:
        """End one pod by SIGKILL a second after SIGTERM, and wait until another is Ready in its place.

        Not at once: a StatefulSet may start the successor only when the volume is let go of.
        """
        before = self.pods(selector)
        known, wanted = {pod["metadata"]["uid"] for pod in before}, sum(map(is_ready, before))
        victim = self.ready_pod(selector)
        self.core.delete_namespaced_pod(victim, self.namespace, grace_period_seconds=1, _request_timeout=_SECONDS)

        def replaced() -> bool:
            ready = [pod["metadata"]["uid"] for pod in self.pods(selector) if is_ready(pod)]
            return len(ready) >= wanted and not known.issuperset(ready)

        self.wait(f"a successor of {victim}", replaced)

    def nodes(self) -> list[str]:
        """Nodes on which a pod of ours may be started."""
        found = self._plain(self.core.list_node(_request_timeout=_SECONDS))["items"]
        barred = {"NoSchedule", "NoExecute"}
        return [
            one["metadata"]["name"]
            for one in found
            if not barred & {taint["effect"] for taint in one["spec"].get("taints") or []}
        ]

    @contextmanager
    def drained(self, node: str) -> Iterator[None]:
        """While the block runs, no pod of ours is on the node; what has its disk there waits for it."""
        options = ("--ignore-daemonsets", "--delete-emptydir-data", "--force", "--timeout=300s")
        # Of all our pods, and of no operator's: a selector leaves others alone.
        selector = f"--pod-selector=app.kubernetes.io/instance={self.release}"
        try:
            done = self._kubectl("drain", node, selector, *options, seconds=330)
            assert done.returncode == 0, done.stdout + done.stderr
            yield
        finally:
            self._kubectl("uncordon", node)

    def authority(self) -> dict[str, str]:
        """Certificates that Strimzi says clients shall trust, by name; none where it encrypts nothing."""
        name = f"{self.release}-cluster-ca-cert"
        found = self._plain(self.core.read_namespaced_secret(name, self.namespace, _request_timeout=_SECONDS))
        return {key: value for key, value in found["data"].items() if key.endswith(".crt")}

    def replace_authority(self) -> None:
        """Ask Strimzi to make a new key and certificate, and to sign all brokers anew."""
        change = {"metadata": {"annotations": {"strimzi.io/force-replace": "true"}}}
        name = f"{self.release}-cluster-ca"
        self.core.patch_namespaced_secret(name, self.namespace, change, _request_timeout=_SECONDS)

    def run(self, pod: str, *command: str, seconds: float = 60) -> subprocess.CompletedProcess[str]:
        """A command inside a pod's first container."""
        return self._kubectl("exec", pod, "--", *command, seconds=seconds)

    def log(self, pod: str, container: str, lines: int = 50) -> str:
        """The newest lines of a container."""
        return self._kubectl("logs", pod, "-c", container, f"--tail={lines}").stdout

    def hosts(self) -> dict[str, str]:
        """Host of each Ingress or HTTPRoute, by its first label: `api`, `dashboard`, `store`."""
        found = self._networking.list_namespaced_ingress(self.namespace, _request_timeout=_SECONDS)
        hosts = [rule["host"] for one in self._plain(found)["items"] for rule in one["spec"]["rules"]]
        try:
            routes: Any = self._custom.list_namespaced_custom_object(
                "gateway.networking.k8s.io", "v1", self.namespace, "httproutes", _request_timeout=_SECONDS
            )
        except client.ApiException as error:
            if error.status != HTTPStatus.NOT_FOUND:
                raise
            routes = {"items": []}  # The cluster has no Gateway API.
        hosts += [host for one in routes["items"] for host in one["spec"]["hostnames"]]
        return {host.split(".")[0]: host for host in hosts}

    def web(self, name: str) -> httpx.Client:
        """A client of what answers below a host, through the ingress controller; of the API with a client's key."""
        headers = {"Host": self.hosts()[name]}
        if name == "api" and (key := self.api_key):
            headers["Authorization"] = f"Bearer {key}"
        return httpx.Client(base_url=self.address, headers=headers, timeout=_SECONDS, trust_env=False)

    @cached_property
    def api_key(self) -> str | None:
        """The key of a client of the API; None where the API asks for none."""
        return self._secret(self._keys_secret, "client") if self._keys_secret else None

    @cached_property
    def _keys_secret(self) -> str | None:
        found = self._apps.read_namespaced_deployment(f"{self.release}-api", self.namespace, _request_timeout=_SECONDS)
        volumes = self._plain(found)["spec"]["template"]["spec"]["volumes"]
        secrets = [one["secret"]["secretName"] for one in volumes if one["name"] == "keys"]
        return str(secrets[0]) if secrets else None

    @contextmanager
    def administrator(self) -> Iterator[httpx.Client]:
        """A client of the API with a key of the scope `admin`, which the running API takes and then forgets."""
        with self.web("api") as web:
            name = self._keys_secret
            if name is None:
                yield web
                return
            before, key = self._secret(name, "keys"), new_key()
            web.headers["Authorization"] = f"Bearer {key}"
            try:
                self._write_keys(name, f"{before.rstrip()}\n{key_line('e2e', key, 'admin')}\n")
                self.wait("the API to know a new key", lambda: web.get("/experiments").status_code == 200)
                yield web
            finally:
                self._write_keys(name, before)
            self.wait("the API to forget the key", lambda: web.get("/experiments").status_code == 401)

    def _write_keys(self, secret: str, keys: str) -> None:
        self.core.patch_namespaced_secret(
            secret, self.namespace, {"stringData": {"keys": keys}}, _request_timeout=_SECONDS
        )

    def get(self, path: str) -> Any:
        """The API's answer, which must be a good one."""
        with self.web("api") as api:
            answer = api.get(path)
        assert answer.status_code == 200, f"{path}: {answer.status_code} {answer.text[:500]}"
        return answer.json()

    def rows(self, table: str, columns: list[str], where: ds.Expression | None = None) -> list[dict[str, Any]]:
        """Rows of a Delta table at its newest version, read from the store itself."""
        with self._store() as settings:
            folder = settings.table_folder(table)
            opened = DeltaTable(str(folder), storage_options=delta_options(folder))
            # Not filtered while it is read: a file without statistics of a column would count as one without rows.
            found = opened.to_pyarrow_table()
        if where is not None:
            found = found.filter(where)
        return list(found.select(columns).to_pylist())

    def files(self, table: str) -> int:
        """How many files a Delta table's newest version has."""
        with self._store() as settings:
            folder = settings.table_folder(table)
            return len(DeltaTable(str(folder), storage_options=delta_options(folder)).file_uris())

    def reports(self) -> set[str]:
        """Names of the evaluations that the store has."""
        with self._store() as settings:
            return {one.name for one in (settings.models_path / "evaluations").iterdir()}

    def champion(self) -> str | None:
        """The version that the store names as the served one."""
        with self._store() as settings:
            return champion(settings.models_path, Model.RECOMMENDER)

    def silver_ids(self, *sources: str) -> list[str]:
        """Ids of the events of some sources in silver, as often as they are there."""
        found = self.rows(Table.SILVER_EVENTS, ["event_id"], ds.field("source").isin(list(sources)))
        return [row["event_id"] for row in found]

    def wait(self, what: str, holds: Callable[[], bool], seconds: float = PATIENCE) -> float:
        """Until it holds; the seconds that it took. Errors of the way there count as `not yet`."""
        began = time.monotonic()
        trouble = ""
        while True:
            try:
                if holds():
                    return time.monotonic() - began
            except Exception as error:  # noqa: BLE001 - what is being killed may fail in any way; the last is told
                trouble = f"{type(error).__name__}: {error}"
            if time.monotonic() - began > seconds:
                raise AssertionError(f"waited {seconds:.0f} s for {what}. {trouble[:500]}\n{self.describe()}")
            time.sleep(2)

    def describe(self) -> str:
        """What to look at when a test has failed: pods, applications, and the newest warnings."""
        what = (("get", "pods,sparkapplications", "-o", "wide"), ("get", "events", "--field-selector=type=Warning"))
        return "\n".join(self._kubectl(*one).stdout[-3000:] for one in what)

    def environment(self, kind: str, name: str) -> dict[str, str]:
        """Variables of a SparkApplication's driver (or of a schedule's), secrets too."""
        group, version = "sparkoperator.k8s.io", "v1beta2"
        found: Any = self._custom.get_namespaced_custom_object(
            group, version, self.namespace, kind, f"{self.release}-{name}", _request_timeout=_SECONDS
        )
        spec = found["spec"].get("template", found["spec"])
        return {one["name"]: self._value(one) for one in spec["driver"]["env"]}

    def _value(self, variable: dict[str, Any]) -> str:
        if "valueFrom" not in variable:
            return str(variable.get("value", ""))
        held = variable["valueFrom"]["secretKeyRef"]
        return self._secret(held["name"], held["key"])

    def _secret(self, name: str, key: str) -> str:
        secret = self._plain(self.core.read_namespaced_secret(name, self.namespace, _request_timeout=_SECONDS))
        return base64.b64decode(secret["data"][key]).decode()

    @contextmanager
    def _store(self) -> Iterator[Settings]:
        """Settings that lead to the store, as the trainer's user, who reads tables and models."""
        told = self.environment("scheduledsparkapplications", "train-recommender")
        names = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
        before = {name: os.environ.get(name) for name in names}
        os.environ.update({name: told[name] for name in names if name in told})
        endpoint = told.get("SARAN_S3__ENDPOINT", "")
        try:
            with self._reachable(endpoint) as reached:
                s3 = S3(
                    endpoint=reached,
                    region=told.get("SARAN_S3__REGION", "us-east-1"),
                    path_style=told.get("SARAN_S3__PATH_STYLE", "true") == "true",
                    bucket_prefix=told.get("SARAN_S3__BUCKET_PREFIX", ""),
                )
                yield Settings(mode="cluster", storage="s3://", s3=s3)
        finally:
            for name, value in before.items():
                if value is None:
                    os.environ.pop(name, None)
                else:
                    os.environ[name] = value

    @contextmanager
    def _reachable(self, endpoint: str) -> Iterator[str]:
        """An endpoint's address from here: a Service of the cluster is forwarded to a port of this machine."""
        service = re.fullmatch(r"(https?)://([\w-]+)\.([\w-]+)\.svc(?:\.[\w.]+)?(?::(\d+))?", endpoint)
        if service is None:
            yield endpoint
            return
        scheme, name, namespace, port = service.groups()
        with self.forward(f"svc/{name}", int(port or {"http": 80, "https": 443}[scheme]), namespace) as local:
            if scheme == "http":
                yield f"http://127.0.0.1:{local}"
                return
            with plain(local, urlsplit(endpoint).hostname or "", self._store_authority()) as open_port:
                yield f"http://127.0.0.1:{open_port}"

    def _store_authority(self) -> str:
        """The PEM that our parts trust when they talk to the store."""
        (api, *_) = self.pods(self.ours("api"))
        (volume,) = [one for one in api["spec"]["volumes"] if one["name"] == "store-authority"]
        name = volume["configMap"]["name"]
        found = self._plain(self.core.read_namespaced_config_map(name, self.namespace, _request_timeout=_SECONDS))
        return str(found["data"]["ca.crt"])

    @contextmanager
    def forward(self, to: str, port: int, namespace: str = "") -> Iterator[int]:
        """A port of this machine that leads to a Service or a pod, ours unless another namespace is named."""
        command = ["kubectl", "-n", namespace or self.namespace, "port-forward", "--address=127.0.0.1", to, f":{port}"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
            try:
                assert process.stdout is not None
                line = process.stdout.readline()
                found = _FORWARDING.search(line)
                if found is None:
                    raise AssertionError(f"{' '.join(command)}: {line.strip()}")
                yield int(found[1])
            finally:
                process.terminate()

    def _kubectl(self, *arguments: str, seconds: float = 60) -> subprocess.CompletedProcess[str]:
        command = ["kubectl", "-n", self.namespace, *arguments]
        return subprocess.run(command, capture_output=True, text=True, timeout=seconds, check=False)


def is_ready(pod: Pod) -> bool:
    """Whether a pod's containers are ready."""
    conditions = pod.get("status", {}).get("conditions") or []
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)


def last_json(text: str) -> dict[str, Any] | None:
    """The last line of a log that is a JSON object."""
    for line in reversed(text.splitlines()):
        if line.startswith("{"):
            return dict(json.loads(line))
    return None
