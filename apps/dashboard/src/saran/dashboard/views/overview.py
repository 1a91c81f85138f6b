"""Overview: what came in, what waits, which model serves. Asks the API every two seconds without blocking the page."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import streamlit as st

from saran.client import ApiError
from saran.core.api_shapes import Health, SystemMetrics, TableCount
from saran.core.names import Group, Part, Table
from saran.dashboard import words
from saran.dashboard.answers import stale
from saran.dashboard.connection import api
from saran.dashboard.provenance import draw_labels
from saran.dashboard.trail import Gain, Trail
from saran.dashboard.views.model_card import model_card
from saran.dashboard.widgets import failure, state

REFRESH_SECONDS: Final = 2.0
ALIVE: Final = timedelta(seconds=30)
"""A part whose last heartbeat is older is taken for dead."""

STALLED: Final = timedelta(seconds=60)
"""Events wait and silver has not been written for so long: something holds the stream up."""

# Keys of st.session_state.
_TRAIL: Final = "overview.trail"
_LAST: Final = "overview.last"

_LAYERS: Final = (
    (Table.BRONZE_EVENTS, "Bronze", "inventory_2", "Events as they were received, each record of Kafka once"),
    (Table.SILVER_EVENTS, "Silver", "verified", "Valid events, each event id once"),
    (
        Table.SILVER_REJECTED,
        "Rejected",
        "block",
        "Records that could not be read or break a rule, kept with the reason",
    ),
    (Table.SILVER_ITEMS, "Items", "category", "The catalogue: the latest state of each item"),
)
_GROUPS: Final = {
    Group.INGEST: ("Spark ingest", "Events that wait to reach bronze and silver"),
    Group.ONLINE: ("Online worker", "Events that wait to reach the histories that recommendations are made from"),
}


@dataclass(frozen=True)
class Snapshot:
    """One pair of answers and when they came (UTC)."""

    metrics: SystemMetrics
    health: Health
    at: datetime


def page() -> None:
    """Draw the page."""
    _live()


@st.fragment(run_every=REFRESH_SECONDS)
def _live() -> None:
    now = datetime.now(UTC)
    trail: Trail = st.session_state.setdefault(_TRAIL, Trail())
    last: Snapshot | None = st.session_state.get(_LAST)
    try:
        snapshot = Snapshot(api().metrics(), api().health(), now)
    except ApiError as error:
        st.title("Overview")
        failure(error)
        if last is not None:
            st.warning(stale(last.at), icon=":material/history:")
            _body(last, trail, now)
        return
    st.session_state[_LAST] = snapshot
    trail.add(time.monotonic(), {name: one.rows for name, one in snapshot.metrics.tables.items()})
    _header(snapshot)
    _body(snapshot, trail, now)


def _header(snapshot: Snapshot) -> None:
    metrics, health = snapshot.metrics, snapshot.health
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.title("Overview", width="content")
        st.badge(
            words.literal(metrics.dataset),
            icon=":material/database:",
            color="blue",
            help=None if metrics.about is None else words.literal(metrics.about.title),
        )
        draw_labels(metrics)
        for label, there in _parts(snapshot):
            _light(label, there)
    as_of = metrics.as_of
    st.caption(
        (f"Data as of {words.moment(as_of)}, the time of its newest event · " if as_of else "No event yet · ")
        + f"asked {snapshot.at.astimezone(UTC):%H:%M:%S} UTC, again every {REFRESH_SECONDS:.0f} s · "
        + f"API up for {words.duration(metrics.uptime_seconds)}, {words.memory(metrics.memory_bytes)}"
    )
    for warning in dict.fromkeys([*health.warnings, *metrics.warnings]):
        st.warning(words.message(warning), icon=":material/warning:")


def _light(label: str, there: bool | None) -> None:
    if there is None:
        st.badge(label, icon=":material/help:", color="gray")
    elif there:
        st.badge(label, icon=":material/check_circle:", color="green")
    else:
        st.badge(label, icon=":material/error:", color="red")


def _parts(snapshot: Snapshot) -> list[tuple[str, bool | None]]:
    """Label of each part and whether it is there; None where the API does not know."""
    health = snapshot.health
    seen = snapshot.metrics.heartbeats.get(Part.WORKER)
    there: dict[str, bool | None] = {
        "Kafka": health.kafka == "up",
        "PostgreSQL": health.postgres == "up",
        "Spark": health.spark_session_active,
        "Online worker": None if seen is None else snapshot.at - seen < ALIVE,
    }
    return [(f"{name} {'unknown' if up is None else 'up' if up else 'away'}", up) for name, up in there.items()]


def _body(snapshot: Snapshot, trail: Trail, now: datetime) -> None:
    metrics = snapshot.metrics
    if not metrics.tables and snapshot.health.postgres == "away":
        state(
            "database_off",
            "The counts cannot be read",
            "They are kept in PostgreSQL, which is away: see `saran status`. Events that come in meanwhile are kept.",
        )
    elif not any(table.rows for table in metrics.tables.values()):
        state(
            "hourglass_empty",
            "No data yet",
            "Nothing has reached the tables. `saran load` streams the data set in, `saran simulate` makes live users.",
        )
    else:
        _layers(metrics, trail)
        _ledger(metrics)
    if stalled := _stalled(metrics, now):
        st.warning(stalled, icon=":material/hourglass_top:")
    left, right = st.columns([1, 1.15], gap="large")
    with left:
        _stream(metrics, trail, now)
    with right:
        model_card(metrics.model, synthetic=bool(metrics.synthetic), now=now)


def _layers(metrics: SystemMetrics, trail: Trail) -> None:
    with st.container(key="layers"):
        for table, label, icon, meaning in _LAYERS:
            found = metrics.tables.get(table)
            gain = trail.gain(table)
            rows = trail.rows(table)
            with st.container(height="stretch"):
                st.metric(
                    f":material/{icon}: {label}",
                    words.count(found.rows if found else None),
                    delta=_gained(gain) if gain else None,
                    delta_arrow="auto" if gain and gain.rows else "off",
                    delta_color="normal" if gain and gain.rows and table != Table.SILVER_REJECTED else "off",
                    help=meaning,
                    border=True,
                    height="stretch",
                    chart_data=rows if len(rows) > 1 else rows * 2,
                    chart_type="area",
                )
                st.caption(_table_note(table, found))


def _gained(gain: Gain) -> str:
    return f"{gain.rows:,} in {words.duration(gain.seconds)}" if gain.rows else "none new"


def _table_note(table: str, found: TableCount | None) -> str:
    if found is None:
        return f"{table}: not written yet"
    return f"{table}, version {found.version}"


def _ledger(metrics: SystemMetrics) -> None:
    """Whether what was received equals what became of it: of the events, and what of the catalogue was refused."""
    bronze, silver = metrics.tables.get(Table.BRONZE_EVENTS), metrics.tables.get(Table.SILVER_EVENTS)
    if bronze and silver and silver.rejected_rows is not None:
        _books(bronze.rows, silver.rows, silver.rejected_rows, silver.duplicate_rows)
    items = metrics.tables.get(Table.SILVER_ITEMS)
    if items and items.rejected_rows:
        st.caption(
            f":material/category: {words.plural(items.rejected_rows, 'record')} of the catalogue "
            f"{'was' if items.rejected_rows == 1 else 'were'} rejected too"
        )


def _books(bronze: int, silver: int, rejected: int, repeated: int | None) -> None:
    parts = f"bronze {bronze:,}, silver {silver:,} + rejected {rejected:,}"
    if repeated is None:
        st.caption(f":material/sync: {parts}: a micro-batch is under way, bronze is written first")
        return
    parts = f"{parts} + repeated {repeated:,}"
    difference = bronze - silver - rejected - repeated
    if difference == 0:
        st.caption(f":material/check: The books of the events balance: {parts}")
    else:
        st.caption(
            f":material/sync: {parts}: they differ by {abs(difference):,} at this moment "
            "(the layers are written and counted one after another)"
        )


def _stalled(metrics: SystemMetrics, now: datetime) -> str | None:
    silver = metrics.tables.get(Table.SILVER_EVENTS)
    waiting = _waiting(metrics, Group.INGEST)
    if silver is None or not waiting or now - silver.updated_at < STALLED:
        return None
    return (
        f"{words.plural(waiting, 'event')} wait, but silver was last written {words.ago(silver.updated_at, now)}: "
        "see `saran logs streams`."
    )


def _waiting(metrics: SystemMetrics, group: str) -> int | None:
    """Events that a group has yet to read, over all partitions; None when no partition's lag is known."""
    known = [lag for topic in metrics.lag.get(group, {}).values() for lag in topic.values() if lag is not None]
    return sum(known) if known else None


