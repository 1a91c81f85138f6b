"""How often what a session had comes next again, counted from silver's events or from sessions of files.

Each event that another follows in its session is a chance for every item that the session had up to it, told apart by
the steps since the item was last met and the times it was met; one of them may be what comes.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from saran.core.confidence import IntArray, Weights
from saran.core.model_parts import Part, repeats_part
from saran.core.next_items import Repeats
from saran.spark.list_parameters import NeighbourParameters
from saran.spark.session_rules import Cut, Visited
from saran.spark.training_data import over_users

MOST_STEPS: Final = 30
MOST_TIMES: Final = 4
"""More steps, or times, than this count as this."""

_SHAPE: Final = (MOST_STEPS + 1, MOST_TIMES + 1)
_COUNTED: Final = "place int, chances long, returns long"


def read_repeats(ordered: DataFrame, weights: Weights, told: NeighbourParameters) -> Part:
    """Of the sessions of which `session_rules.read_rules` reads rules; one Spark job."""
    cut = Cut(weights, told)
    counts = cut.columns(ordered).mapInArrow(over_users(lambda batch: _counted(cut.visits(batch))), _COUNTED)
    table = counts.groupBy("place").agg(F.sum("chances").alias("chances"), F.sum("returns").alias("returns")).toArrow()
    summed = np.zeros((2, _SHAPE[0] * _SHAPE[1]), dtype=np.int64)
    for row, name in zip(summed, ("chances", "returns"), strict=True):
        row[table.column("place").to_numpy()] = table.column(name).to_numpy()
    chances, returns = summed.reshape(2, *_SHAPE)
    return repeats_part(repeats_of(chances, returns), {"session_minutes": told.session_minutes})


def count_repeats(item: IntArray, session: IntArray) -> tuple[IntArray, IntArray]:
    """Chances to come again, and how often one was taken; both of shape (`MOST_STEPS` + 1, `MOST_TIMES` + 1).

    `item` and `session` are of events in the order they were; those of a session stand together.
    """
    place = np.arange(len(item))
    order = np.lexsort((place, item, session))
    same = (item[order][1:] == item[order][:-1]) & (session[order][1:] == session[order][:-1])
    following = np.full(len(item), -1)
    following[order[:-1][same]] = order[1:][same]
    firsts = np.concatenate([np.ones(min(len(item), 1), dtype=np.bool_), ~same])
    times = np.empty(len(item), dtype=np.int64)
    ranks = np.arange(len(item))
    times[order] = ranks - np.maximum.accumulate(np.where(firsts, ranks, 0)) + 1
    last = np.searchsorted(session, session, side="right") - 1
    met = np.minimum(times, MOST_TIMES)
    taken = following >= 0
    # An item has a chance at each step until it comes again, or the session ends.
    steps = np.where(taken, following, last) - place
    returns = np.zeros(_SHAPE, dtype=np.int64)
    np.add.at(returns, (np.minimum(steps[taken], MOST_STEPS), met[taken]), 1)
    ends = np.zeros(_SHAPE, dtype=np.int64)
    np.add.at(ends, (np.minimum(steps, MOST_STEPS), met), 1)
    chances = np.cumsum(ends[::-1], axis=0)[::-1].copy()
    np.add.at(chances[MOST_STEPS], met, np.maximum(steps - MOST_STEPS, 0))
    chances[0] = 0
    return chances, returns


def repeats_of(chances: IntArray, returns: IntArray) -> Repeats:
    """From what `count_repeats` counts; every event that another follows is one chance at the first step."""
    share = float(returns.sum() / max(chances[1].sum(), 1))
    return Repeats(returns / np.maximum(chances, 1), share)


def _counted(visited: Visited) -> pa.RecordBatch:
    chances, returns = (table.ravel() for table in count_repeats(visited.item, visited.session))
    some = np.flatnonzero(chances)
    return pa.record_batch([some.astype(np.int32), chances[some], returns[some]], names=["place", "chances", "returns"])
