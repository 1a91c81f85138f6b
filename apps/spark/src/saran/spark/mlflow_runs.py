"""A version as a run of MLflow: parameters, figures with intervals, seed, table versions, and files."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from saran.core.settings import Settings
from saran.core.version_list import Facts
from saran.spark.mlflow_client import artifact_location

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

_BATCH: Final = 100
"""Parameters or tags of one call; MLflow takes no more."""

_MOST_CHARACTERS: Final = 5000
"""Of a parameter or tag; MLflow takes 6000."""


@dataclass(frozen=True)
class Run:
    """What a run is made of."""

    experiment: str
    facts: Facts
    folder: str
    files: Path
    """Folder of the run's artefacts."""
    note: str
    """Markdown that MLflow shows beside the run."""


def log_version(client: MlflowClient, settings: Settings, run: Run, *, version_tag: str) -> tuple[str, str]:
    """Log the run, or find the one that is whole already; gives its id and where its artefacts are.

    A run that was cut off is deleted, and logged anew.
    """
    from mlflow.entities import Metric, Param, RunTag  # noqa: PLC0415 - `mlflow_client` says why

    facts = run.facts
    experiment = _experiment(client, settings, run.experiment)
    for found in client.search_runs([experiment], f"tags.`{version_tag}` = '{facts.version}'"):
        if found.info.status == "FINISHED":
            return str(found.info.run_id), str(found.info.artifact_uri)
        client.delete_run(found.info.run_id)
    moment = int(facts.created_at.timestamp() * 1000)
    started = client.create_run(
        experiment, start_time=moment, run_name=facts.version, tags={version_tag: facts.version}
    )
    run_id = str(started.info.run_id)
    tags = {
        "saran.folder": run.folder,
        "dataset": facts.dataset,
        "synthetic": str(facts.synthetic).lower(),
        "mlflow.note.content": run.note[:_MOST_CHARACTERS],
    }
    client.log_batch(run_id, tags=[RunTag(name, value) for name, value in tags.items()])
    parameters = iter([Param(name, str(value)[:_MOST_CHARACTERS]) for name, value in _parameters(facts)])
    while some := list(islice(parameters, _BATCH)):
        client.log_batch(run_id, params=some)
    metrics = iter([Metric(name, value, moment, 0) for name, value in _metrics(facts)])
    while counted := list(islice(metrics, _BATCH)):
        client.log_batch(run_id, metrics=counted)
    client.log_artifacts(run_id, str(run.files))
    client.set_terminated(run_id, "FINISHED", moment)
    return run_id, str(started.info.artifact_uri)


def _experiment(client: MlflowClient, settings: Settings, name: str) -> str:
    found = client.get_experiment_by_name(name)
    if found is not None:
        return str(found.experiment_id)
    return str(client.create_experiment(name, artifact_location=artifact_location(settings)))


def _parameters(facts: Facts) -> Iterator[tuple[str, object]]:
    yield "algorithm", facts.algorithm
    yield "seed", facts.seed
    # The purchase predictor can be told an `algorithm`, which is not yet the one that came out.
    yield from (
        ("parameters.algorithm" if name == "algorithm" else name, told) for name, told in facts.parameters.items()
    )
    for table, version in facts.tables.items():
        yield f"tables.{table}", version
    yield "window", str(facts.window)
    if facts.newest_event is not None:
        yield "newest_event", facts.newest_event.isoformat()
    for name, value in facts.others.items():
        # Some manifests repeat what the trainer was told, and MLflow refuses a name given twice.
        if value is not None and name not in facts.parameters:
            yield name, json.dumps(value, sort_keys=True) if isinstance(value, dict | list) else value


def _metrics(facts: Facts) -> Iterator[tuple[str, float]]:
    for name, value in facts.others.items():
        if _is_number(value):
            yield name, float(value)
    for path, figure in facts.figures.items():
        name = re.sub(r"[^\w./ -]", "_", path.replace("@", "_at_"))
        yield name, figure.value
        for end, bound in (("low", figure.low), ("high", figure.high)):
            if bound is not None:
                yield f"{name}.{end}", bound


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
