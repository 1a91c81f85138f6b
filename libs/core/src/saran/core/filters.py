"""Which items a list may be made of: category, price, age and availability, asked of columns.

The columns are made once a model version from its items; a request combines them to one mask, so that the k best of
what it leaves are exactly the k best that are allowed.
"""

from __future__ import annotations

import re
from collections.abc import Hashable
from typing import Annotated, Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from saran.core import limits

Mask = NDArray[np.bool_]

UNRATED: Final = 127
"""Least age of an item that has no age rating: above every age that can be asked for."""

_LEAST_AGE: Final = re.compile(r"(\d{1,2})\+?")
_EVERY_AGE: Final = "all"

Category = Annotated[str, Field(min_length=1, max_length=limits.MAX_CATEGORY_LENGTH)]
Price = Annotated[float, Field(ge=0, le=limits.MAX_ABS_VALUE, allow_inf_nan=False)]


class ItemFilter(BaseModel):
    """Conditions that all hold for every item of a list; an item of which the catalogue does not say is left out."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    category: list[Category] = Field(
        default_factory=list,
        max_length=limits.MAX_CATEGORIES_ASKED,
        description="Items of any of these categories, case ignored; repeat it for more than one",
        examples=[["Drama"]],
    )
    min_price: Price | None = Field(default=None, description="Items that cost this or more")
    max_price: Price | None = Field(default=None, description="Items that cost this or less")
    max_age: int | None = Field(
        default=None, ge=0, le=limits.MAX_AGE, description="Items whose age rating lets somebody of this age in"
    )
    available: bool = Field(default=False, description="Items that can be had now")

    @property
    def conditions(self) -> tuple[Hashable, ...]:
        """What filters that ask for the same have in common."""
        return tuple(self.category), self.min_price, self.max_price, self.max_age, self.available

    @field_validator("max_price")
    @classmethod
    def _a_range(cls, most: float | None, others: ValidationInfo) -> float | None:
        least = others.data.get("min_price")
        if most is not None and least is not None and most < least:
            raise ValueError(f"is {most:g}, less than min_price={least:g}: no item costs that")
        return most


class Selection(NamedTuple):
    """The items that conditions leave, shape (items,), or None for all; `notes` say what emptied a condition."""

    mask: Mask | None
    notes: list[str]


class ItemColumns:
    """What can be asked of the items of a model version. Row i is the item of index i. Immutable."""

    def __init__(self, items: pa.Table) -> None:
        """`items` has columns of an Item (`saran.core.entities.ITEM_ARROW`); those that it lacks hold nothing."""
        self.count: int = items.num_rows
        self._names, self._starts, self._rows = _categories(items)
        self._codes: dict[str, list[int]] = {}
        for code, name in enumerate(self._names):
            self._codes.setdefault(name.casefold(), []).append(code)
        self._prices = _floats(items, "price")
        self.least_ages: NDArray[np.int8] = _least_ages(items)
        """From which age each item is for somebody, `UNRATED` where nobody says; shape (items,)."""
        self._available = _available(items)

    def categories(self) -> list[tuple[str, int]]:
        """Every category with the number of its items, most first, then by name."""
        sizes = np.diff(self._starts).tolist()
        return sorted(zip(self._names, sizes, strict=True), key=lambda one: (-one[1], one[0]))

    def select(self, wanted: ItemFilter) -> Selection:
        """The items for which every condition of `wanted` holds."""
        masks: list[Mask] = []
        notes: list[str] = []
        if wanted.category:
            masks.append(self._in_categories(wanted.category, notes))
        if wanted.min_price is not None or wanted.max_price is not None:
            low = -np.inf if wanted.min_price is None else wanted.min_price
            high = np.inf if wanted.max_price is None else wanted.max_price
            masks.append((self._prices >= low) & (self._prices <= high))  # false for the NaN of an unknown price
            if np.isnan(self._prices).all():
                notes.append("no item of this model has a price")
        if wanted.max_age is not None:
            masks.append(self.least_ages <= wanted.max_age)
            if (self.least_ages == UNRATED).all():
                notes.append("no item of this model has an age rating")
        if wanted.available:
            masks.append(self._available)
        return Selection(np.logical_and.reduce(masks) if masks else None, notes)

    def _in_categories(self, names: list[str], notes: list[str]) -> Mask:
        mask = np.zeros(self.count, dtype=np.bool_)
        for name in names:
            codes = self._codes.get(name.casefold(), [])
            for code in codes:
                mask[self._rows[self._starts[code] : self._starts[code + 1]]] = True
            if not codes:
                notes.append(f"no item of this model has the category {name!r}")
        return mask


def least_age(age_rating: str | None) -> int:
    """The age from which an item is for somebody: 0 for `all`, 13 for `13+`, `UNRATED` for what says no age."""
    text = (age_rating or "").strip().lower()
    if text == _EVERY_AGE:
        return 0
    found = _LEAST_AGE.fullmatch(text)
    return int(found[1]) if found else UNRATED


def _categories(items: pa.Table) -> tuple[list[str], NDArray[np.int64], NDArray[np.int64]]:
    """Names, and by name the rows of its items: rows[starts[i]] … rows[starts[i + 1] - 1]."""
    if "categories" not in items.column_names:
        return [], np.zeros(1, dtype=np.int64), np.zeros(0, dtype=np.int64)
    lists = items.column("categories").cast(pa.large_list(pa.large_string())).combine_chunks()
    names = pc.list_flatten(lists).dictionary_encode()
    rows = pc.list_parent_indices(lists).to_numpy(zero_copy_only=False).astype(np.int64)
    codes = pc.fill_null(names.indices, -1).to_numpy(zero_copy_only=False)
    order = np.argsort(codes, kind="stable")
    starts = np.searchsorted(codes[order], np.arange(len(names.dictionary) + 1))
    return names.dictionary.to_pylist(), starts, rows[order]


def _floats(items: pa.Table, name: str) -> NDArray[np.float64]:
    if name not in items.column_names:
        return np.full(items.num_rows, np.nan)
    column = items.column(name).cast(pa.float64()).combine_chunks()
    return np.asarray(pc.fill_null(column, np.nan).to_numpy(zero_copy_only=False))


def _least_ages(items: pa.Table) -> NDArray[np.int8]:
    if "age_rating" not in items.column_names:
        return np.full(items.num_rows, UNRATED, dtype=np.int8)
    ratings = items.column("age_rating").cast(pa.string()).combine_chunks().dictionary_encode()
    # One more at the end: where the code of a missing rating, -1, leads.
    ages = np.array([*map(least_age, ratings.dictionary.to_pylist()), UNRATED], dtype=np.int8)
    return np.asarray(ages[pc.fill_null(ratings.indices, -1).to_numpy(zero_copy_only=False)])


def _available(items: pa.Table) -> Mask:
    if "is_available" not in items.column_names:
        return np.ones(items.num_rows, dtype=np.bool_)
    column = items.column("is_available").cast(pa.bool_()).combine_chunks()
    return np.asarray(pc.fill_null(column, True).to_numpy(zero_copy_only=False))
