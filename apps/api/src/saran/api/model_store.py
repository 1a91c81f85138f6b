"""The served model version, swapped while serving."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass

from saran.api.catalogue import Catalogue
from saran.api.metrics import ApiMetrics
from saran.core.errors import SaranError
from saran.core.filters import ItemColumns
from saran.core.model_folder import Manifest, load_model
from saran.core.names import Model
from saran.core.recommender import Recommender
from saran.core.s3 import Location
from saran.core.versions import champion, version_folder

_log = logging.getLogger("saran.api.models")


@dataclass(frozen=True)
class Served:
    """One version, ready to answer."""

    manifest: Manifest
    recommender: Recommender
    catalogue: Catalogue
    columns: ItemColumns


class ModelStore:
    """Follows the champion of `models`. `served` is None until there is one; it changes only as a whole."""

    def __init__(self, models: Location, metrics: ApiMetrics, *, poll_seconds: float) -> None:
        self.served: Served | None = None
        self.warning: str | None = None
        self._models = models
        self._metrics = metrics
        self._poll_seconds = poll_seconds
        self._refused: str | None = None

    async def run(self) -> None:
        """Look for a new champion for ever."""
        while True:
            await asyncio.sleep(self._poll_seconds)
            await self.refresh()

    async def refresh(self) -> None:
        """Serve the champion if it is another; a version that is broken is refused, and the one before stays.

        A store that does not answer is asked again; what is broken is looked at once.
        """
        version = None
        try:
            version = await asyncio.to_thread(champion, self._models, Model.RECOMMENDER)
            if version is not None and version == self._refused:
                return
            before = self.served
            if version is None or (before and before.manifest.version == version):
                self._refused = self.warning = None
                return
            self.served = await asyncio.to_thread(_load, self._models, version)
        except (SaranError, OSError) as error:
            if not _is_away(error):
                self._refused = version
            self.warning = str(error)
            self._metrics.refused.inc()
            _log.warning("%s", error)
            return
        self._refused = self.warning = None
        self._metrics.serving(self.served.manifest)
        _log.info("serving %s %s", Model.RECOMMENDER, version)


def _is_away(error: Exception) -> bool:
    """Whether the store could not be read, which may pass. A file that is not there, or is not as written, stays so."""
    cause = error if isinstance(error, OSError) else error.__cause__
    return isinstance(cause, OSError) and not isinstance(cause, FileNotFoundError)


def _load(models: Location, version: str) -> Served:
    model = load_model(version_folder(models, Model.RECOMMENDER, version))
    return Served(
        model.manifest, Recommender(model), Catalogue(model.items, model.popularity), ItemColumns(model.items)
    )
