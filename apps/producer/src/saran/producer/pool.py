"""The items that simulated users choose from, as arrays, with a taste model over them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import polars as pl

from saran.core.errors import SaranError
from saran.producer.taste import Floats, Ints, Taste, heavy_tail

_COLUMNS = ("item_id", "categories", "rating_count", "price")


@dataclass(frozen=True)
class Pool:
    """Items and the taste over them; `ids`, `prices` (NaN where unknown) and the taste share their index."""

    ids: pl.Series
    prices: Floats
    taste: Taste
    sha256: bytes
    """Of the ids in their order."""

    @property
    def sells(self) -> bool:
        """Whether items have prices: only then users put them in carts and buy; else they rate."""
        return bool(np.isfinite(self.prices).any())


def make_pool(frames: Iterable[pl.DataFrame]) -> Pool:
    """A pool of catalogue frames (columns of an item); the last row of an id counts.

    An item's topic is its first category; popularity follows the number of ratings, or is made up where no item
    has one. Raises SaranError when there is no item.
    """
    parts = [frame.select(_COLUMNS) for frame in frames]
    if not parts or not sum(part.height for part in parts):
        raise SaranError("the catalogue is empty", fix="load one first (`saran load DATASET`), or name its files")
    items = pl.concat(parts, how="vertical_relaxed").unique("item_id", keep="last", maintain_order=True).sort("item_id")
    digest = hashlib.sha256("\n".join(items["item_id"]).encode())
    rng = np.random.default_rng(np.frombuffer(digest.digest(), dtype=np.uint32))
    ratings = items["rating_count"].fill_null(0).to_numpy().astype(np.float64)
    popularity = np.sqrt(1.0 + ratings) if ratings.any() else heavy_tail(rng, items.height)
    first = items["categories"].list.first().fill_null("")
    topics: Ints = first.rank("dense").to_numpy().astype(np.int64) - 1
    prices = items["price"].cast(pl.Float64).fill_null(float("nan")).to_numpy()
    return Pool(items["item_id"], prices, Taste.of(topics, popularity), digest.digest())