def _stream(metrics: SystemMetrics, trail: Trail, now: datetime) -> None:
    st.subheader("Stream")
    ingest = metrics.ingest
    with st.container(key="figures"):
        st.metric(
            "Ingest rate",
            words.rate(ingest.events_per_second),
            help="Events per second through Spark into silver, as the API reports it",
        )
        for group, (name, meaning) in _GROUPS.items():
            st.metric(f"{name} lag", words.count(_waiting(metrics, group)), help=f"{meaning} (group {group})")
    batch = ingest.last_batch
    if batch is None:
        st.caption("No micro-batch has finished yet.")
    else:
        st.caption(
            f"Last micro-batch (number {batch.batch_id}, {words.ago(batch.finished_at, now)}): "
            f"{words.plural(batch.input_rows, 'record')} in {words.duration(batch.seconds)}, {batch.new_rows:,} new, "
            f"{batch.duplicate_rows:,} repeated, {batch.rejected_rows:,} rejected."
        )
    with st.expander("Lag by partition", icon=":material/table_rows:"):
        rows = [
            {"group": group, "topic": topic, "partition": partition, "events waiting": lag}
            for group, topics in metrics.lag.items()
            for topic, partitions in topics.items()
            for partition, lag in sorted(partitions.items())
        ]
        if rows:
            st.dataframe(rows, hide_index=True, alt="Events that wait, by consumer group, topic and partition")
        else:
            st.markdown("No consumer group has reported an offset to Kafka yet.")
