"""From silver's events to what a recommender is trained and measured on.

Spark clusters and sorts the events by user; each partition then runs numpy over whole users, by the confidence
function that the API uses (`saran.core.confidence`). What the driver collects is one row for each pair of a user
and an item, never a row an event (`read_pairs`), and the events of the sampled test users (`read_held_out`).

A user's events are ordered by event_time, then Kafka partition, then offset: that is how the online worker, which
reads a user's events in order of their offsets, breaks ties of event_time too. Where two copies of the events
arrived in different order (a table restored from a backup), ties may fall differently; nothing else may.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import pairwise
from typing import Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from pyspark.sql import Column, DataFrame, Observation
from pyspark.sql import functions as F

from saran.core.confidence import FloatArray, IntArray, Weights, interactions, strengths
from saran.core.entities import ACTION_CODES
from saran.core.recommender import History

_PAIRS: Final = "user_id string, item_id string, strength double, past double, future double, day int, past_day int"
_MS_A_DAY: Final = 86_400_000
_TEST_EVENTS: Final = "user_id string, item_id string, action int, value double, held boolean"

_MADE_UP: Final = r"-(synthetic|simulated)$"
"""Sources whose events nobody did: stand-ins for data sets, and simulated users."""


class HoldOut(BaseModel):
    """The newest part of each user's events, kept from training to measure it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    fraction: float = Field(default=0.2, gt=0, lt=1, description="Share of a user's events, rounded down, at least 1")
    min_events: int = Field(default=5, ge=2, description="Users with fewer events keep all of them in training")

    def kept_back(self, counts: IntArray) -> IntArray:
        """How many of a user's newest events are held out, by how many the user has; shapes (users,)."""
        newest = np.maximum(1, (counts * self.fraction).astype(np.int64))
        return np.where(counts >= self.min_events, newest, 0)


@dataclass(frozen=True)
class Rules:
    """How events become strengths, and which are held out."""

    weights: Weights
    history: int
    """H: the last events of a user that count."""
    hold_out: HoldOut = field(default_factory=HoldOut)


@dataclass(frozen=True)
class Pairs:
    """Every pair of a user and an item with interest, sorted by user_id, then item_id; arrays of one length.

    `users` and `items` are positions in `user_ids` and `item_ids`, both sorted. `strength` is of the last H events,
    `past` of the last H events that are not held out, `future` of those held out; each is 0 where there is none.
    """

    user_ids: list[str]
    item_ids: list[str]
    users: IntArray
    items: IntArray
    strength: FloatArray
    past: FloatArray
    future: FloatArray
    days: IntArray
    """Of the pair's newest event of interest, since 1970."""
    past_days: IntArray
    """Likewise, of those that are not held out."""
    newest_event: datetime | None
    synthetic: bool
    """Whether any event was made up."""


class HeldOut(NamedTuple):
    """What the evaluation asks for each test user, and what it should get."""

    user_ids: list[str]
    histories: list[History]
    """The last H events that are not held out."""
    relevant: list[list[str]]
    """Distinct items of interest among the held-out events, without those in the history; at least one."""


class Facts(NamedTuple):
    """Of the events of a window."""

    newest: datetime | None
    synthetic: bool
    """Whether any event was made up."""


def event_facts(events: DataFrame) -> Facts:
    """The newest event time, and whether any event was made up; one Spark job."""
    row = events.agg(F.max(F.unix_millis("event_time")), F.max(F.col("source").rlike(_MADE_UP))).head()
    newest, synthetic = (None, False) if row is None else row
    return Facts(_moment(newest), bool(synthetic))


def by_user(events: DataFrame) -> DataFrame:
    """Events clustered by user and in order within each: user_id, item_id, action (code), value, event_time, source."""
    codes = F.create_map(*(F.lit(part) for pair in ACTION_CODES.items() for part in pair))
    return (
        events.repartition("user_id")
        # Equal times by the same rule as the online store's histories, so that both cut at the same H events.
        .sortWithinPartitions("user_id", "event_time", F.md5(F.col("event_id").cast("binary")))
        .select("user_id", "item_id", codes[F.col("action")].alias("action"), "value", "event_time", "source")
    )


