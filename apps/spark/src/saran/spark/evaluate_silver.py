"""Models on a split of silver.events by time: what was before the newest days, and what users turned to in them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

from saran.core.confidence import strengths
from saran.core.datasets import load_spec
from saran.core.entities import ACTION_CODES
from saran.core.errors import SaranError
from saran.core.names import EXPOSURES, Table
from saran.core.s3 import Location, replace_text
from saran.core.settings import Settings
from saran.spark.evaluate_split import Options, SplitReport, evaluate_split
from saran.spark.parameter_search import Tell
from saran.spark.split_files import Split, split_of
from saran.spark.tables import silver_events

_TIME: Final = pa.timestamp("us", "UTC")
_COLUMNS: Final = ["user_id", "item_id", "action", "value", "event_time"]


@dataclass(frozen=True)
class SilverSplit:
    """The split, and what it was made of."""

    split: Split
    dataset: str
    events_version: int
    days: int


class SilverReport(SplitReport):
    """Of models on such a split."""

    dataset: str
    events_version: int
    days: int


def read_silver(settings: Settings, days: int, *, most_users: int, seed: int) -> SilverSplit:
    """The newest `days` days of events are the test.

    Events that are no interest by the data set's weights are neither learnt from nor looked for. Of more test users
    than `most_users` so many are drawn by `seed`. In memory: five columns of all events. Raises SaranError when either
    part has none.
    """
    spec = load_spec(settings.dataset, settings)
    silver = silver_events(settings)
    rows = silver.to_pyarrow_dataset().to_table(columns=_COLUMNS, filter=ds.field("source") != EXPOSURES)
    codes = pc.index_in(rows.column("action"), value_set=pa.array(list(ACTION_CODES))).to_numpy().astype(np.int64)
    strength = strengths(codes, rows.column("value").to_numpy().astype(np.float64), spec.weights)
    rows = rows.append_column("strength", pa.array(strength)).filter(pa.array(strength > 0))
    newest = pc.max(rows.column("event_time")).as_py()
    begin = None if newest is None else pa.scalar(newest - timedelta(days=days), _TIME)
    after = pc.greater(rows.column("event_time"), begin) if begin is not None else pa.array([], pa.bool_())
    train, test = rows.filter(pc.invert(after)), rows.filter(after)
    wanted: dict[str, list[str]] = {}
    for user, item in zip(test.column("user_id").to_pylist(), test.column("item_id").to_pylist(), strict=True):
        wanted.setdefault(user, []).append(item)
    users = sorted(wanted)
    if len(users) > most_users:
        drawn = np.random.default_rng(seed).choice(len(users), size=most_users, replace=False)
        users = [users[one] for one in np.sort(drawn)]
    split, _ = split_of(
        train.column("user_id").to_pylist(),
        train.column("item_id").to_pylist(),
        train.column("strength").to_numpy(),
        train.column("event_time").cast(pa.int64()).to_numpy().astype(np.float64),
        {user: wanted[user] for user in users},
    )
    if not train.num_rows or not split.relevant:
        raise SaranError(
            f"{Table.SILVER_EVENTS} cannot be split {days} days before its newest event: nothing is left to "
            f"{'learn from' if not train.num_rows else 'look for'}",
            fix="load more events with `saran load`, or give another number of --days",
        )
    return SilverSplit(split, spec.name, int(silver.version()), days)


def evaluate_silver(
    made: SilverSplit,
    options: Options,
    *,
    tell: Tell,
    before_test: Callable[[SilverReport], None] = lambda _: None,
) -> SilverReport:
    """`evaluate_split` of it, which says in the report what was read."""

    def told(report: SplitReport) -> SilverReport:
        facts = {"dataset": made.dataset, "events_version": made.events_version, "days": made.days}
        return SilverReport.model_validate(report.model_dump() | facts)

    return told(evaluate_split(made.split, options, tell=tell, before_test=lambda report: before_test(told(report))))


def keep_report(settings: Settings, report: SilverReport) -> Location:
    """Put the report beside the models, as evaluations/TIME.json; where it is."""
    folder = settings.models_path / "evaluations"
    folder.mkdir(parents=True, exist_ok=True)
    place = folder / f"{datetime.now(UTC):%Y%m%dT%H%M%S%fZ}.json"
    replace_text(place, report.model_dump_json(indent=2) + "\n")
    return place
