"""The served model version, swapped while serving."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from dataclasses import dataclass

from saran.api.catalogue import Catalogue
from saran.api.metrics import ApiMetrics
from saran.core.errors import SaranError
from saran.core.filters import ItemColumns
from saran.core.model_folder import Manifest, load_model
from saran.core.names import Model
from saran.core.recommender import Recommender
from saran.core.s3 import Location
from saran.core.settings import Serving
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

    def __init__(self, models: Location, metrics: ApiMetrics, serving: Serving) -> None:
        self.served: Served | None = None
        self.warning: str | None = None
        self._models = models
        self._metrics = metrics
        self._serving = serving
        self._refused: str | None = None

    async def run(self) -> None:
        """Look for a new champion for ever."""
        while True:
            await asyncio.sleep(self._serving.model_poll_seconds)
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
        if self.served.manifest.items >= self._serving.index_from:
            # A daemon, so that an API that is told to stop does not wait for it.
            threading.Thread(target=_index, args=(self.served, self._serving.index_threads), daemon=True).start()


def _is_away(error: Exception) -> bool:
    """Whether the store could not be read, which may pass. A file that is not there, or is not as written, stays so."""
    cause = error if isinstance(error, OSError) else error.__cause__
    return isinstance(cause, OSError) and not isinstance(cause, FileNotFoundError)


def _load(models: Location, version: str) -> Served:
    model = load_model(version_folder(models, Model.RECOMMENDER, version))
    return Served(
        model.manifest, Recommender(model), Catalogue(model.items, model.popularity), ItemColumns(model.items)
    )


def _index(served: Served, threads: int) -> None:
    """Make the index of a large catalogue while the version is served without."""
    start = time.monotonic()
    version = served.manifest.version
    try:
        made = served.recommender.build_search(threads=threads)
    except (ImportError, MemoryError, RuntimeError) as error:
        _log.warning("lists of %s stay exact, its index could not be made: %s", version, error)
        return
    search = served.recommender.search
    if made and search is not None:
        seconds = time.monotonic() - start
        _log.info("index of %s made in %.1f s, recall@10 %.3f", version, seconds, search.index.recall)
    else:
        _log.info(
            "lists of %s stay exact: an index would find too little, or not all of a score is in factors", version
        )