def read_pairs(ordered: DataFrame, rules: Rules) -> Pairs:
    """Collect the pairs of events that `by_user` ordered; one Spark job."""
    facts = Observation()
    observed = ordered.observe(
        facts,
        # A timestamp would come back in the driver's local time.
        F.max(F.unix_millis("event_time")).alias("newest"),
        F.max(F.col("source").rlike(_MADE_UP)).alias("synthetic"),
    )
    columns = observed.select(*_columns())
    table = columns.mapInArrow(over_users(lambda batch: _pairs(batch, rules)), _PAIRS).toArrow()
    users, user_ids = _indexed(table.column("user_id"))
    items, item_ids = _indexed(table.column("item_id"))
    order = np.lexsort((items, users))
    strength, past, future = (table.column(name).to_numpy()[order] for name in ("strength", "past", "future"))
    return Pairs(
        user_ids,
        item_ids,
        users[order],
        items[order],
        strength,
        past,
        future,
        days=table.column("day").to_numpy()[order].astype(np.int64),
        past_days=table.column("past_day").to_numpy()[order].astype(np.int64),
        newest_event=_moment(facts.get["newest"]),
        synthetic=bool(facts.get["synthetic"]),
    )


def _moment(millis: int | None) -> datetime | None:
    return None if millis is None else datetime.fromtimestamp(millis / 1000, tz=UTC)


def read_held_out(ordered: DataFrame, rules: Rules, user_ids: list[str]) -> HeldOut:
    """Collect the events of `user_ids`, of which those without a relevant item are left out; one Spark job.

    Bounded by len(user_ids) × (H + the held-out events of one user).
    """
    # The same plan as in `read_pairs` is compiled already; a filter of thousands of literals would not be.
    chosen = pa.array(user_ids, type=pa.string())
    columns = ordered.select(*_columns())
    rows = columns.mapInArrow(over_users(lambda batch: _test_events(batch, rules, chosen)), _TEST_EVENTS).toArrow()
    rows = rows.combine_chunks()
    users = _codes(rows.column("user_id")).indices
    names = rows.column("user_id").to_pylist()
    items = rows.column("item_id").to_pylist()
    actions, values = _actions(rows), _values(rows)
    held = rows.column("held").to_numpy()
    interest = strengths(actions, values, rules.weights) > 0
    bounds = np.searchsorted(users, np.arange(int(users.max(initial=-1)) + 2))
    found: dict[str, tuple[History, list[str]]] = {}
    for start, stop in pairwise(bounds):
        split = start + int(np.count_nonzero(~held[start:stop]))
        history = History(items[start:split], actions[start:split], values[start:split])
        wanted = {item for item, liked in zip(items[split:stop], interest[split:stop], strict=True) if liked}
        wanted.difference_update(history.item_ids)
        if wanted:
            found[names[start]] = (history, sorted(wanted))
    ordered_ids = sorted(found)
    return HeldOut(ordered_ids, [found[user][0] for user in ordered_ids], [found[user][1] for user in ordered_ids])


def training_part(ordered: DataFrame, rules: Rules) -> DataFrame:
    """Events that `by_user` ordered, in their order, without those that the rules hold out."""
    columns = ordered.select("user_id", "item_id", "action", "value", "event_time", "source")
    return columns.mapInArrow(over_users(lambda batch: _not_held(batch, rules)), columns.schema)


