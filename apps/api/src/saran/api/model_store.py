"""The served version of each model, swapped while serving."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Generic, Protocol, TypeVar

import pyarrow as pa

from saran.api.catalogue import Catalogue
from saran.api.metrics import ApiMetrics
from saran.core.errors import SaranError
from saran.core.filters import ItemColumns
from saran.core.model_folder import Manifest, load_model
from saran.core.names import Model
from saran.core.recommender import Recommender
from saran.core.s3 import Location
from saran.core.settings import Serving
from saran.core.versions import VersionFacts, champion, version_folder

_log = logging.getLogger("saran.api.models")


@dataclass(frozen=True)
class Served:
    """One version, ready to answer."""

    manifest: Manifest
    recommender: Recommender
    catalogue: Catalogue
    columns: ItemColumns


class Loaded(Protocol):
    """A version that can answer, whatever the model is."""

    @property
    def manifest(self) -> VersionFacts:
        """What the version says of itself."""


L = TypeVar("L", bound=Loaded)


class ModelStore(Generic[L]):
    """Follows the champion of the model `name`. `served` is None until there is one; it changes only as a whole."""

    def __init__(
        self, models: Location, name: str, load: Callable[[Location], L], metrics: ApiMetrics, *, poll_seconds: float
    ) -> None:
        """`load` reads the folder of a version, and raises SaranError when it must not be served."""
        self.served: L | None = None
        self.warning: str | None = None
        self.name = name
        self._models = models
        self._load = load
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
            version = await asyncio.to_thread(champion, self._models, self.name)
            if version is not None and version == self._refused:
                return
            before = self.served
            if version is None or (before and before.manifest.version == version):
                self._refused = self.warning = None
                return
            self.served = await asyncio.to_thread(self._load, version_folder(self._models, self.name, version))
        except (SaranError, OSError) as error:
            if not _is_away(error):
                self._refused = version
            self.warning = str(error)
            self._metrics.refused.inc()
            _log.warning("%s", error)
            return
        self._refused = self.warning = None
        self._metrics.serving(self.served.manifest)
        _log.info("serving %s %s", self.name, version)


def recommender_store(models: Location, metrics: ApiMetrics, serving: Serving) -> ModelStore[Served]:
    """That of the recommender; a large catalogue gets an index while it is served."""
    load = partial(_load, serving)
    return ModelStore(models, Model.RECOMMENDER, load, metrics, poll_seconds=serving.model_poll_seconds)


def _is_away(error: Exception) -> bool:
    """Whether the store could not be read, which may pass. A file that is not there, or is not as written, stays so."""
    cause = error if isinstance(error, OSError) else error.__cause__
    return isinstance(cause, OSError) and not isinstance(cause, FileNotFoundError)


def _load(serving: Serving, folder: Location) -> Served:
    model = load_model(folder)
    served = Served(
        model.manifest, Recommender(model), Catalogue(model.items, model.popularity), ItemColumns(model.items)
    )
    # What reading and joining columns took is more than half of what the process would hold of a large catalogue.
    pa.default_memory_pool().release_unused()
    if served.manifest.items >= serving.index_from:
        # A daemon, so that an API that is told to stop does not wait for it.
        threading.Thread(target=_index, args=(served, serving.index_threads), daemon=True).start()
    return served


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
