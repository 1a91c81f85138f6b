"""Writes what is made from the charts: READMEs, dashboards, k8s/spark/*.yaml, and renderings that tests compare with.

    python -m charts.render [--check]
    python -m charts.render JOB|streams --release NAME [-f VALUES.yaml …]    prints a SparkApplication to create

`--check` writes nothing, names the files that differ, and exits with 1. Needs `helm`.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterable, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any, Final

import yaml
from charts.boards import BOARDS
from charts.budget import NODE, Request, mebibytes, millicores, requests, total

CHARTS: Final = Path(__file__).resolve().parent
ROOT: Final = CHARTS.parent
CHART: Final = CHARTS / "saran"
OPERATORS: Final = CHARTS / "saran-operators"
GOLDEN: Final = CHARTS / "tests" / "golden"
RELEASE: Final = "shop"
SECONDS: Final = 60
KUBERNETES: Final = "1.34.4"
"""Version that charts are rendered for: without a cluster, a program `helm` takes the one that it was built with."""
_LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""The one in C is ten times as fast."""

VARIANTS: Final = {
    path.stem: path for path in (*sorted(CHART.glob("examples/*.yaml")), CHART / "profiles/production.yaml")
}
"""Values files whose renderings are kept, by name."""

TRAININGS: Final[dict[str, str]] = yaml.safe_load((CHART / "files/trainings.yaml").read_text())
"""Each model with a training job, and the part of the values that it takes."""

OTHER_JOBS: Final[dict[str, str]] = {
    job: needs["values"] for job, needs in yaml.safe_load((CHART / "files/jobs.yaml").read_text()).items()
}
"""Each job beside trainings, likewise."""

_HEADER: Final = "# Made by `python -m charts.render` from the chart saran{values}: change that, not this.\n"
_KEY: Final = re.compile(r"^(?P<indent> *)(?P<key>[A-Za-z][\w-]*):")
_COMMENT: Final = "# -- "


class NoHelm(RuntimeError):
    """There is no program `helm`."""


@cache
def helm_template(release: str = RELEASE, values: tuple[Path, ...] = (), sets: tuple[str, ...] = ()) -> str:
    """The chart's rendering. Raises NoHelm, and subprocess.CalledProcessError with Helm's own words on stderr."""
    if (helm := shutil.which("helm")) is None:
        raise NoHelm("no helm in PATH: install Helm 3.18 or later (https://helm.sh)")
    options = [part for path in values for part in ("--values", str(path))]
    options += [part for one in sets for part in ("--set", one)]
    command = [helm, "template", release, str(CHART), "--namespace", release, "--kube-version", KUBERNETES, *options]
    rendered = subprocess.run(command, check=True, capture_output=True, text=True, timeout=SECONDS).stdout
    # Helm 4 leaves more empty lines at the ends of documents than Helm 3.
    return re.sub(r"\s*\n---", "\n---", rendered).rstrip() + "\n"


def documents(text: str) -> list[dict[str, Any]]:
    """The resources of a rendering, those of `helm test` included."""
    return [found for found in yaml.load_all(text, Loader=_LOADER) if found]


