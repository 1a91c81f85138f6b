"""What counts of the catalogue: categories and prices of items."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

Longs = NDArray[np.int64]

MOST: Final = 1e12
"""Of an amount; a wrong one must neither stop a batch nor overflow a sum."""

COLUMNS: Final = ["item_id", "categories", "price"]


def cents(amounts: NDArray[np.float64]) -> tuple[Longs, NDArray[np.bool_]]:
    """Amounts in hundredths, to the nearest, and which are known. Sums of these are exact; no price is NaN or 1e300."""
    known = np.abs(amounts) <= MOST
    return np.where(known, np.rint(np.where(known, amounts, 0) * 100), 0).astype(np.int64), known


@dataclass(frozen=True)
class Facts:
    """Rows of items, in parallel: `categories` each once and sorted, null or empty for none; a `prices` of NaN."""

    item_ids: pa.Array
    categories: pa.Array
    prices: NDArray[np.float64]

    def of(self, item_ids: pa.Array) -> Facts:
        """The rows of `item_ids`; an item that the catalogue does not have is one without categories and price."""
        at = pc.index_in(item_ids, value_set=self.item_ids)
        prices = pa.array(self.prices).take(at).to_numpy(zero_copy_only=False)
        return Facts(item_ids, self.categories.take(at), prices)

    def unlike(self, other: Facts) -> pa.Array:
        """Ids of the items that count otherwise in `other`."""
        theirs = other.of(self.item_ids)
        same = pc.equal(self._named(), theirs._named())
        (mine, known), (yours, also_known) = cents(self.prices), cents(theirs.prices)
        return self.item_ids.filter(pc.invert(pc.and_(same, pa.array((mine == yours) & (known == also_known)))))

    def in_categories(self, rows: Longs) -> tuple[Longs, pa.Array]:
        """Each category of each item of `rows`: which of `rows` it is of, and its name."""
        lists = self.categories.take(pa.array(rows))
        return pc.list_parent_indices(lists).to_numpy(), pc.list_flatten(lists)

    def _named(self) -> pa.Array:
        return pc.fill_null(pc.binary_join(self.categories, "\x1f"), "")


def facts(items: pa.Table) -> Facts:
    """Of rows of silver.items with COLUMNS."""
    lists = items.column("categories").combine_chunks().cast(pa.list_(pa.string()))
    each = pa.table({"row": pc.list_parent_indices(lists), "name": pc.list_flatten(lists)})
    once = each.group_by(["row", "name"]).aggregate([]).filter(pc.is_valid(pc.field("name")))
    once = once.sort_by([("row", "ascending"), ("name", "ascending")]).combine_chunks()
    ends = np.searchsorted(once.column("row").to_numpy(), np.arange(items.num_rows + 1)).astype(np.int32)
    return Facts(
        items.column("item_id").combine_chunks().cast(pa.string()),
        pa.ListArray.from_arrays(pa.array(ends), once.column("name").combine_chunks()),
        items.column("price").cast(pa.float64()).to_numpy(),
    )


NO_FACTS: Final = Facts(pa.array([], pa.string()), pa.array([], pa.list_(pa.string())), np.empty(0))
