"""The job `features`: what each user did, and how valuable it makes the user, from silver into gold.user_features.

Recency, frequency and monetary value (Hughes, Strategic Database Marketing, 1994) are of users who bought. A score says
in which fifth of them a user is, 5 being the best; equal values have equal scores.

In the driver's memory: the row of each user.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from deltalake import CommitProperties, DeltaTable, Transaction, write_deltalake
from numpy.typing import NDArray
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from saran.core.entities import Action
from saran.core.errors import SaranError
from saran.core.names import Table
from saran.core.s3 import delta_options
from saran.core.settings import Settings
from saran.core.trends.events import ACTIONS
from saran.core.trends.facts import MOST, cents
from saran.spark.tables import open_table, read_events, silver_events

_DAY_MS: Final = 24 * 3_600_000
_TIME: Final = pa.timestamp("us", "UTC")
_FIFTHS: Final = 5
_COUNTED: Final = {name: action for name, action in ACTIONS.items() if action != Action.IMPRESSION}

SCHEMA: Final = pa.schema(
    [
        pa.field(name, kind, nullable=name in {"recency_days", "recency_score", "frequency_score", "monetary_score"})
        for name, kind in {
            "user_id": pa.string(),
            "events": pa.int64(),
            **dict.fromkeys(_COUNTED, pa.int64()),
            "items": pa.int64(),
            "active_days": pa.int64(),
            "first_event": _TIME,
            "last_event": _TIME,
            "recency_days": pa.int64(),
            "frequency": pa.int64(),
            "monetary_cents": pa.int64(),
            "recency_score": pa.int32(),
            "frequency_score": pa.int32(),
            "monetary_score": pa.int32(),
            "as_of": _TIME,
        }.items()
    ]
)
"""Columns of gold.user_features; docs/analytics.md says what they hold."""


@dataclass(frozen=True)
class Made:
    """What the table holds now."""

    as_of: datetime
    events_version: int
    users: int
    buyers: int


def make_features(spark: SparkSession, settings: Settings, as_of: datetime | None = None) -> Made:
    """Replace gold.user_features by what silver has at its newest version, of events up to `as_of`.

    Without it, it is the time of the newest event. Raises SaranError when there is no event up to then.
    """
    items = open_table(settings, Table.SILVER_ITEMS)
    silver = silver_events(settings)
    events = read_events(spark, silver, more="transaction_id string")
    moment = as_of or _newest(events)
    rows = features(events.where(F.col("event_time") <= F.lit(moment)), _prices(spark, items)).toArrow()
    if not rows.num_rows:
        raise SaranError(
            f"silver.events has no event up to {moment.isoformat()}",
            fix="load events with `saran load`, or give a later --as-of",
        )
    table = scored(rows, moment)
    _write(settings, table, silver)
    buyers = pc.sum(pc.greater(table.column("purchases"), 0)).as_py() or 0
    return Made(moment, int(silver.version()), table.num_rows, int(buyers))


def features(events: DataFrame, prices: DataFrame) -> DataFrame:
    """A row a user: counts, and times in milliseconds since 1970; last_purchase is null where there is none.

    `prices` has item_id and price_cents, each item once. The amount of a purchase is its event's value or else the
    price, and 0 where neither is known. Purchases of one transaction are one of `frequency`.
    """
    bought = F.col("action") == Action.PURCHASE
    order = F.coalesce(F.concat(F.lit("t"), "transaction_id"), F.concat(F.lit("e"), "event_id"))
    said = F.when(F.abs("value") <= MOST, F.rint(F.col("value") * 100).cast("long"))
    priced = events.join(prices, on="item_id", how="left")
    return priced.groupBy("user_id").agg(
        F.count("*").alias("events"),
        *(F.count_if(F.col("action") == action.value).alias(name) for name, action in _COUNTED.items()),
        F.count_distinct("item_id").alias("items"),
        F.count_distinct(F.to_date("event_time")).alias("active_days"),
        _millis(F.min("event_time")).alias("first_event"),
        _millis(F.max("event_time")).alias("last_event"),
        _millis(F.max(F.when(bought, F.col("event_time")))).alias("last_purchase"),
        F.count_distinct(F.when(bought, order)).alias("frequency"),
        F.sum(F.when(bought, F.coalesce(said, "price_cents", F.lit(0))).otherwise(0)).alias("monetary_cents"),
    )


def scored(rows: pa.Table, as_of: datetime) -> pa.Table:
    """`features`, collected, in the form of SCHEMA: with recency and scores, by user_id."""
    rows = rows.sort_by("user_id").combine_chunks()
    moment = round(as_of.timestamp() * 1000)
    last = rows.column("last_purchase")
    bought = last.is_valid().to_numpy(zero_copy_only=False)
    recency = (moment - pc.fill_null(last, moment).to_numpy()) // _DAY_MS
    measures = {
        "recency_score": -recency,
        "frequency_score": rows.column("frequency").to_numpy(),
        "monetary_score": rows.column("monetary_cents").to_numpy(),
    }
    columns = {name: rows.column(name) for name in rows.column_names}
    columns |= {name: pa.array(_fifths(values, bought), mask=~bought) for name, values in measures.items()}
    columns["recency_days"] = pa.array(recency, mask=~bought)
    for name in ("first_event", "last_event"):
        columns[name] = rows.column(name).cast(pa.timestamp("ms", "UTC"))
    columns["as_of"] = pa.repeat(pa.scalar(as_of, _TIME), rows.num_rows)
    return pa.table({name: columns[name] for name in SCHEMA.names}).cast(SCHEMA)


def _fifths(values: NDArray[np.int64], among: NDArray[np.bool_]) -> NDArray[np.int32]:
    """In which fifth of the values `among` each is, from 1: by how many of them are smaller."""
    ordered = np.sort(values[among])
    below = np.searchsorted(ordered, values)
    return (1 + np.minimum(below * _FIFTHS // max(1, len(ordered)), _FIFTHS - 1)).astype(np.int32)


def _prices(spark: SparkSession, items: DeltaTable | None) -> DataFrame:
    schema = pa.schema({"item_id": pa.string(), "price_cents": pa.int64()})
    if items is None:
        return spark.createDataFrame(schema.empty_table())
    rows = items.to_pyarrow_table(columns=["item_id", "price"])
    amounts, known = cents(rows.column("price").cast(pa.float64()).to_numpy())
    priced = pa.table({"item_id": rows.column("item_id").cast(pa.string()), "price_cents": amounts}, schema=schema)
    return spark.createDataFrame(priced.filter(pa.array(known)))


def _newest(events: DataFrame) -> datetime:
    row = events.agg(_millis(F.max("event_time"))).head()
    newest = None if row is None else row[0]
    return datetime.fromtimestamp((newest or 0) / 1000, UTC)


def _millis(time: Column) -> Column:
    return F.unix_millis(time)


def _write(settings: Settings, rows: pa.Table, silver: DeltaTable) -> None:
    folder = settings.table_folder(Table.GOLD_USER_FEATURES)
    of = Transaction(f"{Table.SILVER_EVENTS}/{silver.metadata().id}", int(silver.version()))
    write_deltalake(
        str(folder),
        rows,
        mode="overwrite",
        schema_mode="overwrite",
        name=Table.GOLD_USER_FEATURES,
        configuration={"delta.enableDeletionVectors": "false"},
        commit_properties=CommitProperties(app_transactions=[of]),
        storage_options=delta_options(folder),
    )