def one(kind: str, name: str, found: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """The resource of that kind and name. Raises StopIteration when there is none."""
    return next(each for each in found if each["kind"] == kind and each["metadata"]["name"] == name)


def training(release: str, values: tuple[Path, ...] = (), *, model: str = "recommender") -> dict[str, Any]:
    """A SparkApplication that trains a model once, as the schedule of the release would."""
    return _once(release, values, job=f"train-{model}", part=TRAININGS[model])


def _once(release: str, values: tuple[Path, ...], *, job: str, part: str) -> dict[str, Any]:
    name = f"{release}-{job}"
    rendered = helm_template(release, values, (f"{part}.enabled=true",))
    scheduled = one("ScheduledSparkApplication", name, documents(rendered))
    return {
        "apiVersion": scheduled["apiVersion"],
        "kind": "SparkApplication",
        "metadata": {"generateName": f"{name}-", "labels": _labels(scheduled)},
        "spec": scheduled["spec"]["template"],
    }


def streams(release: str, values: tuple[Path, ...] = ()) -> dict[str, Any]:
    """The stream driver's SparkApplication, for an installation with `streams.enabled=false`."""
    application = one("SparkApplication", f"{release}-streams", documents(helm_template(release, values)))
    metadata = {"name": application["metadata"]["name"], "labels": _labels(application)}
    return {**application, "metadata": metadata}


JOBS: Final[dict[str, Callable[[str, tuple[Path, ...]], dict[str, Any]]]] = {
    "streams": streams,
    **{f"train-{model}": partial(training, model=model) for model in TRAININGS},
    **{job: partial(_once, job=job, part=part) for job, part in OTHER_JOBS.items()},
}
"""SparkApplications to create by hand, by name."""


def _labels(resource: dict[str, Any]) -> dict[str, str]:
    """Without those that say that Helm looks after it."""
    labels = resource["metadata"]["labels"]
    return {
        name: value for name, value in labels.items() if name not in {"app.kubernetes.io/managed-by", "helm.sh/chart"}
    }


def golden(name: str) -> str:
    """A variant's rendering as it is kept; without the dashboards, which are files of their own."""
    return _HEADER.format(values=f" with {VARIANTS[name].relative_to(CHART)}") + helm_template(
        values=(VARIANTS[name],), sets=("monitoring.dashboards=false",)
    )


def manifest(make: Callable[[str, tuple[Path, ...]], dict[str, Any]]) -> str:
    """A manifest to apply by hand: release `shop` with the example of Retail Rocket."""
    values = (VARIANTS["retailrocket"],)
    text = yaml.safe_dump(make(RELEASE, values), sort_keys=False, width=118)
    return _HEADER.format(values=" with examples/retailrocket.yaml") + text


def readme(chart: Path) -> str:
    """Name, description and table of values of a chart; and of the platform's, what it requests."""
    about = yaml.safe_load((chart / "Chart.yaml").read_text())
    parts = [f"# {about['name']}\n\n{about['description']}.\n"]
    parts += [
        f"- `{each['name']}` {each['version']} from {each['repository']}\n" for each in about.get("dependencies", [])
    ]
    if chart == CHART:
        parts += ["\nHow to use it: [docs/kubernetes.md](../../docs/kubernetes.md).\n", _budget_table()]
    parts.append(
        f"\n## Values\n\n| key | default | what it is |\n|---|---|---|\n{_values_table(chart / 'values.yaml')}"
    )
    return "".join(parts)


def described(path: Path) -> dict[str, str]:
    """Dotted key → its comment (`# -- …` above it), in the file's order."""
    found: dict[str, str] = {}
    above: list[tuple[int, str]] = []
    comment = ""
    for line in path.read_text().splitlines():
        if line.strip().startswith(_COMMENT):
            comment = line.strip().removeprefix(_COMMENT)
        elif match := _KEY.match(line):
            indent = len(match["indent"])
            above = [each for each in above if each[0] < indent] + [(indent, match["key"])]
            if comment:
                found[".".join(key for _, key in above)] = comment
            comment = ""
    return found


def minimal_budget() -> tuple[list[Request], list[Request], list[Request]]:
    """What the node, the operators and the platform request in the minimal profile."""
    return [Request(*row) for row in NODE], operator_requests(), requests(documents(helm_template()))


def operator_requests() -> list[Request]:
    """Requests in the values of charts/saran-operators."""
    rows = []

    def look(name: str, value: Any) -> None:
        if not isinstance(value, dict):
            return
        asked = value.get("resources", {}).get("requests")
        if asked:
            rows.append(Request(name, millicores(asked["cpu"]), mebibytes(asked["memory"])))
        for key, inner in value.items():
            look(f"{name} {key}".strip(), inner)

    look("", yaml.safe_load((OPERATORS / "values.yaml").read_text()))
    return rows


def _budget_table() -> str:
    lines = ["\n## What the minimal profile requests\n\n| pods of | cpu | memory |\n|---|---|---|\n"]
    for title, rows in zip(("the node itself", "the operators", "the platform"), minimal_budget(), strict=True):
        for row in rows:
            brief = ", while it runs" if row.brief else ""
            lines.append(f"| {row.name}{brief} | {row.millicores}m | {row.mebibytes} Mi |\n")
        cpu, memory = total(rows)
        lines.append(f"| **{title}** | **{cpu}m** | **{memory} Mi** |\n")
    cpu, memory = total(row for rows in minimal_budget() for row in rows)
    lines.append(f"| **all at once** | **{cpu}m** | **{memory} Mi** |\n")
    return "".join(lines)


def _values_table(path: Path) -> str:
    values = yaml.safe_load(path.read_text())
    lines = []
    for key, comment in described(path).items():
        value = values
        for part in key.split("."):
            value = value[part]
        default = (
            yaml.safe_dump(value, default_flow_style=True, width=10**6, sort_keys=False).removesuffix("...\n").strip()
        )
        lines.append(f"| `{key}` | `{default}` | {comment} |\n".replace("…|", "…\\|"))
    return "".join(lines)


def board(name: str) -> str:
    """A dashboard of `charts.boards`."""
    with warnings.catch_warnings():
        # They point to the resources of newer Grafanas, which older ones and the sidecar do not take.
        warnings.filterwarnings("ignore", "Prefer using dashboardv2", DeprecationWarning)
        # Not above: who only wants a manifest need not have Grafana's builders.
        from charts.dashboards import text  # noqa: PLC0415

    return text(name)


def generators() -> dict[Path, Callable[[], str]]:
    """Path of each file that is made, and what gives its text."""
    made: dict[Path, Callable[[], str]] = {
        CHART / "README.md": lambda: readme(CHART),
        OPERATORS / "README.md": lambda: readme(OPERATORS),
        **{ROOT / f"k8s/spark/{job}.yaml": partial(manifest, make) for job, make in JOBS.items()},
    }
    for name in BOARDS:
        made[CHART / f"files/dashboards/{name}.json"] = lambda name=name: board(name)  # type: ignore[misc]
    for name in VARIANTS:
        made[GOLDEN / f"{name}.yaml"] = lambda name=name: golden(name)  # type: ignore[misc]
    return made


def drifted() -> list[Path]:
    """Made files that are not as the charts say. Raises NoHelm."""
    return [path for path, make in generators().items() if not path.exists() or path.read_text() != make()]


def _write() -> None:
    for path in drifted():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(generators()[path]())
        sys.stdout.write(f"wrote {path.relative_to(ROOT)}\n")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("what", nargs="?", choices=sorted(JOBS))
    parser.add_argument("--release", default=RELEASE)
    parser.add_argument("-f", "--values", type=Path, action="append", default=[])
    given = parser.parse_args(arguments)
    try:
        if given.what:
            sys.stdout.write(yaml.safe_dump(JOBS[given.what](given.release, tuple(given.values)), sort_keys=False))
        elif not given.check:
            _write()
        elif different := drifted():
            names = ", ".join(str(path.relative_to(ROOT)) for path in different)
            sys.stderr.write(f"not as the charts say: {names}: run `python -m charts.render`\n")
            return 1
    except NoHelm as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except subprocess.CalledProcessError as error:
        sys.stderr.write(error.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
