"""The last step of a training whose versions are not compared: what was written becomes what is served."""

from __future__ import annotations

from saran.core import champions
from saran.core.settings import Settings
from saran.core.versions import VersionFacts
from saran.spark.home_lock import CHAMPION, CHAMPION_PATIENCE, only_one


def publish(settings: Settings, facts: VersionFacts) -> None:
    """Make a written version the champion. Raises ModelError when it is not there."""
    with only_one(settings, CHAMPION, patience=CHAMPION_PATIENCE):
        champions.promote(settings.models_path, facts.name, facts.version, why="trained")
