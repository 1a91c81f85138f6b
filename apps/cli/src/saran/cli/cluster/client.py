"""One namespace of a cluster, as the commands see it: every call has a time-out, every failure says what to do.

Resources are dicts in the API's own spelling.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from kubernetes import client, config
from kubernetes.client.exceptions import ApiException
from kubernetes.config import ConfigException
from urllib3 import Retry
from urllib3.exceptions import HTTPError

from saran.core.errors import SaranError

GROUP: Final = "sparkoperator.k8s.io"
VERSION: Final = "v1beta2"
APPLICATIONS: Final = "sparkapplications"
SCHEDULES: Final = "scheduledsparkapplications"

_SECONDS: Final = (5.0, 30.0)
"""To connect, and until the answer is there."""

_POD_NAMESPACE: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
_NOT_FOUND: Final = 404
_FIXES: Final = {
    401: "log in to the cluster again; `kubectl auth whoami` must answer",
    403: "ask for the right to do this in the namespace (`kubectl auth can-i --list -n NAMESPACE` shows yours)",
}

Resource = dict[str, Any]


class Unreachable(SaranError):
    """The API server does not answer. It may again."""


class Absent(SaranError):
    """There is no such resource, or no such kind of resource."""


class Cluster:
    """One namespace. Methods raise Unreachable, and SaranError where the API server refuses."""

    def __init__(self, api: client.ApiClient, namespace: str) -> None:
        self.namespace = namespace
        self._api = api
        self._custom = client.CustomObjectsApi(api)
        self._core = client.CoreV1Api(api)

    def resources(self, plural: str, labels: str = "") -> list[Resource]:
        """The Spark operator's resources of a kind that have the labels (`name=value,…`)."""
        with self._asking(f"list {plural}"):
            found: Any = self._custom.list_namespaced_custom_object(
                GROUP, VERSION, self.namespace, plural, label_selector=labels, _request_timeout=_SECONDS
            )
        return list(found["items"])

    def create(self, application: Resource) -> Resource:
        """The SparkApplication as the API server made it, with its name."""
        with self._asking("create a SparkApplication"):
            made: Any = self._custom.create_namespaced_custom_object(
                GROUP, VERSION, self.namespace, APPLICATIONS, application, _request_timeout=_SECONDS
            )
        return dict(made)

    def application(self, name: str) -> Resource | None:
        """A SparkApplication; None when there is none of that name."""
        with suppress(Absent), self._asking(f"read the SparkApplication {name}"):
            found: Any = self._custom.get_namespaced_custom_object(
                GROUP, VERSION, self.namespace, APPLICATIONS, name, _request_timeout=_SECONDS
            )
            return dict(found)
        return None

    def delete(self, name: str) -> None:
        """Delete a SparkApplication and its pods; nothing when it is gone already."""
        with suppress(Absent), self._asking(f"delete the SparkApplication {name}"):
            self._custom.delete_namespaced_custom_object(
                GROUP, VERSION, self.namespace, APPLICATIONS, name, _request_timeout=_SECONDS
            )

    def pod(self, name: str) -> Resource | None:
        """A pod; None when there is none of that name."""
        with suppress(Absent), self._asking(f"read the pod {name}"):
            found = self._core.read_namespaced_pod(name, self.namespace, _request_timeout=_SECONDS)
            return dict(self._api.sanitize_for_serialization(found))
        return None

    def log(self, pod: str, container: str, since_seconds: int | None) -> str:
        """What a container has written, of the last seconds only if given; each line begins with its time."""
        with self._asking(f"read the log of {pod}"):
            # As it came: the client would fail at bytes that are no text.
            answer: Any = self._core.read_namespaced_pod_log(
                pod,
                self.namespace,
                container=container,
                timestamps=True,
                since_seconds=since_seconds,
                _preload_content=False,
                _request_timeout=_SECONDS,
            )
            return str(answer.data.decode(errors="replace"))

    def warnings(self, name: str) -> list[str]:
        """Messages of the warning events about the resource of that name, oldest first."""
        with self._asking("list events"):
            found = self._core.list_namespaced_event(
                self.namespace, field_selector=f"type=Warning,involvedObject.name={name}", _request_timeout=_SECONDS
            )
            events: list[Resource] = self._api.sanitize_for_serialization(found)["items"]
        events.sort(key=lambda event: event.get("lastTimestamp") or event.get("eventTime") or "")
        return [event.get("message") or event.get("reason") or "" for event in events]

    @contextmanager
    def _asking(self, what: str) -> Iterator[None]:
        """Turn the client's errors into ours."""
        try:
            yield
        except ApiException as error:
            if error.status == _NOT_FOUND:
                raise Absent(
                    f"the cluster cannot {what}: there is no such resource",
                    fix="install the Spark operator (`make kind-up`, or charts/saran-operators)",
                ) from error
            words = f"the API server refuses to {what} in {self.namespace}: {_said(error)}"
            raise SaranError(words, fix=_FIXES.get(error.status or 0)) from error
        except (HTTPError, OSError) as error:
            raise Unreachable(
                f"the API server at {self._api.configuration.host} does not answer: {error}",
                fix="see that `kubectl cluster-info` answers, and that KUBECONFIG names the cluster that you mean",
            ) from error


def connect(namespace: str | None = None) -> Cluster:
    """The cluster that the kubeconfig names, else the one that this process runs in.

    `namespace` is the context's, or the pod's, when it is not given. Raises SaranError when no cluster is named.
    """
    configuration = client.Configuration()
    try:
        config.load_kube_config(client_configuration=configuration)
        _, context = config.list_kube_config_contexts()
        own = str(context["context"].get("namespace") or "default")
    except ConfigException:
        try:
            config.load_incluster_config(client_configuration=configuration)
            own = _POD_NAMESPACE.read_text().strip()
        except ConfigException as error:
            raise SaranError(
                "no kubeconfig names a cluster, and this is no pod of one",
                fix="set KUBECONFIG, or make a cluster with `make kind-up`",
            ) from error
    configuration.retries = Retry(total=2, read=0, backoff_factor=0.2)
    return Cluster(client.ApiClient(configuration), namespace or own)


def _said(error: ApiException) -> str:
    """The server's own words."""
    body: Any = error.body
    try:
        return str(json.loads(body)["message"])
    except (TypeError, ValueError, KeyError):
        return str(error.reason)
