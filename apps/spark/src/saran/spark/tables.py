"""Delta tables read at one version, which the manifest of what was made of them names.

The table's log says which Parquet files a version has; Spark reads those as they are, so a job that only reads needs
no Delta inside Spark, which takes seconds to warm up.
"""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError, TableNotFoundError
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from saran.core.entities import ITEM_ARROW
from saran.core.errors import SaranError
from saran.core.names import EXPOSURES, Table
from saran.core.s3 import delta_options
from saran.core.settings import Settings
from saran.core.window import ALL_EVENTS, Window

_DELETION_VECTORS = "deletionVectors"


def open_table(settings: Settings, table: str, version: int | None = None) -> DeltaTable | None:
    """A version of `table` (a name of saran.core.names.Table), the newest if None; None when there is no such table.

    Raises SaranError when the version, or a file of it, is gone.
    """
    folder = settings.table_folder(table)
    try:
        opened = DeltaTable(str(folder), version=version, storage_options=delta_options(folder))
    except TableNotFoundError:
        return None
    except DeltaError as error:
        raise _gone(table, version, str(error)) from error
    if version is not None:
        for uri in opened.file_uris():
            if not settings.locate(uri).exists():
                raise _gone(table, version, f"there is no {uri}")
    return opened


def _gone(table: str, version: int | None, reason: str) -> SaranError:
    return SaranError(
        f"{table} cannot be read as of version {version}: {reason}",
        fix="old versions go with their retention; train anew, without --from-manifest",
    )


def silver_events(settings: Settings, version: int | None = None) -> DeltaTable:
    """A version of silver.events, the newest if None. Raises SaranError when there is none yet, or it is gone."""
    events = open_table(settings, Table.SILVER_EVENTS, version)
    if events is None:
        raise SaranError(
            f"there is no table {Table.SILVER_EVENTS} at {settings.table_path(Table.SILVER_EVENTS)} yet",
            fix="start the platform with `saran up` and load events with `saran load`",
        )
    return events


def count_events(settings: Settings) -> int:
    """Rows of silver.events by its log, 0 when there is no such table; reads no row."""
    events = open_table(settings, Table.SILVER_EVENTS)
    return 0 if events is None else int(events.count())


def read_events(
    spark: SparkSession, events: DeltaTable, window: Window = ALL_EVENTS, *, more: str | None = None
) -> DataFrame:
    """Rows of silver.events that the window holds, as of the version that `events` stands at.

    An event that no file load sent has no batch, and is in no range of batches. Impressions that experiments logged are
    left out: nobody did anything.

    Columns: event_time, user_id, item_id, action, value, source, event_id, batch, and `more`, in SQL with its type.
    Raises SaranError for a table with deletion vectors, whose files hold rows that are no longer in the table.
    """
    if _DELETION_VECTORS in (events.protocol().reader_features or ()):
        raise SaranError(
            f"{Table.SILVER_EVENTS} has deletion vectors, so its files cannot be read one by one",
            fix="run REORG TABLE … APPLY (PURGE) on it and drop the feature deletionVectors",
        )
    schema = (
        "event_time timestamp, user_id string, item_id string, action string, value double, source string, "
        "event_id string, batch int"
    )
    if more is not None:
        schema = f"{schema}, {more}"
    files = sorted(events.file_uris())
    frame = spark.read.schema(schema).parquet(*files) if files else spark.createDataFrame([], schema)
    for condition in (F.col("source") != EXPOSURES, *_conditions(window)):
        frame = frame.where(condition)
    return frame


def read_items(catalogue: DeltaTable | None, item_ids: list[str]) -> pa.Table:
    """The whole catalogue and items that only events name (`item_ids`), in ITEM_ARROW's columns, by item_id.

    An item without a row in the catalogue has its id and an Item's defaults.
    """
    if catalogue is None:
        known = ITEM_ARROW.empty_table()
    else:
        known = catalogue.to_pyarrow_table(columns=ITEM_ARROW.names).select(ITEM_ARROW.names).cast(ITEM_ARROW)
    named = pa.array(item_ids, type=pa.string())
    unknown = named.filter(pc.invert(pc.is_in(named, value_set=known.column("item_id").combine_chunks())))
    bare = pa.Table.from_pylist(
        [{"item_id": item, "categories": [], "is_available": True, "attributes": []} for item in unknown.to_pylist()],
        schema=ITEM_ARROW,
    )
    return pa.concat_tables([known, bare]).sort_by("item_id").combine_chunks()


def _conditions(window: Window) -> list[Column]:
    time, batch = F.col("event_time"), F.col("batch")
    bounds = (
        (window.since, lambda least: time >= F.lit(least)),
        (window.until, lambda end: time < F.lit(end)),
        (window.from_batch, lambda first: batch >= first),
        (window.to_batch, lambda last: batch <= last),
    )
    return [keeps(bound) for bound, keeps in bounds if bound is not None]
