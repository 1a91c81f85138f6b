"""What follows an item in the sessions of silver's events: the rules that lists of sessions begin with.

A session is what a user did without a pause. Each pair of its events of interest, at most `STEPS` apart, adds to a
rule from the one item to the other: 1 for the next event, less the further apart they are, and less for an event that
came before. Spark adds up within whole users; whole numbers are added, so that any order gives the same rules.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from saran.core.confidence import IntArray, Weights, strengths
from saran.core.model_parts import Part, rules_part
from saran.core.rows import Rows
from saran.spark.list_parameters import NeighbourParameters
from saran.spark.training_data import over_users

STEPS: Final = 10
"""Events further apart add nothing; the last of them adds about 1 %."""

RATE: Final = 2.0
"""Steps over which what a pair adds falls to 1 / e."""

BACK: Final = 0.2
"""What an event that came before adds, of one that came after."""

SOURCES: Final = 3
"""Last items of the session that a list is asked for which have a say."""

SOURCE_RATE: Final = 1.0
"""Steps from its end over which an item's say falls to 1 / e."""

UNIT: Final = 1 << 20
"""Whole number that stands for 1."""

_ADDED: Final = "source string, target string, weight long"
_US_A_MINUTE: Final = 60_000_000


def read_rules(ordered: DataFrame, weights: Weights, item_ids: pa.ChunkedArray, told: NeighbourParameters) -> Part:
    """The rules of events that `training_data.by_user` ordered, by the place of items in `item_ids`; one Spark job.

    The driver collects at most `told.next_items` rows an item. Items that `item_ids` lacks, as those that are in no
    history's last events may be, have no rules.
    """
    cut = Cut(weights, told)
    added = cut.columns(ordered).mapInArrow(over_users(lambda batch: _added(cut.visits(batch))), _ADDED)
    summed = added.groupBy("source", "target").agg(F.sum("weight").alias("weight"))
    best = Window.partitionBy("source").orderBy(F.desc("weight"), "target")
    kept = summed.withColumn("place", F.row_number().over(best)).where(F.col("place") <= told.next_items)
    return rules_part(
        _rows(kept.drop("place").toArrow(), item_ids),
        sources=SOURCES,
        source_rate=SOURCE_RATE,
        parameters={"session_minutes": told.session_minutes, "next_items": told.next_items},
    )


class Visited(NamedTuple):
    """Events of interest in the order they were; those of a session stand together."""

    item: IntArray
    """Positions in `names`, shape (events,)."""
    session: IntArray
    """From 0, shape (events,)."""
    names: pa.Array


@dataclass(frozen=True)
class Cut:
    """How events become sessions."""

    weights: Weights
    told: NeighbourParameters

    def columns(self, ordered: DataFrame) -> DataFrame:
        """What of events that `training_data.by_user` ordered `visits` reads."""
        return ordered.select("user_id", "item_id", "action", "value", F.unix_micros("event_time").alias("time"))

    def visits(self, events: pa.Table) -> Visited:
        """The sessions of some whole users."""
        actions = events.column("action").to_numpy().astype(np.int64)
        interest = strengths(actions, events.column("value").to_numpy().astype(np.float64), self.weights) > 0
        events = events.filter(pa.array(interest)).combine_chunks()
        users, items = (events.column(name).combine_chunks().dictionary_encode() for name in ("user_id", "item_id"))
        pause = round(self.told.session_minutes * _US_A_MINUTE)
        ends = (np.diff(users.indices.to_numpy()) != 0) | (np.diff(events.column("time").to_numpy()) >= pause)
        session = np.concatenate([np.zeros(min(len(users), 1), dtype=np.int64), np.cumsum(ends)])
        return Visited(items.indices.to_numpy().astype(np.int64), session, items.dictionary)


def _added(visited: Visited) -> pa.RecordBatch:
    """What pairs of events of some whole users add to rules."""
    source, target, weight = counted(visited.item, visited.session, len(visited.names))
    names = (visited.names.take(pa.array(place)) for place in (source, target))
    return pa.record_batch([*names, weight], names=["source", "target", "weight"])


def counted(item: IntArray, session: IntArray, count: int) -> tuple[IntArray, IntArray, IntArray]:
    """Sources, targets and weights of rules, in `UNIT`s, from items 0 … `count` - 1 in the order they were met.

    `session` has the session of each of `item`; those of a session stand together.
    """
    keys: list[IntArray] = []
    amounts: list[IntArray] = []
    for step in range(1, min(STEPS, len(item) - 1) + 1):
        same = session[step:] == session[:-step]
        before, after = item[:-step][same], item[step:][same]
        amount = np.exp(-(step - 1) / RATE) * UNIT
        keys += [before * count + after, after * count + before]
        amounts += [np.full(len(before), round(one), dtype=np.int64) for one in (amount, BACK * amount)]
    pairs, pair_of = np.unique(np.concatenate([*keys, np.zeros(0, np.int64)]), return_inverse=True)
    weight = np.zeros(len(pairs), dtype=np.int64)
    np.add.at(weight, pair_of, np.concatenate([*amounts, np.zeros(0, np.int64)]))
    source, target = np.divmod(pairs, max(count, 1))
    return source, target, weight


def _rows(rules: pa.Table, item_ids: pa.ChunkedArray) -> Rows:
    places = [pc.index_in(rules.column(name), value_set=item_ids).combine_chunks() for name in ("source", "target")]
    known = pc.and_(*(pc.is_valid(column) for column in places))
    source, target = (column.filter(known).to_numpy().astype(np.int64) for column in places)
    weight = rules.column("weight").combine_chunks().filter(known).to_numpy()
    order = np.lexsort((target, -weight, source))
    starts = np.concatenate([np.zeros(1, np.int64), np.cumsum(np.bincount(source, minlength=len(item_ids)))])
    return Rows(starts, target[order].astype(np.int32), (weight[order] / UNIT).astype(np.float32))