def over_users(
    function: Callable[[pa.Table], pa.RecordBatch],
) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    """Apply `function` to a partition's rows in parts that hold whole users, however Spark cut the batches."""

    def run(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        waiting: list[pa.RecordBatch] = []
        for batch in batches:
            if not batch.num_rows:
                continue
            users = batch.column("user_id")
            last_user = users[-1]
            start = pc.index(users, last_user).as_py()
            if start or (waiting and waiting[-1].column("user_id")[0] != last_user):
                waiting.append(batch.slice(0, start))
                yield function(pa.Table.from_batches(waiting).combine_chunks())
                waiting = []
            waiting.append(batch.slice(start))
        if waiting:
            yield function(pa.Table.from_batches(waiting).combine_chunks())

    return run


class _Codes(NamedTuple):
    indices: IntArray
    """Position of each row's value in `values`, which are in order of their first appearance."""
    values: pa.Array


def _codes(column: pa.ChunkedArray) -> _Codes:
    encoded = column.combine_chunks().dictionary_encode()
    return _Codes(encoded.indices.to_numpy().astype(np.int64), encoded.dictionary)


def _actions(rows: pa.Table) -> IntArray:
    codes: IntArray = rows.column("action").to_numpy().astype(np.int64)
    return codes


def _values(rows: pa.Table) -> FloatArray:
    values: FloatArray = rows.column("value").to_numpy().astype(np.float64)  # null becomes NaN
    return values


def _age(users: IntArray) -> tuple[IntArray, IntArray]:
    """Of each event: how many later events the user has (0 for the newest), and how many events in all.

    `users` counts up from 0 without gaps.
    """
    counts = np.bincount(users)
    return np.cumsum(counts)[users] - 1 - np.arange(len(users)), counts


def _pairs(rows: pa.Table, rules: Rules) -> pa.RecordBatch:
    """The pairs of some whole users (columns `_PAIRS`)."""
    users, user_ids = _codes(rows.column("user_id"))
    items, item_ids = _codes(rows.column("item_id"))
    strength = strengths(_actions(rows), _values(rows), rules.weights)
    age, counts = _age(users)
    held = age < rules.hold_out.kept_back(counts)[users]
    summed = (
        interactions(users, items, strength, history=rules.history),
        interactions(users[~held], items[~held], strength[~held], history=rules.history),
        interactions(users[held], items[held], strength[held], history=len(users)),
    )
    keys = [part.users * len(item_ids) + part.items for part in summed]
    pairs = np.unique(np.concatenate(keys))
    columns = np.zeros((len(summed), len(pairs)))
    for column, key, part in zip(columns, keys, summed, strict=True):
        column[np.searchsorted(pairs, key)] = part.strengths
    days = rows.column("day").to_numpy()
    wanted = strength > 0
    newest = [_newest(pairs, users * len(item_ids) + items, days, mask) for mask in (wanted, wanted & ~held)]
    return pa.record_batch(
        [
            user_ids.take(pa.array(pairs // len(item_ids))),
            item_ids.take(pa.array(pairs % len(item_ids))),
            *columns,
            *newest,
        ],
        names=["user_id", "item_id", "strength", "past", "future", "day", "past_day"],
    )


def _newest(pairs: IntArray, keys: IntArray, days: NDArray[np.int32], mask: NDArray[np.bool_]) -> NDArray[np.int32]:
    """The newest of the `days` of each pair's events, of which `mask` has those that count; 0 where there is none."""
    mask = mask & np.isin(keys, pairs)
    newest = np.zeros(len(pairs), dtype=np.int32)
    np.maximum.at(newest, np.searchsorted(pairs, keys[mask]), days[mask])
    return newest


def _test_events(rows: pa.Table, rules: Rules, chosen: pa.Array) -> pa.RecordBatch:
    """Of the `chosen` among some whole users, the held-out events and the H before them (columns `_TEST_EVENTS`)."""
    rows = rows.filter(pc.is_in(rows.column("user_id"), value_set=chosen)).drop_columns("day")
    users = _codes(rows.column("user_id")).indices
    age, counts = _age(users)
    kept_back = rules.hold_out.kept_back(counts)[users]
    rows = rows.append_column("held", pa.array(age < kept_back))
    return _one_batch(rows.filter(pa.array(age < kept_back + rules.history)))


def _not_held(rows: pa.Table, rules: Rules) -> pa.RecordBatch:
    users = _codes(rows.column("user_id")).indices
    age, counts = _age(users)
    return _one_batch(rows.filter(pa.array(age >= rules.hold_out.kept_back(counts)[users])))


def _columns() -> tuple[Column | str, ...]:
    day = F.floor(F.unix_millis("event_time") / _MS_A_DAY).cast("int").alias("day")
    return "user_id", "item_id", "action", "value", day


def _one_batch(rows: pa.Table) -> pa.RecordBatch:
    columns = [column.combine_chunks() for column in rows.columns]
    return pa.record_batch(columns, schema=rows.schema)


def _indexed(column: pa.ChunkedArray) -> tuple[IntArray, list[str]]:
    """Each row's position in the sorted distinct values, and those values."""
    indices, values = _codes(column)
    order = pc.array_sort_indices(values).to_numpy()
    position = np.empty(len(order), dtype=np.int64)
    position[order] = np.arange(len(order))
    return position[indices], values.take(pa.array(order)).to_pylist()
