"""The API follows the champion of a bucket as it follows that of a folder."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from apps.api.tests.conftest import Shop

from saran.api.metrics import ApiMetrics
from saran.api.model_store import ModelStore, Served, recommender_store
from saran.core.names import Model
from saran.core.s3 import S3
from saran.core.settings import Serving, Settings

pytestmark = pytest.mark.s3


@pytest.fixture
def settings(s3: S3, tmp_path: Path) -> Settings:
    """Models in the store, a home on disk."""
    return Settings(home=tmp_path, storage="s3://", s3=s3)


def store_of(settings: Settings) -> ModelStore[Served]:
    return recommender_store(settings.models_path, ApiMetrics(), Serving(model_poll_seconds=0.05))


def test_a_new_champion_is_picked_up(settings: Settings) -> None:
    async def follow() -> None:
        shop, store = Shop(settings.models_path), store_of(settings)
        await store.refresh()
        assert (store.served, store.warning) == (None, None)
        shop.publish("1")
        looking = asyncio.create_task(store.run())
        for version in ("1", "2"):
            if version == "2":
                shop.write("2")
                shop.serve("2")
            async with asyncio.timeout(60):
                while store.served is None or store.served.manifest.version != version:
                    await asyncio.sleep(0.02)
            assert [card["item_id"] for card in store.served.catalogue.search("thing", 1)] == ["i7"]
        looking.cancel()

    asyncio.run(follow())


def test_a_version_whose_object_was_changed_is_refused_and_the_one_before_stays(settings: Settings) -> None:
    async def follow() -> None:
        shop, store = Shop(settings.models_path), store_of(settings)
        shop.publish("1")
        await store.refresh()
        factors = settings.models_path / Model.RECOMMENDER / "2" / "als.factors.npy"
        shop.write("2")
        content = bytearray(factors.read_bytes())
        content[-1] ^= 1
        factors.write_bytes(bytes(content))
        shop.serve("2")
        await store.refresh()
        assert store.served is not None
        assert store.served.manifest.version == "1"
        assert store.warning is not None
        assert "differs from its checksum" in store.warning

    asyncio.run(follow())


def _away(settings: Settings) -> Settings:
    """The same settings, with a store that does not answer."""
    away = S3(endpoint="http://127.0.0.1:1", bucket_prefix=settings.s3.bucket_prefix)
    return settings.model_copy(update={"s3": away})


def _told(store: ModelStore[Served]) -> tuple[str | None, bool]:
    """The served version, and whether there is a warning."""
    return store.served.manifest.version if store.served else None, store.warning is not None


def test_a_version_that_a_store_lost_for_a_moment_is_served_once_it_is_back(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    Shop(settings.models_path).publish("1")
    store = store_of(settings)
    store._models = _away(settings).models_path
    with monkeypatch.context() as patch:
        patch.setattr("saran.api.model_store.champion", lambda *_: "1")
        asyncio.run(store.refresh())
    assert _told(store) == (None, True)
    store._models = settings.models_path
    asyncio.run(store.refresh())
    assert _told(store) == ("1", False)


def test_a_warning_ends_when_the_store_answers_that_there_is_no_champion(settings: Settings) -> None:
    store = store_of(_away(settings))
    asyncio.run(store.refresh())
    assert _told(store) == (None, True)
    store._models = settings.models_path
    asyncio.run(store.refresh())
    assert _told(store) == (None, False)


def test_a_store_that_is_away_is_said_and_the_served_model_stays(settings: Settings) -> None:
    async def follow() -> None:
        Shop(settings.models_path).publish("1")
        store = store_of(settings)
        await store.refresh()
        store._models = _away(settings).models_path
        await store.refresh()
        assert store.served is not None
        assert store.warning is not None

    asyncio.run(follow())
