"""A person's order to move a champion: the version is checked as the API checks what it serves, under the lock.

MLflow is told by who can: `saran models` and trainings. What is served are folder and pointer.
"""

from __future__ import annotations

from dataclasses import dataclass

from saran.core import champions
from saran.core.job_lock import CHAMPION, CHAMPION_PATIENCE, only_one
from saran.core.settings import Settings
from saran.core.version_check import check_version
from saran.core.version_list import find_version
from saran.core.versions import champion


@dataclass(frozen=True)
class Moved:
    """The champion of a model now and before; they are the same where the order changed nothing."""

    model: str
    champion: str
    before: str | None


def promote(
    settings: Settings, wanted: str, name: str | None, *, why: str, patience: float = CHAMPION_PATIENCE
) -> Moved:
    """Make a version the champion: `wanted` is its name, the beginning of it, `champion` or `challenger`.

    Raises UnknownVersionError, ModelError when it is broken, and SaranError when another moves the champion for more
    than `patience` seconds or PostgreSQL, which keeps a cluster's lock, is away.
    """
    versions, facts = find_version(settings.models_path, wanted, name)
    check_version(versions.folder(facts.version), facts)
    with only_one(settings, CHAMPION, patience=patience):
        before = champion(settings.models_path, facts.name)
        champions.promote(settings.models_path, facts.name, facts.version, why=why)
    return Moved(facts.name, facts.version, before)


def roll_back(settings: Settings, name: str, *, why: str, patience: float = CHAMPION_PATIENCE) -> Moved:
    """Make the champion before this one the champion again. Raises as `promote`, and SaranError when there was none."""
    with only_one(settings, CHAMPION, patience=patience):
        before = champion(settings.models_path, name)
        if (wanted := champions.previous(settings.models_path, name)) is not None:
            versions, facts = find_version(settings.models_path, wanted, name)
            check_version(versions.folder(facts.version), facts)
        now = champions.roll_back(settings.models_path, name, why=why)
    return Moved(name, now, before)
