"""Preflight of a cluster on this machine: programs, Docker, inotify, ports, and what will be fetched."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
from pathlib import Path

from scripts.cluster.tools import ROOT
from scripts.preflight import Report, answer

NEEDED = {
    "docker": ((20, 10), "https://docs.docker.com/engine/install"),
    "kind": ((0, 30), "https://kind.sigs.k8s.io, or `go install sigs.k8s.io/kind@v0.30.0`"),
    "kubectl": ((1, 31), "https://kubernetes.io/docs/tasks/tools"),
    "helm": ((3, 18), "https://helm.sh/docs/intro/install"),
}
_ASKS = {
    "docker": ["docker", "version", "--format", "{{.Client.Version}}"],
    "kind": ["kind", "version"],
    "kubectl": ["kubectl", "version", "--client"],
    "helm": ["helm", "version", "--short"],
}
_INSPECT = ["docker", "image", "inspect", "--format", "x"]
CORES = 2
MEMORY_GB = 7.5
"""The minimal profile wants 8 GiB; a virtual machine of 8 GiB shows a little less."""
DISK_GB = 20
INOTIFY = {"max_user_watches": (65_536, 524_288), "max_user_instances": (128, 512)}
"""Fewest that one node works with, and what kind recommends."""

IMAGES_GB = {
    "api": (0.2, 0.49),
    "dashboard": (0.2, 0.47),
    "mlflow": (0.3, 0.72),
    "producer": (0.2, 0.52),
    "spark": (0.8, 1.52),
}
"""For each of our images, about what is fetched and what it takes on disk."""
OTHERS_GB = (1.8, 4.5)
"""Node, operators, Kafka, MinIO and PostgreSQL, likewise."""
BUILD_MINUTES = {"api": 2, "dashboard": 2, "mlflow": 2, "producer": 2, "spark": 4}
"""On two cores with a fast line."""


def check(report: Report, *, cluster: str, operators: bool, images: list[str], ports: list[int]) -> None:
    """Print each finding. `images` are those to be built, `ports` those that kind will bind; both may be none."""
    wanted = [name for name in NEEDED if name != "helm" or operators]
    for name in wanted:
        check_program(report, name)
    if shutil.which("docker"):
        check_docker(report)
    check_inotify(report)
    check_ports(report, ports, cluster)
    say_fetches(report, images, new=bool(ports))


def check_program(report: Report, name: str) -> None:
    least, where = NEEDED[name]
    wanted = ".".join(str(part) for part in least)
    if shutil.which(name) is None:
        report.bad(f"no {name} in PATH", f"install {name} {wanted} or later: {where}")
        return
    found = version(answer(_ASKS[name]))
    if found is None:
        report.bad(f"{name} does not tell its version", f"install {name} {wanted} or later: {where}")
    elif found < least:
        report.bad(f"{name} is {found[0]}.{found[1]}", f"install {wanted} or later: {where}")
    else:
        report.good(f"{name} {found[0]}.{found[1]}")


def version(text: str) -> tuple[int, int] | None:
    """The first two numbers of the first version in a program's words."""
    found = re.search(r"(?<![\d.])v?(\d+)\.(\d+)(?:\.\d+)?", text)
    return (int(found.group(1)), int(found.group(2))) if found else None


def check_docker(report: Report) -> None:
    told = answer(["docker", "info", "--format", "{{json .}}"])
    try:
        about = json.loads(told[told.index("{") :])
        memory, cores, root = about["MemTotal"] / 1e9, int(about["NCPU"]), Path(about["DockerRootDir"])
    except (ValueError, KeyError):
        report.bad("Docker's server does not answer", "start Docker, and let your user ask it: `docker info` must work")
        return
    if memory < MEMORY_GB or cores < CORES:
        report.bad(
            f"Docker has {memory:.1f} GB of memory and {cores} cores; the minimal profile takes 8 GiB and {CORES}",
            "give it more: Docker Desktop, Settings, Resources; elsewhere a larger machine",
        )
    else:
        report.good(f"Docker has {memory:.1f} GB of memory and {cores} cores")
    if not root.exists():
        report.note(f"Docker's disk is in its own machine: see that {DISK_GB} GB are free there (docker system df)")
        return
    free = shutil.disk_usage(str(root)).free / 1e9
    if free < DISK_GB:
        report.bad(
            f"{free:.0f} GB free at {root}, where Docker keeps images; {DISK_GB} GB are needed",
            "free some: `docker system prune`, or move Docker's data-root",
        )
    else:
        report.good(f"disk: {free:.0f} GB free at {root}")


def check_inotify(report: Report) -> None:
    """Nodes and the pods in them share the machine's limits. Only Linux has them in reach."""
    for name, (least, good) in INOTIFY.items():
        try:
            limit = int(Path(f"/proc/sys/fs/inotify/{name}").read_text())
        except (OSError, ValueError):
            continue
        fix = f"sudo sysctl fs.inotify.{name}={good}"
        if limit < least:
            report.bad(f"fs.inotify.{name} is {limit}: pods end with `too many open files`", fix)
        elif limit < good:
            report.note(f"fs.inotify.{name} is {limit}, kind recommends {good}: {fix}")
        else:
            report.good(f"fs.inotify.{name} is {limit}")


def host_ports(config: Path) -> list[int]:
    """Ports that a kind configuration takes on this machine."""
    return [int(port) for port in re.findall(r"\bhostPort:\s*(\d+)", config.read_text(encoding="utf-8"))]


def check_ports(report: Report, ports: list[int], cluster: str) -> None:
    if not ports:
        report.good(f"the cluster {cluster} is there already")
        return
    taken = []
    for port in ports:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                taken.append(str(port))
    if taken:
        report.bad(
            f"ports in use: {', '.join(taken)}",
            "stop what uses them (lsof -i :PORT names it), or change hostPort in a copy of k8s/kind-config.yaml and "
            "name it by KIND_CONFIG=",
        )
    else:
        report.good(f"ports {', '.join(str(port) for port in ports)} are free")


def say_fetches(report: Report, images: list[str], *, new: bool) -> None:
    """How large and how long it will be."""
    fetched = sum(IMAGES_GB[name][0] for name in images) + (OTHERS_GB[0] if new else 0)
    kept = sum(IMAGES_GB[name][1] for name in images) + (OTHERS_GB[1] if new else 0)
    if not fetched:
        report.good("nothing to fetch or build")
        return
    minutes = sum(BUILD_MINUTES[name] for name in images)
    built = f"; {len(images)} images to build, about {minutes} minutes on 2 cores" if images else ""
    report.note(f"to fetch about {fetched:.1f} GB, which take about {kept:.1f} GB of disk{built}")


def images_absent(names: list[str], tag: str) -> list[str]:
    """Those of our images that Docker does not have."""
    if os.environ.get("IMAGES") == "no":
        return []
    return [name for name in names if not answer([*_INSPECT, f"saran/{name}:{tag}"])]


def config_path() -> Path:
    """The kind configuration: KIND_CONFIG, or that of the checkout."""
    return Path(os.environ.get("KIND_CONFIG") or ROOT / "k8s" / "kind-config.yaml")
