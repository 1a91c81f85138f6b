"""Rows of a catalogue as items, in columns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa

from saran.core.datasets import ages, files, rules
from saran.core.datasets.blocks import ITEM_COLUMNS, ItemBlock
from saran.core.datasets.errors import SpecError
from saran.core.datasets.rules import Rule
from saran.core.datasets.spec import DatasetSpec, ItemField, Lookup, ValueMap
from saran.core.datasets.table import read_table
from saran.core.entities import ITEM_ARROW, Item
from saran.core.names import Attribute

_NUMBERS = ("price", "list_price", "rating", "rating_count")
_MAPPED = "\0"
"""Prefix of columns that hold an item's field beside the source's columns; no header can hold it."""


class ItemReader:
    """The mapping of a spec made ready: lookups read, expressions built. Folders are where files are looked for."""

    def __init__(self, spec: DatasetSpec, folders: Sequence[Path | None]) -> None:
        self._spec = spec
        self._items = spec.items
        self._folders = folders
        self._lookups = [(lookup, self._load(lookup)) for lookup in self._items.lookups]
        self._known = ages.certificates(spec.ages, folders) if spec.ages is not None else None
        self._fields = {field: self._field(field, value) for field, value in self._items.columns.items()}
        self._attributes = {name: self._text(value) for name, value in self._items.attributes.items()}
        self._checks = self._rules()

    def columns(self) -> list[str]:
        """Columns that the catalogue's own files must have."""
        looked_up = {column for lookup in self._items.lookups for column in lookup.columns}
        needed = [column for value in self._items.values() for column in value.needs()]
        needed += [lookup.on for lookup in self._items.lookups]
        return [column for column in dict.fromkeys(needed) if column not in looked_up]

    def read(self, path: Path, sha256: bytes, source: str, block_bytes: int) -> Iterator[ItemBlock]:
        """Items of a file with one row an item."""
        table = read_table(
            path,
            self.columns(),
            delimiter=self._spec.csv.delimiter,
            header=self._items.header,
            block_bytes=block_bytes,
        )
        for block in table:
            items, wrong = self.map(block.frame)
            yield ItemBlock(
                items=items,
                rejected=rules.rejected(block, wrong, sha256, source, path.name),
                first_row=block.first_row,
                rows=block.count,
                bytes_read=block.records.bytes_read,
            )

    def map(self, frame: pl.DataFrame) -> tuple[pl.DataFrame, dict[int, str]]:
        """Items (ITEM_COLUMNS) of rows with the columns of `columns()`, and the reasons of rows that are wrong."""
        for lookup, table in self._lookups:
            frame = frame.join(table, left_on=lookup.on, right_on=lookup.key, how="left", maintain_order="left")
        frame = frame.with_columns(
            [value.alias(_MAPPED + field) for field, value in self._fields.items()]
            + [value.alias(f"{_MAPPED}@{name}") for name, value in self._attributes.items()]
        )
        good, wrong = rules.apply(frame, self._checks)
        frame = frame.filter(good) if wrong else frame
        empty = {field: pl.lit(None, kind) for field, kind in _item_types().items()}
        items = frame.select(
            [
                (pl.col(_MAPPED + field) if field in self._fields else empty[field]).alias(field)
                for field in ITEM_COLUMNS
                if field != "attributes"
            ]
            + [pl.col(f"{_MAPPED}@{name}").alias(f"@{name}") for name in self._attributes]
        ).with_columns(
            pl.col("categories").fill_null([]),
            pl.col("is_available").fill_null(value=True),
        )
        names = list(self._attributes)
        if self._spec.ages is not None and self._known is not None:
            items = ages.with_ages(items, self._spec.ages, self._known)
            for name in (Attribute.CERTIFICATE, Attribute.AGE_RATING_SOURCE):
                items = items.rename({name: f"@{name}"})
                names.append(name)
        attributes = [pl.col(f"@{name}").alias(name) for name in names]
        struct = pl.struct(attributes) if attributes else pl.lit(None)
        return items.with_columns(struct.alias("attributes")).select(ITEM_COLUMNS), wrong

    def _load(self, lookup: Lookup) -> pl.DataFrame:
        path = files.find(lookup.file, *self._folders)
        columns = [lookup.key, *lookup.columns]
        empty = pl.DataFrame(schema=dict.fromkeys(columns, pl.String))
        if path is None:
            if lookup.optional:
                return empty
            raise SpecError(
                f"there is no {lookup.file} in {_list(self._folders)}", fix="put it beside the data set's other files"
            )
        parts = [block.frame for block in read_table(path, columns, delimiter=self._spec.csv.delimiter)]
        table = pl.concat([empty, *parts]).filter(pl.col(lookup.key).is_not_null())
        if lookup.collect:
            values = [pl.col(column).drop_nulls().unique().sort().str.join("|") for column in lookup.columns]
            return table.group_by(lookup.key).agg(values)
        return table.unique(lookup.key, keep="first")

    def _text(self, value: ValueMap) -> pl.Expr:
        """A text of one column; null where nothing is known."""
        if value.column is None:
            return pl.concat_list([pl.col(column) for column in value.needs()]).list.drop_nulls()
        text = pl.col(value.column).str.strip_chars()
        text = pl.when((text != "") & ~text.is_in(value.drop)).then(text) if value.drop else text.replace("", None)
        if value.pattern is not None:
            text = text.str.extract(value.pattern, 1)
        if value.words is not None:
            text = text.str.to_lowercase().replace_strict(value.words, default=None, return_dtype=pl.String)
        if value.exists_in is not None:
            text = text.replace_strict(
                {name: name for name in self._files_in(value.exists_in)}, default=None, return_dtype=pl.String
            )
        if value.template is not None:
            text = pl.concat_str(*_around(value.template, text))
        return text

    def _files_in(self, name: str) -> list[str]:
        for folder in self._folders:
            if folder is not None and (folder / name).is_dir():
                return [file.name for file in (folder / name).iterdir() if file.is_file()]
        return []

    def _field(self, field: ItemField, value: ValueMap) -> pl.Expr:
        text = self._text(value)
        if field == "categories":
            if value.column is None:
                return text.list.unique(maintain_order=True)
            parts = text.str.replace_all(value.split, "\0").str.split("\0") if value.split else pl.concat_list(text)
            parts = parts.list.eval(pl.element().str.strip_chars())
            kept = parts.list.eval(pl.element().filter((pl.element() != "") & ~pl.element().is_in(value.drop)))
            return kept.list.unique(maintain_order=True)
        if field == "is_available":
            return text.str.to_lowercase().is_in([word.lower() for word in value.true_words or ["true", "1", "yes"]])
        if field in _NUMBERS:
            number = text.cast(pl.Float64, strict=False)
            whole = pl.when(number == number.floor()).then(number).cast(pl.Int64, strict=False)
            return whole if field == "rating_count" else number
        return text

    def _rules(self) -> list[Rule]:
        """What an Item refuses, said before it is one."""
        checks: list[Rule] = []
        for field, value in self._items.columns.items():
            mapped, name = pl.col(_MAPPED + field), f"{field} ({', '.join(value.needs())})"
            if field == "item_id":
                checks += rules.identifier(_MAPPED + field, name)
            elif field == "categories":
                checks.append(Rule(mapped.list.len() > 100, f"{name} holds more than 100 categories"))
            elif field in _NUMBERS:
                kind = "a whole number" if field == "rating_count" else "a number"
                text = self._text(value)
                number = mapped.cast(pl.Float64)
                checks.append(Rule(text.is_not_null() & number.fill_null(np.nan).is_nan(), f"{name} is not {kind}"))
                low, high = _bounds(field)
                checks.append(Rule(number.is_not_nan() & (number < low), f"{name} is less than {low:g}"))
                checks.append(Rule(number.is_not_nan() & (number > high), f"{name} is more than {high:g}"))
            elif field != "is_available":
                longest = _longest(field)
                reason = f"{name} is longer than {longest} characters"
                checks.append(Rule(mapped.str.len_chars() > longest, reason))
        return checks


