"""From silver's events to one row a visitor: what is known at a moment, and whether the visitor buys after it.

The moment is the time of one of the visitor's own events, drawn by a hash of visitor and seed: a model is asked about
visitors in the middle of what they do, not only at their end. Features are of events up to the moment, the label is of
events behind it, so no feature knows what it is to foretell.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from pyspark.sql import Column, DataFrame, GroupedData, Window
from pyspark.sql import functions as F

from saran.core.entities import Action
from saran.core.visitor_counts import LOOKS
from saran.core.visitor_models import SEGMENT_INPUTS, SESSION_INPUTS

_DAY_MS: Final = 24 * 3_600_000
_MINUTE_MS: Final = 60_000
_PAUSE_MS: Final = 30 * _MINUTE_MS
"""A session ends when nothing is done for so long."""


def purchase_examples(events: DataFrame, *, horizon_days: float, seed: int) -> DataFrame:
    """One row a visitor: user_id, moment_ms, SESSION_INPUTS as float, bought as boolean.

    `bought` is of purchases later than the moment and at most `horizon_days` later.
    """
    drawn = F.lit(1) + F.pmod(F.xxhash64("user_id", F.lit(seed)), F.col("events"))
    after = F.col("time") - F.col("moment_ms")
    bought = (after > 0) & (after <= round(horizon_days * _DAY_MS)) & (F.col("action") == Action.PURCHASE)
    return _at(events, drawn).agg(*_session_inputs(), F.max(bought).alias("bought"))


def purchase_inputs(events: DataFrame) -> DataFrame:
    """One row a visitor, at its last event: user_id, moment_ms, SESSION_INPUTS as float."""
    return _at(events, F.col("events")).agg(*_session_inputs())


def _at(events: DataFrame, drawn: Column) -> GroupedData:
    """Events by user_id and moment_ms, the time of the visitor's `drawn`-th event; `known` are those up to it."""
    mine = Window.partitionBy("user_id")
    in_order = mine.orderBy("time", F.md5(F.col("event_id").cast("binary")))
    so_far = in_order.rowsBetween(Window.unboundedPreceding, Window.currentRow)
    pause = F.col("time") - F.lag("time").over(in_order)
    numbered = (
        events.withColumn("time", F.unix_millis("event_time"))
        .withColumn("pause", pause)
        .withColumn("starts", F.coalesce(F.col("pause") >= _PAUSE_MS, F.lit(True)).cast("int"))
        .select(
            *("user_id", "item_id", "action", "time", "pause"),
            F.row_number().over(in_order).alias("place"),
            F.sum("starts").over(so_far).alias("session"),
            F.count("*").over(mine).alias("events"),
        )
    )
    known = F.col("time") <= F.col("moment_ms")
    return (
        numbered.withColumn("moment_ms", F.max(F.when(F.col("place") == drawn, F.col("time"))).over(mine))
        .withColumn("known", known)
        .withColumn(
            "newest", F.max(F.when(F.col("known"), F.struct("place", "session", "item_id", "pause"))).over(mine)
        )
        .groupBy("user_id", "moment_ms")
    )


def behaviour(events: DataFrame) -> DataFrame:
    """One row a visitor: user_id, SEGMENT_INPUTS as float.

    Ratios of views and of carts are over all events, that of purchases is over views; 0 where there is no view.
    """
    counts = events.groupBy("user_id").agg(
        F.count("*").alias("total_events"),
        F.count_if(_is(LOOKS)).alias("total_views"),
        F.count_if(_is([Action.ADD_TO_CART])).alias("total_addtocart"),
        F.count_if(_is([Action.PURCHASE])).alias("total_transactions"),
    )
    ratios = {
        "view_ratio": F.col("total_views") / F.col("total_events"),
        "addtocart_ratio": F.col("total_addtocart") / F.col("total_events"),
        "transaction_ratio": F.coalesce(F.try_divide("total_transactions", "total_views"), F.lit(0.0)),
    }
    return counts.withColumns(ratios).select(
        "user_id", *(F.col(name).cast("float").alias(name) for name in SEGMENT_INPUTS)
    )


def _session_inputs() -> list[Column]:
    """SESSION_INPUTS of the events that are `known`; the session is that of the `newest` of them."""
    known, item = F.col("known"), F.col("item_id")
    here = known & (F.col("session") == F.col("newest.session"))
    moment = F.max("moment_ms")
    inputs = (
        F.count_if(known & _is(LOOKS)),
        F.count_if(known & _is([Action.ADD_TO_CART])),
        F.count_distinct(F.when(known, item)),
        F.count_if(known & _is([Action.PURCHASE])),
        F.max(F.when(known, F.col("session"))),
        (moment - F.min("time")) / _DAY_MS,
        F.coalesce(F.max("newest.pause"), F.lit(0)) / _MINUTE_MS,
        F.count_if(known & _is(LOOKS) & (item == F.col("newest.item_id"))),
        F.count_if(here),
        F.count_if(here & _is([Action.ADD_TO_CART])),
        F.count_distinct(F.when(here, item)),
        (moment - F.min(F.when(here, F.col("time")))) / _MINUTE_MS,
    )
    return [column.cast("float").alias(name) for column, name in zip(inputs, SESSION_INPUTS, strict=True)]


def _is(actions: Sequence[Action]) -> Column:
    return F.col("action").isin([action.value for action in actions])
