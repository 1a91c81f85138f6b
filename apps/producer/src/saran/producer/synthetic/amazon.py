"""The Amazon products files: amazon_products.csv (11 columns) and amazon_categories.csv (248 rows)."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
import polars as pl

from saran.producer.synthetic import words
from saran.producer.synthetic.files import Written, mark_synthetic, write_csv
from saran.producer.taste import Ints, heavy_tail

_ALPHABET: Final = np.frombuffer(b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ", dtype=np.uint8)
_ASIN_SPACE: Final = 36**8
_STRIDE: Final = 1_000_003_000_009
"""Coprime to 36: multiples of it modulo the space never meet, so ASINs are unique without a look-up."""
_BOUGHT: Final = (0, 50, 100, 200, 300, 400, 500, 600, 700, 800, 900, 1000, 2000, 3000, 4000, 5000, 10_000)
MAX_ROWS: Final = 1_426_337
"""Rows of the real file; the stand-in is not made larger, a stride of a larger one could overflow."""
_CALIBRATION: Final = (
    "The columns and the number of categories are those of the Amazon Products Dataset 2023; titles, prices, stars\n"
    "and counts are made up with plausible tails."
)


def synthesise(rows: int, seed: int, out: Path) -> list[Written]:
    """Write both files with `rows` products to `out`; the same rows and seed give the same bytes."""
    if not 1 <= rows <= MAX_ROWS:
        raise ValueError(f"amazon has 1 to {MAX_ROWS:,} products, not {rows:,}: choose --rows in between")
    rng = np.random.default_rng([seed, 2])
    kinds = tuple(words.KINDS)
    names = [f"{department} {kind}" for department in words.DEPARTMENTS for kind in kinds]
    categories = pl.DataFrame({"id": range(1, len(names) + 1), "category_name": names})
    sizes = np.cumsum(rng.gamma(1.2, size=len(names)) + 0.05)
    category = np.searchsorted(sizes, rng.random(rows) * sizes[-1]).astype(np.int64)
    written = [
        write_csv(_products(rng, category), out / "amazon_products.csv"),
        write_csv(categories, out / "amazon_categories.csv"),
    ]
    mark_synthetic(out, "amazon", seed, written, _CALIBRATION)
    return written


def _asins(rng: np.random.Generator, count: int) -> pl.Series:
    """Unique ids of the form B0XXXXXXXX."""
    numbers = (np.arange(count, dtype=np.int64) * _STRIDE + rng.integers(_ASIN_SPACE)) % _ASIN_SPACE
    text = np.empty((count, 10), dtype=np.uint8)
    text[:, :2] = np.frombuffer(b"B0", dtype=np.uint8)
    for place in range(9, 1, -1):
        numbers, digits = np.divmod(numbers, 36)
        text[:, place] = _ALPHABET[digits]
    return pl.Series(text.view("S10").ravel().tolist(), dtype=pl.Binary).cast(pl.String)


def _titles(rng: np.random.Generator, category: Ints) -> pl.Series:
    count = len(category)
    kinds = tuple(words.KINDS.values())
    width = len(kinds[0])
    nouns = pl.Series([noun for kind in kinds for noun in kind])

    def some(options: tuple[str, ...]) -> pl.Series:
        return pl.Series(options).gather(rng.integers(0, len(options), count))

    parts = {
        "brand": some(words.BRANDS),
        "adjective": some(words.ADJECTIVES),
        "material": some(words.MATERIALS),
        "department": pl.Series(words.DEPARTMENTS).gather(category // len(kinds)),
        "noun": nouns.gather(category % len(kinds) * width + rng.integers(0, width, count)),
    }
    frame = pl.DataFrame({**parts, "colour": some(words.COLOURS), "pack": rng.integers(1, 13, count)})
    name = pl.concat_str(list(parts), separator=" ")
    return frame.select(
        pl.when(pl.col("pack") < 4)
        .then(pl.concat_str(name, pl.lit(", "), "colour"))
        .otherwise(pl.concat_str(name, pl.lit(", "), "colour", pl.lit(", Pack of "), "pack"))
    ).to_series()


def _products(rng: np.random.Generator, category: Ints) -> pl.DataFrame:
    count = len(category)
    asins = _asins(rng, count)
    demand = heavy_tail(rng, count)
    stars = np.clip(np.round(rng.normal(4.3, 0.45, count), 1), 1.0, 5.0)
    price = np.round(rng.lognormal(3.0, 0.9, count)) + 0.99
    listed = rng.random(count) < 0.25
    steps = np.asarray(_BOUGHT)
    return pl.DataFrame(
        {
            "asin": asins,
            "title": _titles(rng, category),
            "imgUrl": "https://images.example/" + asins + ".jpg",
            "productURL": "https://shop.example/dp/" + asins,
            "stars": np.where(rng.random(count) < 0.08, 0.0, stars),
            "reviews": np.where(rng.random(count) < 0.8, 0, (demand * 40).astype(np.int64)),
            "price": np.where(rng.random(count) < 0.02, 0.0, price),
            "listPrice": np.where(listed, np.round(price * (1.05 + rng.random(count) * 0.6), 2), 0.0),
            "category_id": category + 1,
            "isBestSeller": pl.Series(("False", "True")).gather((rng.random(count) < 0.006).astype(np.int64)),
            "boughtInLastMonth": steps[np.searchsorted(steps, demand * 60, side="right") - 1],
        }
    )
