"""The versions of a model that are on disk or in the bucket, whatever kind of model it is."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, ValidationError

from saran.core.errors import SaranError
from saran.core.s3 import Location
from saran.core.versions import MANIFEST, VersionFacts, champion

CHAMPION: Final = "champion"
CHALLENGER: Final = "challenger"
_FIX: Final = "`saran models list` shows what there is"


class UnknownVersionError(SaranError):
    """There is no such version, it cannot be read, or it cannot be said which is meant."""


class Facts(VersionFacts):
    """A manifest of any kind of model, of this release or another."""

    model_config = ConfigDict(extra="allow", frozen=True)

    evaluation: dict[str, Any] | None = None

    @property
    def figures(self) -> dict[str, Figure]:
        """All figures of the evaluation, by their path in it, such as `als/ndcg@10`."""
        return dict(_figures((self.evaluation or {}).get("metrics", self.evaluation or {}), ""))

    @property
    def others(self) -> dict[str, Any]:
        """What only this kind of model has."""
        return self.model_extra or {}


class Figure(BaseModel):
    """A number, with its 95 % interval where there is one."""

    value: float
    low: float | None = None
    high: float | None = None

    def __str__(self) -> str:
        if self.low is None or self.high is None:
            return f"{self.value:.4f}"
        return f"{self.value:.4f} ({self.low:.4f} to {self.high:.4f})"


@dataclass(frozen=True)
class Versions:
    """All versions of one model, newest first."""

    models: Location
    name: str
    facts: tuple[Facts, ...]
    unreadable: dict[str, str]
    """Version → why its manifest cannot be read."""

    @cached_property
    def champion(self) -> str | None:
        """The served version; it may be unreadable, or gone."""
        return champion(self.models, self.name)

    @property
    def challenger(self) -> str | None:
        """The newest version, where it is not the champion and newer than it."""
        newest = self.facts[0] if self.facts else None
        return newest.version if newest is not None and newest.version != self.champion else None

    def folder(self, version: str) -> Location:
        """Where a version is."""
        return self.models / self.name / version

    def get(self, version: str) -> Facts | None:
        """The facts of a version, None when it is not there or cannot be read."""
        return next((facts for facts in self.facts if facts.version == version), None)

    def alias(self, version: str) -> str:
        """`champion`, `challenger` or nothing."""
        return {self.champion: CHAMPION, self.challenger: CHALLENGER}.get(version, "")


def model_names(models: Location) -> list[str]:
    """Names of the models that have a version, sorted."""
    return sorted(folder.name for folder in _children(models) if next(_manifests(folder), None) is not None)


def versions_of(models: Location, name: str) -> Versions:
    """The versions of the model `name`; there may be none."""
    facts: list[Facts] = []
    unreadable: dict[str, str] = {}
    for version, content in _manifests(models / name):
        try:
            facts.append(Facts.model_validate_json(content))
        except ValidationError as error:
            first = error.errors()[0]
            unreadable[version] = f"{'.'.join(map(str, first['loc'])) or MANIFEST}: {first['msg']}"
    facts.sort(key=lambda one: (one.created_at, one.version), reverse=True)
    return Versions(models, name, tuple(facts), unreadable)


def find_version(models: Location, wanted: str, name: str | None = None) -> tuple[Versions, Facts]:
    """A version by its name, the beginning of it, `champion` or `challenger`; of any model when `name` is None.

    Raises UnknownVersionError when there is none, when there are several, or when its manifest cannot be read.
    """
    found: list[tuple[Versions, Facts]] = []
    for model in model_names(models) if name is None else [name]:
        versions = versions_of(models, model)
        exact = {CHAMPION: versions.champion, CHALLENGER: versions.challenger}.get(wanted, wanted)
        if exact in versions.unreadable:
            raise UnknownVersionError(
                f"{model} {exact} cannot be read: {versions.unreadable[exact]}", fix="choose another"
            )
        named = [facts for facts in versions.facts if facts.version == exact]
        named = named or [facts for facts in versions.facts if exact is not None and facts.version.startswith(exact)]
        found += [(versions, facts) for facts in named]
    if not found:
        raise UnknownVersionError(f"there is no version {wanted} of {name or 'any model'} in {models}", fix=_FIX)
    if len(found) > 1:
        names = ", ".join(f"{facts.name} {facts.version}" for _, facts in found)
        raise UnknownVersionError(
            f"{wanted} can be {names}", fix="give the whole version, or the model with --model NAME"
        )
    return found[0]


def _figures(node: Any, path: str) -> Iterator[tuple[str, Figure]]:
    if isinstance(node, dict):
        if "value" in node:
            with contextlib.suppress(ValidationError):
                yield path, Figure.model_validate(node)
            return
        for name, child in node.items():
            yield from _figures(child, f"{path}/{name}" if path else str(name))
    elif isinstance(node, int | float) and not isinstance(node, bool):
        yield path, Figure(value=node)


def _manifests(folder: Location) -> Iterator[tuple[str, bytes]]:
    """Version and manifest of each folder in which a manifest is: what has none is no version."""
    for child in _children(folder):
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            yield child.name, (child / MANIFEST).read_bytes()


def _children(folder: Location) -> list[Location]:
    try:
        return sorted(folder.iterdir(), key=lambda child: child.name)
    except (FileNotFoundError, NotADirectoryError):
        return []
