"""`make kind-up`, `kind-down` and `purge` with programs that write down how they are called, and answer from files."""

from __future__ import annotations

import io
import json
import socket
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest
import yaml
from scripts.cluster.check import host_ports, version
from scripts.cluster.kind import definitions

from saran.core.settings import CHECKOUT

PROGRAM = """#!/bin/sh
echo "${0##*/} $*" >> "$CALLS"
case "${0##*/} $*" in
    "docker version"*) echo 28.2.1 ;;
    "docker info"*) echo '{"MemTotal": 16000000000, "NCPU": 4, "DockerRootDir": "/nowhere"}' ;;
    "docker image"*) [ -z "${NO_IMAGES:-}" ] && echo x ;;
    "kind version") echo "kind ${KIND_VERSION:-v0.30.0} go1.25" ;;
    "kind get clusters") [ ! -f "$STATE/clusters" ] || cat "$STATE/clusters" ;;
    "kind create"*) echo saran > "$STATE/clusters" ;;
    "kind delete"*) rm "$STATE/clusters" ;;
    "kubectl version"*) printf 'Client Version: v1.34.4\\nKustomize Version: v5.7.1\\n' ;;
    "kubectl "*"get namespaces"*) cat "$STATE/namespaces" 2> /dev/null || echo '{"items": []}' ;;
    "kubectl "*"get "*)
        kind=${*#*get } && kind=${kind%% *}
        cat "$STATE/$kind" 2> /dev/null || echo '{"items": []}' ;;
    "kubectl delete namespace"*) ;;
    "kubectl delete "*)
        for kind in $(echo "$2" | tr , ' '); do [ -n "${STUCK:-}" ] || rm -f "$STATE/$kind"; done ;;
    "helm version"*) echo v3.18.4+gd80839c ;;
esac
"""


