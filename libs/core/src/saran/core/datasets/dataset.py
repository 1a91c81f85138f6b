"""A data set opened: its spec, the folder of its files, and readers of both."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import polars as pl

from saran.core.datasets import files, rules
from saran.core.datasets.blocks import SYNTHETIC_MARKER, EventBlock, ItemBlock
from saran.core.datasets.errors import SpecError
from saran.core.datasets.events import read_events
from saran.core.datasets.items import ItemReader, from_ids
from saran.core.datasets.load import read_spec
from saran.core.datasets.properties import read_properties
from saran.core.datasets.spec import DatasetSpec, FileEvents, JoinedEvents, Origin
from saran.core.datasets.titles import title_key, year
from saran.core.settings import Settings

BLOCK_BYTES = 16 << 20
"""Decompressed bytes of a file that are in memory at once, about."""


@dataclass(frozen=True)
class Dataset:
    """A spec and its files. `open_dataset` makes one."""

    spec: DatasetSpec
    folder: Path

    @cached_property
    def synthetic(self) -> bool:
        """Whether the folder holds a synthetic stand-in (SYNTHETIC_MARKER lies in it)."""
        return (self.folder / SYNTHETIC_MARKER).is_file()

    @cached_property
    def source(self) -> str:
        """`source` of events: name, name-synthetic, name-<joined spec>, or name-simulated where there are none."""
        name = f"{self.spec.name}-synthetic" if self.synthetic else self.spec.name
        if self.interactions is Origin.SIMULATED:
            return f"{self.spec.name}-simulated"
        return name if self._joined is None else f"{name}-{self._joined.spec.name}"

    @cached_property
    def interactions(self) -> Origin:
        """GIVEN (a file of events), DERIVED (joined from another data set) or SIMULATED (read_events raises)."""
        if isinstance(self.spec.events, FileEvents):
            return Origin.GIVEN
        return Origin.DERIVED if self._joined is not None and self._join.height else Origin.SIMULATED

    @cached_property
    def events_path(self) -> Path:
        """The file that events are read from. SpecError when it is missing, or interactions are simulated."""
        if isinstance(self.spec.events, FileEvents):
            return self._file(self.spec.events.file)
        if self._joined is not None and self.interactions is Origin.DERIVED:
            return self._joined.events_path
        raise self._no_events()

    @property
    def events_bytes(self) -> int:
        """Decompressed size of the events file, which is read once for it and its checksum."""
        return self._fingerprint.size

    @property
    def events_sha256(self) -> str:
        """SHA-256 of the decompressed events file, hex: what a resume compares."""
        return self._fingerprint.sha256.hex()

    def read_events(self, *, start_row: int = 0, block_bytes: int = BLOCK_BYTES) -> Iterator[EventBlock]:
        """Events in file order from data row `start_row` on. SpecError as events_path, or where columns are missing."""
        mapping = self.spec.events
        if isinstance(mapping, FileEvents):
            return read_events(
                self.spec, mapping, self.events_path, self._fingerprint.sha256, self.source, start_row, block_bytes
            )
        if self._joined is None or self.interactions is not Origin.DERIVED:
            raise self._no_events()
        blocks = self._joined.read_events(start_row=start_row, block_bytes=block_bytes)
        return (_rename_items(block, self._join, self.source) for block in blocks)

    def read_items(self, *, block_bytes: int = BLOCK_BYTES) -> Iterator[ItemBlock]:
        """The catalogue: its files in their order, then items that only events name, where the spec asks for them."""
        items = self.spec.items
        reader = ItemReader(self.spec, self._folders)
        paths = [self._file(name) for name in items.files if not items.optional or self._has(name)]
        hashed = [(path, files.fingerprint(path).sha256) for path in paths]
        source = f"{self.spec.name}-synthetic" if self.synthetic else self.spec.name
        if items.properties is not None:
            blocks = read_properties(self.spec, items.properties, reader, hashed, source, block_bytes)
        else:
            blocks = (block for path, sha256 in hashed for block in reader.read(path, sha256, source, block_bytes))
        seen: set[str] = set()
        for block in blocks:
            if items.from_events:
                seen.update(block.items["item_id"])
            yield block
        if items.from_events:
            yield from self._items_of_events(seen, block_bytes)

    @property
    def source_files(self) -> list[Path]:
        """The files that the spec names and that there are: events, catalogue, and what is joined to it."""
        items, events = self.spec.items, self.spec.events
        names = [*([events.file] if isinstance(events, FileEvents) else []), *items.files]
        names += [lookup.file for lookup in items.lookups]
        return [path for name in dict.fromkeys(names) if (path := files.find(name, *self._folders)) is not None]

    @cached_property
    def media_folder(self) -> Path | None:
        """Folder whose sub-folders `/media/` serves (the one that holds `posters/`), or None."""
        folders = {value.exists_in for value in self.spec.items.values() if value.exists_in is not None}
        return self.folder if any((self.folder / name).is_dir() for name in folders) else None

    def _no_events(self) -> SpecError:
        message = f"{self.spec.name} in {self.folder} has no interactions to read"
        return SpecError(message, fix="simulate them (`saran simulate`)")

    def _items_of_events(self, seen: set[str], block_bytes: int) -> Iterator[ItemBlock]:
        for block in self.read_events(block_bytes=block_bytes):
            ids = block.events["item_id"].unique(maintain_order=True).to_list()
            fresh = [item for item in ids if item not in seen]
            seen.update(fresh)
            if fresh:
                yield ItemBlock(from_ids(fresh), rules.no_rejected(), block.first_row, len(fresh), block.bytes_read)

    @property
    def _folders(self) -> tuple[Path | None, Path | None]:
        """Where second files are looked for: with the data, else what comes with the spec."""
        return self.folder, self.spec.bundled_folder

    def _has(self, name: str) -> bool:
        return files.find(name, self.folder) is not None

    def _file(self, name: str) -> Path:
        if (path := files.find(name, self.folder)) is None:
            raise SpecError(f"there is no {name} or {name}.gz in {self.folder}", fix=_how_to_get(self.spec))
        return path

    @cached_property
    def _fingerprint(self) -> files.Fingerprint:
        return files.fingerprint(self.events_path)

    @cached_property
    def _joined(self) -> Dataset | None:
        """The data set that events are joined from, where it is found."""
        events = self.spec.events
        # A made-up item that has a real one's name has it by chance, and must not have its events.
        if not isinstance(events, JoinedEvents) or self.synthetic:
            return None
        other = read_spec(self.spec.path.parent / f"{events.spec}.yaml")
        if not isinstance(other.events, FileEvents):
            raise SpecError(f"{self.spec.path}: events.spec {events.spec} has no file of events", fix="name another")
        places = [self.folder / name for name in events.folders]
        if other.bundled:
            places += [folder for folder in [other.bundled_folder] if folder is not None]
        for folder in places:
            if files.find(other.events.file, folder) is not None:
                return Dataset(other, folder)
        return None

    @cached_property
    def _join(self) -> pl.DataFrame:
        """Columns other (the joined data set's item id), item_id (this one's): equal normalised title and year."""
        if self._joined is None:
            return pl.DataFrame(schema={"other": pl.String, "item_id": pl.String})
        mine, theirs = _keys(self).unique(["key", "year"], keep="first"), _keys(self._joined)
        return (
            theirs.rename({"item_id": "other"}).join(mine, on=["key", "year"], how="inner").select("other", "item_id")
        )


def open_dataset(spec: DatasetSpec, settings: Settings, *, data: Path | None = None) -> Dataset:
    """Find the files: `data`, else settings.data, else the bundled folder. SpecError names what is missing."""
    folder = data or settings.data
    if folder is None:
        if not spec.bundled or spec.bundled_folder is None:
            raise SpecError(f"{spec.name} is not bundled", fix=_how_to_get(spec))
        folder = spec.bundled_folder
    folder = folder.expanduser().resolve()
    if not folder.is_dir():
        raise SpecError(f"there is no folder {folder}", fix=_how_to_get(spec))
    dataset = Dataset(spec, folder)
    needed = [] if spec.items.optional else spec.items.files
    for name in [*needed, *([spec.events.file] if isinstance(spec.events, FileEvents) else [])]:
        dataset._file(name)
    return dataset


def _how_to_get(spec: DatasetSpec) -> str:
    ways = ["name the folder of its files (SARAN_DATA, DATA=DIR or --path DIR)"]
    if spec.obtain:
        ways.append(f"get them: {spec.obtain}")
    if spec.synthetic:
        ways.append(f"make a synthetic stand-in (`saran synthesise {spec.synthetic} --out DIR`)")
    return "; or ".join(ways)


def _keys(dataset: Dataset) -> pl.DataFrame:
    """Columns item_id, key, year of a catalogue; items without title or year are left out."""
    parts = [block.items.select("item_id", "title", "release_date") for block in dataset.read_items()]
    return (
        pl.concat(parts)
        .select("item_id", title_key(pl.col("title")).alias("key"), year(pl.col("release_date")).alias("year"))
        .drop_nulls()
        .unique("item_id", keep="first", maintain_order=True)
    )


def _rename_items(block: EventBlock, join: pl.DataFrame, source: str) -> EventBlock:
    """The same events of this catalogue's items."""
    columns = block.events.columns
    events = block.events.with_columns(block.event_rows.alias("row"), pl.lit(source).alias("source"))
    events = events.rename({"item_id": "other"}).join(join, on="other", how="inner", maintain_order="left")
    return replace(
        block,
        events=events.select(columns),
        event_rows=events["row"],
        rejected=block.rejected.with_columns(pl.lit(source).alias("source")),
        left_out=block.events.height - events.height,
    )
