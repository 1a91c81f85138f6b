"""Retail Rocket's files: events.csv, item_properties_part1/2.csv and category_tree.csv."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
import polars as pl

from saran.producer import interactions
from saran.producer.interactions import Interactions, Plan
from saran.producer.synthetic.files import Written, mark_synthetic, write_csv
from saran.producer.taste import TOPICS_A_DEPARTMENT, Floats, Ints, Taste, heavy_tail

_WORDS: Final = ("view", "addtocart", "transaction")
_LEAVES: Final = 1_242
"""Categories that items of the real data set have, at full size."""
_SNAPSHOT_MS: Final = 1_431_226_800_000
"""2015-05-10T03:00Z: properties are known from weekly snapshots that begin then."""
_WEEK_MS: Final = 7 * 24 * 3_600_000
_PRICE: Final = "790"
_TEXT: Final = "888"
_CALIBRATION: Final = (
    "Counts keep the published proportions of the Retail Rocket recommender system dataset: 2,664,312 views,\n"
    "69,332 addtocart and 22,457 transactions of 1,407,580 visitors and 235,061 items, in 139 days of 2015."
)


def synthesise(rows: int, seed: int, out: Path) -> list[Written]:
    """Write the files with `rows` events to `out`; the same rows and seed give the same bytes."""
    rng = np.random.default_rng([seed, 1])
    count = max(1, min(rows, round(rows * interactions.ITEMS / interactions.ROWS)))
    leaves = min(count, max(TOPICS_A_DEPARTMENT, round(count * _LEAVES / interactions.ITEMS)))
    sizes = np.cumsum(rng.gamma(1.5, size=leaves) + 0.05)
    topics = np.searchsorted(sizes, rng.random(count) * sizes[-1]).astype(np.int64)
    taste = Taste.of(topics, heavy_tail(rng, count))
    made = interactions.make_interactions(rng, Plan.scaled(rows), taste)

    item_ids = rng.permutation(2 * count)[:count]
    categories = rng.permutation(leaves + leaves // TOPICS_A_DEPARTMENT + 30)
    written = [write_csv(_events(rng, made, item_ids), out / "events.csv")]
    properties = _properties(rng, item_ids, categories[topics])
    half = properties.height // 2
    written.append(write_csv(properties[:half], out / "item_properties_part1.csv"))
    written.append(write_csv(properties[half:], out / "item_properties_part2.csv"))
    written.append(write_csv(_category_tree(categories, leaves), out / "category_tree.csv"))
    mark_synthetic(out, "retailrocket", seed, written, _CALIBRATION)
    return written


def _events(rng: np.random.Generator, made: Interactions, item_ids: Ints) -> pl.DataFrame:
    """In no order of time, as the real file is."""
    shuffled = rng.permutation(len(made.users))
    transactions = pl.Series(made.transactions[shuffled])
    return pl.DataFrame(
        {
            "timestamp": made.times_ms[shuffled],
            "visitorid": rng.permutation(int(made.users.max()) + 1)[made.users[shuffled]],
            "event": pl.Series(_WORDS).gather(made.kinds[shuffled]),
            "itemid": item_ids[made.items[shuffled]],
            "transactionid": transactions.set(transactions < 0, None),
        }
    )


def _properties(rng: np.random.Generator, item_ids: Ints, categories: Ints) -> pl.DataFrame:
    """Category, availability, price and a hashed text of each item; a quarter go out of stock or back later."""
    count = len(item_ids)
    weeks = rng.integers(0, 18, count)
    snapshot = _SNAPSHOT_MS + weeks * _WEEK_MS
    available = rng.random(count) < 0.6
    changed = np.flatnonzero((rng.random(count) < 0.25) & (weeks < 17))
    price: Floats = np.round(rng.lognormal(9.5, 1.2, count) / 10) * 10 + 120
    tokens = pl.DataFrame({str(i): rng.integers(100, 1_400_000, count) for i in range(3)})
    text = tokens.select(pl.concat_str(pl.all(), separator=" ")).to_series()

    def rows_of(name: str, items: Ints, times: Ints, values: pl.Series) -> pl.DataFrame:
        return pl.DataFrame({"timestamp": times, "itemid": items, "value": values}).select(
            "timestamp", "itemid", pl.lit(name).alias("property"), "value"
        )

    flags = pl.Series(("0", "1"))
    table = pl.concat(
        [
            rows_of("categoryid", item_ids, snapshot, pl.Series(categories).cast(pl.String)),
            rows_of("available", item_ids, snapshot, flags.gather(available.astype(np.int64))),
            rows_of(
                "available",
                item_ids[changed],
                snapshot[changed] + _WEEK_MS,
                flags.gather(1 - available[changed].astype(np.int64)),
            ),
            rows_of(_PRICE, item_ids, snapshot, "n" + pl.Series(price.astype(np.int64)).cast(pl.String) + ".000"),
            rows_of(_TEXT, item_ids, snapshot, text),
        ]
    )
    return table[rng.permutation(table.height)]


def _category_tree(categories: Ints, leaves: int) -> pl.DataFrame:
    """Leaves below departments of eight, departments below a few roots, which have no parent."""
    departments = (leaves - 1) // TOPICS_A_DEPARTMENT + 1
    roots = min(25, departments)
    leaf = np.arange(leaves)
    parents = np.concatenate([leaves + leaf // TOPICS_A_DEPARTMENT, leaves + np.arange(departments) % roots])
    parent_ids = pl.Series(categories[parents])
    own_parent = np.concatenate([np.zeros(leaves, dtype=np.bool_), np.arange(departments) < roots])
    return pl.DataFrame(
        {
            "categoryid": categories[np.arange(leaves + departments)],
            "parentid": parent_ids.set(pl.Series(own_parent), None),
        }
    )
