"""The last step of every training: the version that was written becomes the one that is served."""

from __future__ import annotations

from saran.core.settings import Settings
from saran.core.versions import VersionFacts, set_champion


def publish(settings: Settings, facts: VersionFacts) -> None:
    """Make a written version the champion. Raises ModelError when it is not there."""
    set_champion(settings.models_path, facts.name, facts.version)