class Machine:
    """A machine with programs that only write down."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.bin = folder / "bin"
        self.bin.mkdir()
        (folder / "state").mkdir()
        for name in ("docker", "kind", "kubectl", "helm", "make"):
            path = self.bin / name
            path.write_text(PROGRAM)
            path.chmod(0o755)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        (folder / "kind.yaml").write_text(f"extraPortMappings: [{{containerPort: 30080, hostPort: {self.port}}}]\n")

    def holds(self, kind: str, *names: str) -> None:
        """Resources that the cluster has."""
        items = [{"kind": kind, "metadata": {"name": name}} for name in names]
        (self.folder / "state" / kind).write_text(json.dumps({"items": items}))

    def run(self, what: str, **variables: str) -> subprocess.CompletedProcess[str]:
        environment = {
            "PATH": f"{self.bin}:/usr/bin:/bin",
            "HOME": str(self.folder),
            "CALLS": str(self.folder / "calls"),
            "STATE": str(self.folder / "state"),
            "KIND_CONFIG": str(self.folder / "kind.yaml"),
        }
        return subprocess.run(
            [sys.executable, "-m", "scripts.cluster", what],
            cwd=CHECKOUT,
            env={**environment, **variables},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def calls(self, *programs: str) -> list[str]:
        """What changed something, in order."""
        path = self.folder / "calls"
        lines = path.read_text().splitlines() if path.exists() else []
        asking = (" version", " get ", " info", " image inspect", " show ", "export")
        return [line for line in lines if line.split()[0] in programs and not any(word in line for word in asking)]


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_a_cluster_is_made_once_and_what_is_there_is_left(machine: Machine) -> None:
    done = machine.run("up", OPERATORS="no")
    assert done.returncode == 0, done.stdout + done.stderr
    created, load = machine.calls("kind")
    assert created == f"kind create cluster --name saran --config {machine.folder / 'kind.yaml'} --wait 300s"
    names = " ".join(f"saran/{name}:0.1.0" for name in ("api", "dashboard", "mlflow", "producer", "spark"))
    assert load == f"kind load docker-image --name saran {names}"
    assert machine.calls("make") == ["make --no-print-directory images"]
    assert machine.calls("helm") == []
    assert "waiting for the nodes to be Ready" in done.stdout

    again = machine.run("up", OPERATORS="no", IMAGES="no")
    assert again.returncode == 0, again.stderr
    assert len(machine.calls("kind")) == 2
    assert "the kind cluster saran is there already" in again.stdout


def test_definitions_come_before_the_operators_and_those_left_out_do_not_come(machine: Machine) -> None:
    charts = CHECKOUT / "charts/saran-operators/charts"
    there = bool(list(charts.glob("*.tgz")))
    done = machine.run("up", IMAGES="no", WITHOUT="traefik minio-operator")
    assert done.returncode == 0, done.stdout + done.stderr
    assert (f"helm dependency update {charts.parent}" in machine.calls("helm")) is not there
    installed = machine.calls("helm")[-1]
    assert installed.startswith(f"helm upgrade --install operators {charts.parent} --kube-context kind-saran ")
    assert "--wait" in installed
    assert installed.endswith("--set traefik.enabled=false --set minio-operator.enabled=false")
    assert machine.calls("kubectl")[-1].startswith("kubectl --context kind-saran create --dry-run=server")


def test_each_definition_of_a_chart_is_one(tmp_path: Path) -> None:
    files = {"one/crds/a.yaml": "kind: A", "one/charts/b/crds/b.yaml": "kind: B\n", "one/templates/c.yaml": "kind: C"}
    with tarfile.open(tmp_path / "one-1.tgz", "w:gz") as archive:
        for name, text in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(text)
            archive.addfile(member, io.BytesIO(text.encode()))
    assert [each["kind"] for each in yaml.safe_load_all(definitions(tmp_path / "one-1.tgz"))] == ["A", "B"]


def test_a_clusters_deletion_takes_only_the_cluster(machine: Machine) -> None:
    assert "there is no kind cluster saran" in machine.run("down").stdout
    machine.run("up", OPERATORS="no", IMAGES="no")
    assert machine.run("down").returncode == 0
    assert machine.calls("kind", "helm", "kubectl", "docker")[-1] == "kind delete cluster --name saran"
    assert len(machine.calls("kind")) == 2


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"KIND_VERSION": "v0.29.0"}, ("NO kind is 0.29", "install 0.30 or later")),
        ({"NO_IMAGES": "1"}, ("5 images to build, about ",)),
    ],
)
def test_preflight_names_what_is_missing_and_how_long_it_takes(
    machine: Machine, variables: dict[str, str], words: tuple[str, ...]
) -> None:
    done = machine.run("preflight", **variables)
    assert done.returncode == int("KIND_VERSION" in variables), done.stdout
    for each in (*words, "Docker has 16.0 GB of memory and 4 cores", "to fetch about "):
        assert each in done.stdout
    assert machine.calls("kind", "helm", "kubectl") == []


def test_a_port_in_use_stops_it_before_anything_is_made(machine: Machine) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", machine.port))
        taken.listen()
        done = machine.run("up")
    assert done.returncode == 1
    assert f"NO ports in use: {machine.port}" in done.stdout
    assert machine.calls("kind", "helm", "kubectl", "make") == []


def test_a_missing_program_is_named(machine: Machine) -> None:
    (machine.bin / "kind").unlink()
    done = machine.run("preflight")
    assert "NO no kind in PATH" in done.stdout
    assert done.returncode == 1


def everything(machine: Machine) -> None:
    machine.holds("namespaces", "shop")
    for kind in ("kafkas", "kafkanodepools", "kafkatopics", "kafkausers", "tenants.minio.min.io", "secrets"):
        machine.holds(kind, "shop-one")
    for kind in ("sparkapplications", "scheduledsparkapplications", "persistentvolumeclaims"):
        machine.holds(kind, "shop-one")


def test_purge_deletes_in_the_order_in_which_operators_let_go(machine: Machine) -> None:
    everything(machine)
    done = machine.run("purge", YES="1")
    assert done.returncode == 0, done.stdout + done.stderr
    order: list[Any] = [line.split()[2] for line in machine.calls("kubectl") if line.startswith("kubectl delete")]
    assert order == [
        "scheduledsparkapplications,sparkapplications",
        "kafkatopics,kafkausers",
        "kafkas,kafkanodepools",
        "tenants.minio.min.io",
        "persistentvolumeclaims",
        "secrets",
        "namespace",
    ]
    assert machine.calls("helm", "kubectl")[0].startswith("helm uninstall shop -n shop")


def test_purge_asks_and_touches_nobody_elses_namespace(machine: Machine) -> None:
    everything(machine)
    unasked = machine.run("purge")
    assert unasked.returncode == 1
    assert "YES=1" in unasked.stderr
    for path in (machine.folder / "state").iterdir():
        if path.name != "namespaces":
            path.unlink()
    foreign = machine.run("purge", YES="1")
    assert foreign.returncode == 1
    assert "nothing in shop is Saran's" in foreign.stderr
    assert [line for line in machine.calls("helm", "kubectl") if "delete" in line or "uninstall" in line] == []


def test_versions_and_ports_are_read() -> None:
    assert version("kind v0.30.0 go1.25.4 linux/amd64") == (0, 30)
    assert version("Client Version: v1.34.4\nKustomize Version: v5.7.1") == (1, 34)
    assert version("v4.3.1+gabcdef") == (4, 3)
    assert version("") is None
    for config in ("kind-config", "kind-two-nodes"):
        assert host_ports(CHECKOUT / "k8s" / f"{config}.yaml") == [8080, 8443]
