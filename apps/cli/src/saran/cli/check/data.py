"""Kafka's topics and the lakehouse's tables, as `saran check` looks at them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final

from saran.cli.check.looks import left_out
from saran.cli.doctor import Finding, guarded, kafka
from saran.cli.ledger import read_ledger, records_in_topic
from saran.core.datasets.load import load_spec
from saran.core.errors import SaranError
from saran.core.names import Table
from saran.core.settings import Settings
from saran.core.topics import topic_configs

_FILLED: Final = (Table.BRONZE_EVENTS, Table.SILVER_EVENTS)
"""Tables that hold rows wherever events have arrived."""

_CATALOGUE: Final = (Table.BRONZE_CATALOG, Table.SILVER_ITEMS)
"""Tables that hold rows where the data set has facts about items."""

_TRENDS: Final = (Table.GOLD_ITEM_TRENDS, Table.GOLD_FUNNEL_HOURLY, Table.GOLD_ACTIVITY_HEATMAP, Table.GOLD_RETENTION)
"""Tables that the streams make from events; one may have no rows, such as the funnel of ratings."""

_MAKERS: Final = {
    Table.SILVER_USERS: "nothing was said of a user",
    Table.SILVER_REJECTED: "no record was rejected",
    Table.SILVER_ERASURES: "no user was erased",
    Table.GOLD_POPULARITY: "`saran train recommender` makes it",
    Table.GOLD_ITEM_NEIGHBOURS: "`saran train recommender` makes it",
    Table.GOLD_MODEL_METRICS: "a training with an evaluation makes it",
    Table.GOLD_PURCHASE_PROPENSITY: "`saran train purchase` makes it",
    Table.GOLD_USER_SEGMENTS: "`saran train segments` makes it",
    Table.GOLD_ITEM_LABELS: "`saran train classifier` makes it",
    Table.GOLD_USER_FEATURES: "`saran features` makes it",
}
"""Why a table that need not be there is not."""

_TIMES: Final = ("event_time", "window_start", "timestamp", "rejected_at", "ingested_at")
"""Columns that say when something happened, the most telling first."""


def topics(settings: Settings) -> Iterator[Finding]:
    """Every topic, with the records that were ever written to it."""
    answers = guarded("kafka", "see `saran logs kafka`", lambda: kafka(settings))
    if not answers.well:
        yield answers
        return
    for topic in topic_configs(settings):
        yield guarded(topic, "see `saran logs kafka`", lambda topic=topic: _topic(settings, topic))  # type: ignore[misc]


def _topic(settings: Settings, topic: str) -> Finding:
    records = records_in_topic(settings, topic)
    return Finding(topic, True, f"{records:,} records were written")


def tables(settings: Settings, *, streams: bool) -> Iterator[Finding]:
    """Every Delta table: rows, version and newest time; then whether all that Kafka took has arrived.

    `streams` says whether the streams were started, which fill them.
    """
    load = f"load events: `saran load {settings.dataset}`"
    fix = load if streams else f"start what fills it: `saran up --only streams`; then {load}"
    filled: tuple[str, ...] = _FILLED
    try:
        if not load_spec(settings.dataset, settings).items.optional:
            filled += _CATALOGUE
    except SaranError as error:
        yield Finding("data set", False, error.message, error.fix)
    for table in (*_FILLED, *_CATALOGUE, *_TRENDS, *_MAKERS):
        yield _table(settings, table, needed=table in (*filled, *_TRENDS), filled=table in filled, fix=fix)
    yield guarded("all that Kafka took", "see `saran logs streams`", lambda: _arrived(settings))


def _table(settings: Settings, table: str, *, needed: bool, filled: bool, fix: str) -> Finding:
    # Delta's reader is needed here only, and the command is also where the platform's Spark is not.
    from deltalake.exceptions import DeltaError

    from saran.spark.tables import open_table

    try:
        found = open_table(settings, table)
        if found is None:
            if needed:
                return Finding(table, False, "there is no such table yet", fix)
            return left_out(table, f"not there: {_MAKERS.get(table, 'the data set has none')}")
        rows, newest = int(found.count()), _newest(found)
    except (SaranError, DeltaError, OSError) as error:
        why = str(error.__cause__ or error)
        return Finding(table, False, f"cannot be read: {why}", "put a backup in its place: `saran restore`")
    told = f", newest {newest:%Y-%m-%d %H:%M:%S} UTC" if newest else ""
    return Finding(table, bool(rows) or not filled, f"{rows:,} rows, version {found.version()}{told}", fix)


def _newest(found: Any) -> datetime | None:
    """The newest time of the table's most telling column, by the statistics of its log; reads no row."""
    import pyarrow as pa

    files = pa.table(found.get_add_actions(flatten=True))
    name = next((f"max.{time}" for time in _TIMES if f"max.{time}" in files.column_names), None)
    times = [] if name is None else [time for time in files.column(name).to_pylist() if time is not None]
    newest = max(times, default=None)
    return newest if isinstance(newest, datetime) else None


def _arrived(settings: Settings) -> Finding:
    ledger = read_ledger(settings, records_in_topic(settings, settings.events_topic))
    told = (
        f"{ledger.topic:,} events in Kafka, {ledger.bronze:,} in bronze: {ledger.silver:,} in silver, "
        f"{ledger.rejected:,} rejected, {ledger.duplicates:,} duplicates"
    )
    return Finding("all that Kafka took", ledger.balanced, told, "wait until all has arrived: `saran wait`")
