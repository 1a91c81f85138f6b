"""The registry follows the folders: what is on disk or in the bucket is registered in MLflow, and its aliases moved.

    models/<name>/registry.json   what has been registered where; asking MLflow itself costs seconds

A version is served from its folder, with or without MLflow. What could not be registered is by the next command.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from saran.core.champions import mend
from saran.core.errors import SaranError
from saran.core.job_lock import REGISTRY, only_one
from saran.core.s3 import Location, replace_text
from saran.core.settings import Settings
from saran.core.version_list import CHALLENGER, CHAMPION, Facts, Versions, versions_of
from saran.spark.mlflow_client import has_registry, mlflow_client, registry_uri
from saran.spark.mlflow_runs import Run, log_version
from saran.spark.model_card import CARD, card_files, has_card, write_card

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

RECORD: Final = "registry.json"
_VERSION_TAG: Final = "saran.version"


class _Registered(BaseModel):
    """What MLflow at `uri` was told of one model."""

    model_config = ConfigDict(extra="ignore")

    uri: str = ""
    versions: dict[str, str] = Field(default_factory=dict, description="Version → its number in MLflow")
    aliases: dict[str, str] = Field(default_factory=dict, description="Alias → version")


def sync(settings: Settings, names: Iterable[str], *, thorough: bool = False) -> list[str]:
    """Mend what was cut off, write missing cards, and register what MLflow lacks; says what was done, a line each.

    With `thorough` MLflow is asked what it has; otherwise what is on record counts. Raises SaranError when MLflow
    fails, after all else is done.
    """
    models = settings.models_path
    said: list[str] = []
    waiting: list[tuple[Versions, _Registered]] = []
    for name in names:
        if told := mend(models, name):
            said.append(told)
        versions = versions_of(models, name)
        _write_cards(versions)
        record = _read(models / name, registry_uri(settings))
        if thorough or not _complete(versions, record):
            waiting.append((versions, record))
    if not waiting or not has_registry(settings):
        return said
    with mlflow_client(settings) as client:
        for versions, record in waiting:
            said += _register(client, settings, versions, record, thorough=thorough)
    return said


def follow(settings: Settings, names: Iterable[str]) -> tuple[list[str], str | None]:
    """`sync`, of which a failure is a warning: what was said, and the warning if there is one."""
    try:
        if not has_registry(settings):
            return sync(settings, names), None
        with only_one(settings, REGISTRY):
            return sync(settings, names), None
    except (SaranError, OSError) as error:
        return [], f"not registered in MLflow, which changes nothing of what is served: {error}"


def registered_number(settings: Settings, versions: Versions, version: str) -> str | None:
    """The number of a version in MLflow, as on record; None when it is not registered."""
    return _read(versions.models / versions.name, registry_uri(settings)).versions.get(version)


def _write_cards(versions: Versions) -> None:
    for facts in versions.facts:
        folder = versions.folder(facts.version)
        if not has_card(folder):
            write_card(folder, facts, versions)


def _aliases(versions: Versions) -> dict[str, str]:
    """Which version each alias should name."""
    wanted = ((CHAMPION, versions.champion), (CHALLENGER, versions.challenger))
    return {alias: version for alias, version in wanted if version is not None and versions.get(version) is not None}


def _complete(versions: Versions, record: _Registered) -> bool:
    return record.aliases == _aliases(versions) and all(one.version in record.versions for one in versions.facts)


def _register(
    client: MlflowClient, settings: Settings, versions: Versions, record: _Registered, *, thorough: bool
) -> list[str]:
    model = settings.mlflow.prefix + versions.name
    said: list[str] = []
    if thorough or not record.versions:
        record.versions, record.aliases = _ask(client, model)
    for facts in reversed(versions.facts):
        if facts.version not in record.versions:
            record.versions[facts.version] = _add(client, settings, model, versions, facts)
            _write(versions.models / versions.name, record)
            said.append(
                f"registered {versions.name} {facts.version} in MLflow as version {record.versions[facts.version]}"
            )
    wanted = _aliases(versions)
    for alias in (CHAMPION, CHALLENGER):
        before, now = record.aliases.get(alias), wanted.get(alias)
        if before == now:
            continue
        if now is None:
            client.delete_registered_model_alias(model, alias)
        else:
            client.set_registered_model_alias(model, alias, record.versions[now])
        said.append(
            f"MLflow's {alias} of {versions.name} is {now or 'none'}" + (f", it was {before}" if before else "")
        )
    record.aliases = wanted
    _write(versions.models / versions.name, record)
    return said


def _ask(client: MlflowClient, model: str) -> tuple[dict[str, str], dict[str, str]]:
    """Versions and aliases that MLflow has of a model, which is made when it is not there."""
    from mlflow.exceptions import MlflowException  # noqa: PLC0415 - `mlflow_client` says why

    try:
        client.create_registered_model(model)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    numbers: dict[str, str] = {}
    page = None
    while True:
        found = client.search_model_versions(f"name='{model}'", max_results=1000, page_token=page)
        numbers |= {one.tags[_VERSION_TAG]: str(one.version) for one in found if _VERSION_TAG in one.tags}
        if not (page := found.token):
            break
    version_of = {number: version for version, number in numbers.items()}
    aliases = client.get_registered_model(model).aliases
    # An alias of a version that Saran did not make is as good as none.
    return numbers, {alias: version_of.get(str(number), f"number {number}") for alias, number in aliases.items()}


def _add(client: MlflowClient, settings: Settings, model: str, versions: Versions, facts: Facts) -> str:
    """Log a version as a run, and make a model version of it; gives its number."""
    folder = versions.folder(facts.version)
    with TemporaryDirectory(prefix="saran-run-") as temporary:
        files = Path(temporary)
        for source in (*card_files(folder), folder / "manifest.json"):
            (files / source.name).write_bytes(source.read_bytes())
        run = Run(model, facts, folder=str(folder), files=files, note=(files / CARD).read_text())
        run_id, artifacts = log_version(client, settings, run, version_tag=_VERSION_TAG)
    made = client.create_model_version(
        model,
        source=artifacts,
        run_id=run_id,
        tags={_VERSION_TAG: facts.version, "saran.folder": str(folder), "dataset": facts.dataset},
        description=f"{facts.algorithm}; served from {folder}",
        await_creation_for=None,
    )
    return str(made.version)


def _read(folder: Location, uri: str) -> _Registered:
    """What is on record for the MLflow at `uri`: nothing, when the record is of another one or cannot be read."""
    try:
        record = _Registered.model_validate_json((folder / RECORD).read_bytes())
    except (FileNotFoundError, ValidationError):
        return _Registered(uri=uri)
    return record if record.uri == uri else _Registered(uri=uri)


def _write(folder: Location, record: _Registered) -> None:
    replace_text(folder / RECORD, record.model_dump_json(indent=1) + "\n")
