"""One pass over a micro-batch: each Spark task writes its rows as data files of bronze, silver and rejected.

The files belong to no table until the driver commits them, so a task that fails, is tried again or is killed leaves
nothing but files that no reader sees. Tasks answer with one row a file. Writing from Arrow here spares
the JVM's parsing and writing, which move every field by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import DataFrame

from saran.core.erasures import Tombstones
from saran.core.s3 import Location
from saran.spark.data_files import FileWriter
from saran.spark.erased_rows import leave_out, without_places
from saran.spark.hashes import Hashes, concat, from_bytes, hash_texts
from saran.spark.owned_table import DataFile

_RESULT: Final = (
    "layer string, name string, rows long, size long, stats string, hashes binary, partition int, next_offset long"
)
_READ: Final = "read"
BRONZE: Final = "bronze"
SILVER: Final = "silver"
REJECTED: Final = "rejected"

Parse = Callable[[pa.Table], tuple[pa.Table, pa.Table]]
"""From records to the rows of silver and of rejected; each record is in exactly one of them."""


@dataclass(frozen=True)
class Layer:
    """Where and how the files of one layer are written."""

    folder: Location
    schema: pa.Schema
    dictionary: list[str]
    ranged: tuple[str, ...]
    id_column: str | None = None
    """Column whose hashes the driver gets, in the order of the file's rows."""


@dataclass(frozen=True)
class Plan:
    """What a task does with its rows; sent to the workers with each micro-batch."""

    layers: Mapping[str, Layer]
    bronze_next: Mapping[int, int]
    """First offset of each partition that bronze does not hold; rows before it are not written there."""
    silver_next: Mapping[int, int]
    """First offset of each partition that silver has not seen; rows before it are not parsed."""
    bronze: Callable[[pa.Table], pa.Table]
    parse: Parse
    tombstones: Tombstones = field(default_factory=Tombstones)
    """Users of whom no layer gets a row, for events up to a time."""


@dataclass(frozen=True)
class StagedFile:
    """A file that waits for its commit, and the hashes of its ids where its layer has an id column."""

    file: DataFile
    hashes: Hashes


@dataclass
class Staged:
    """All that the tasks of a micro-batch made."""

    files: dict[str, list[StagedFile]] = field(default_factory=dict)
    next_offsets: dict[int, int] = field(default_factory=dict)
    """Behind the last record of each partition."""
    records: int = 0
    """Records that silver has not seen before."""

    def rows(self, layer: str) -> int:
        """Rows of all files of a layer."""
        return sum(staged.file.rows for staged in self.files.get(layer, []))


def stage(frame: DataFrame, plan: Plan) -> Staged:
    """Run `plan` over a frame of Kafka records, in one Spark job. Collects one row a file, with its ids' hashes."""

    def task(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        yield from _run(plan, batches)

    answers = frame.mapInArrow(task, _RESULT).toArrow()
    staged = Staged()
    for answer in answers.to_pylist():
        if answer["layer"] == _READ:
            partition = answer["partition"]
            staged.next_offsets[partition] = max(answer["next_offset"], staged.next_offsets.get(partition, 0))
            staged.records += answer["rows"]
        else:
            file = DataFile(
                plan.layers[answer["layer"]].folder / answer["name"], answer["rows"], answer["size"], answer["stats"]
            )
            staged.files.setdefault(answer["layer"], []).append(StagedFile(file, from_bytes(answer["hashes"])))
    return staged


def _run(plan: Plan, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    writers = {
        name: FileWriter(layer.folder, layer.schema, layer.dictionary, layer.ranged)
        for name, layer in plan.layers.items()
    }
    hashes: dict[str, list[Hashes]] = {name: [] for name in plan.layers}
    reached: dict[int, int] = {}
    read: dict[int, int] = {}
    for batch in batches:
        records = pa.Table.from_batches([batch])
        unseen = _unseen(records, plan.silver_next)
        silver, rejected = plan.parse(unseen)
        if plan.tombstones:
            silver, rejected, gone = leave_out(plan.tombstones, silver, rejected)
            # What bronze has not seen, silver has not either: it is committed last.
            unseen, kept = without_places(unseen, gone), without_places(records, gone)
        else:
            kept = records
        writers[BRONZE].write(plan.bronze(_unseen(kept, plan.bronze_next)))
        _count(records, unseen, reached, read)
        for name, rows in zip((SILVER, REJECTED), (silver, rejected), strict=True):
            writers[name].write(rows)
            column = plan.layers[name].id_column
            if column is not None and rows.num_rows:
                hashes[name].append(hash_texts(rows.column(column).combine_chunks()))
    yield from (_answer_read(partition, reached[partition], read[partition]) for partition in reached)
    for name, writer in writers.items():
        file = writer.close()
        if file is not None:
            yield _answer_file(name, file, concat(hashes[name]))


def _unseen(records: pa.Table, next_offsets: Mapping[int, int]) -> pa.Table:
    """The records at or behind their partition's next offset."""
    partitions = records.column("partition").to_numpy()
    offsets = records.column("offset").to_numpy()
    seen = np.zeros(len(offsets), dtype=np.bool_)
    for partition in np.unique(partitions):
        first = next_offsets.get(int(partition))
        if first is not None:
            seen |= (partitions == partition) & (offsets < first)
    return records.filter(pa.array(~seen)) if seen.any() else records


def _count(records: pa.Table, unseen: pa.Table, reached: dict[int, int], read: dict[int, int]) -> None:
    """Add up the highest offsets reached and the records not seen before, by partition."""
    highest = records.group_by("partition").aggregate([("offset", "max")])
    for row in highest.to_pylist():
        partition = row["partition"]
        reached[partition] = max(reached.get(partition, 0), row["offset_max"] + 1)
        read.setdefault(partition, 0)
    for row in pc.value_counts(unseen.column("partition")).to_pylist():
        read[row["values"]] += row["counts"]


def _answer_read(partition: int, next_offset: int, rows: int) -> pa.RecordBatch:
    return _answer(layer=_READ, rows=rows, partition=partition, next_offset=next_offset)


def _answer_file(layer: str, file: DataFile, hashes: Hashes) -> pa.RecordBatch:
    return _answer(
        layer=layer, name=file.path.name, rows=file.rows, size=file.size, stats=file.stats, hashes=hashes.to_bytes()
    )


def _answer(**values: object) -> pa.RecordBatch:
    types = {
        "layer": pa.string(),
        "name": pa.string(),
        "rows": pa.int64(),
        "size": pa.int64(),
        "stats": pa.string(),
        "hashes": pa.binary(),
        "partition": pa.int32(),
        "next_offset": pa.int64(),
    }
    schema = pa.schema(list(types.items()))
    return pa.RecordBatch.from_pylist([values], schema=schema)