def no_items() -> pl.DataFrame:
    """No items, in ITEM_COLUMNS."""
    return pl.DataFrame(schema={**_item_types(), "attributes": pl.Null()})


def from_ids(ids: list[str]) -> pl.DataFrame:
    """Items of which nothing but the id is known."""
    bare = pl.DataFrame({"item_id": pl.Series(ids, dtype=pl.String)})
    known = {
        "item_id": pl.col("item_id"),
        "categories": pl.lit([], pl.List(pl.String)),
        "is_available": pl.lit(value=True),
    }
    types: dict[str, pl.DataType] = {**_item_types(), "attributes": pl.Null()}
    return bare.select(known.get(field, pl.lit(None, types[field])).alias(field) for field in ITEM_COLUMNS)


def _item_types() -> dict[str, pl.DataType]:
    """Polars types of an item's fields, without attributes."""
    fields = [field for field in ITEM_ARROW if field.name != "attributes"]
    frame = pl.DataFrame(pl.from_arrow(pa.schema(fields).empty_table()))
    return dict(frame.schema)


def _around(template: str, text: pl.Expr) -> list[pl.Expr]:
    before, after = template.split("{}")
    return [pl.lit(before), text, pl.lit(after)]


def _bounds(field: str) -> tuple[float, float]:
    """Smallest and largest value that an Item takes."""
    low, high = -np.inf, np.inf
    for rule in Item.model_fields[field].metadata:
        low, high = getattr(rule, "ge", low), getattr(rule, "le", high)
    return float(low), float(high)


def _longest(field: str) -> int:
    """Characters that an Item's field takes at most."""
    return next(int(rule.max_length) for rule in Item.model_fields[field].metadata if hasattr(rule, "max_length"))


def _list(folders: Sequence[Path | None]) -> str:
    return " or ".join(str(folder) for folder in folders if folder is not None)
