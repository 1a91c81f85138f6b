"""A large catalogue is served at once, and by an index as soon as there is one."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from apps.api.tests.conftest import Shop

from saran.api.metrics import ApiMetrics
from saran.api.model_store import Served, recommender_store
from saran.core.recommender import History, Ranker
from saran.core.settings import Serving

VIEWS = History(["i1", "i2"], np.zeros(2, dtype=np.int64), np.full(2, np.nan))


class LargeShop(Shop):
    """As many items as an index is made of when the setting says so."""

    count = 2000


def load(folder: Path, index_from: int) -> Served:
    LargeShop(folder).publish("1")
    store = recommender_store(folder, ApiMetrics(), Serving(index_from=index_from))
    asyncio.run(store.refresh())
    assert store.served is not None
    return store.served


def test_the_index_comes_while_lists_are_served(
    tmp_path: Path, until: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on, build = threading.Event(), Ranker.build_search

    def waits(*arguments: Any, **options: Any) -> bool:
        assert go_on.wait(60)
        return build(*arguments, **options)

    monkeypatch.setattr(Ranker, "build_search", waits)
    served = load(tmp_path, LargeShop.count)
    (exact,) = served.recommender.recommend([VIEWS], 5)
    assert served.recommender.search is None
    go_on.set()
    until(lambda: served.recommender.search is not None)
    (found,) = served.recommender.recommend([VIEWS], 5)
    assert found.items[0] == exact.items[0]
    assert found.scores[0] == pytest.approx(float(exact.scores[0]), rel=1e-5)


def test_a_small_catalogue_is_searched_exactly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def must_not(*_: Any, **__: Any) -> bool:
        raise AssertionError

    monkeypatch.setattr(Ranker, "build_search", must_not)
    before = threading.active_count()
    assert load(tmp_path, LargeShop.count + 1).recommender.search is None
    assert threading.active_count() == before


def test_an_index_that_cannot_be_made_is_told_and_lists_stay_exact(
    tmp_path: Path, until: Callable[..., None], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def has_no_library(*_: Any, **__: Any) -> bool:
        raise ImportError("no faiss")

    monkeypatch.setattr(Ranker, "build_search", has_no_library)
    with caplog.at_level(logging.WARNING, logger="saran.api.models"):
        served = load(tmp_path, 1)
        until(lambda: "lists of 1 stay exact, its index could not be made: no faiss" in caplog.text)
    assert len(served.recommender.recommend([VIEWS], 5)[0].items) == 5
