"""From silver's events to one row a visitor: what is known at a moment, and whether the visitor buys after it.

The moment is the time of one of the visitor's own events, drawn by a hash of visitor and seed: a model is asked about
visitors in the middle of what they do, not only at their end. Features are of events up to the moment, the label is of
events behind it, so no feature knows what it is to foretell.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from saran.core.entities import Action
from saran.core.visitor_counts import LOOKS
from saran.core.visitor_models import PURCHASE_INPUTS, SEGMENT_INPUTS

_DAY_MS: Final = 24 * 3_600_000


def purchase_examples(events: DataFrame, *, horizon_days: float, seed: int) -> DataFrame:
    """One row a visitor: user_id, moment_ms, PURCHASE_INPUTS as float, bought as boolean.

    `bought` is of purchases later than the moment and at most `horizon_days` later.
    """
    mine = Window.partitionBy("user_id")
    in_order = mine.orderBy("time", F.md5(F.col("event_id").cast("binary")))
    timed = events.withColumn("time", F.unix_millis("event_time"))
    numbered = timed.select(
        *("user_id", "item_id", "action", "time"),
        F.row_number().over(in_order).alias("place"),
        F.count("*").over(mine).alias("events"),
    )
    drawn = F.lit(1) + F.pmod(F.xxhash64("user_id", F.lit(seed)), F.col("events"))
    known_from = numbered.withColumn("moment_ms", F.max(F.when(F.col("place") == drawn, F.col("time"))).over(mine))
    after = F.col("time") - F.col("moment_ms")
    known = after <= 0
    bought = (after > 0) & (after <= round(horizon_days * _DAY_MS)) & (F.col("action") == Action.PURCHASE)
    return known_from.groupBy("user_id", "moment_ms").agg(*_inputs(known), F.max(bought).alias("bought"))


def purchase_inputs(events: DataFrame) -> DataFrame:
    """One row a visitor, of all its events: user_id, PURCHASE_INPUTS as float."""
    return events.groupBy("user_id").agg(*_inputs(F.lit(True)))


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


def _inputs(known: Column) -> list[Column]:
    inputs = (
        F.count_if(known & _is(LOOKS)),
        F.count_if(known & _is([Action.ADD_TO_CART])),
        F.count_distinct(F.when(known, F.col("item_id"))),
    )
    return [column.cast("float").alias(name) for column, name in zip(inputs, PURCHASE_INPUTS, strict=True)]


def _is(actions: Sequence[Action]) -> Column:
    return F.col("action").isin([action.value for action in actions])
