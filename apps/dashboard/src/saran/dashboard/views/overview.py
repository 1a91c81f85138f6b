"""Dashboard: the key figures, how fresh each layer is, and which model serves. Its parts refresh by themselves."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import streamlit as st

from saran.client import ApiError
from saran.core.names import Group, Part, Table
from saran.core.system_shapes import Health, SystemMetrics, TableCount
from saran.dashboard import words
from saran.dashboard.answers import stale
from saran.dashboard.connection import api
from saran.dashboard.provenance import draw_labels
from saran.dashboard.trail import Gain, Trail
from saran.dashboard.views.key_figures import key_figures
from saran.dashboard.views.model_card import model_card
from saran.dashboard.views.pipeline import waiting
from saran.dashboard.widgets import failure, state

TITLE: Final = "Dashboard"
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


@dataclass(frozen=True)
class Snapshot:
    """One pair of answers and when they came (UTC)."""

    metrics: SystemMetrics
    health: Health
    at: datetime


def page() -> None:
    """Draw the page."""
    _top()
    key_figures()
    _state()


@st.fragment(run_every=REFRESH_SECONDS)
def _top() -> None:
    """Ask; say which parts are there, and what is stale or away."""
    now = datetime.now(UTC)
    last: Snapshot | None = st.session_state.get(_LAST)
    try:
        snapshot = Snapshot(api().metrics(), api().health(), now)
    except ApiError as error:
        st.title(TITLE)
        failure(error)
        if last is not None:
            st.warning(stale(last.at), icon=":material/history:")
        return
    st.session_state[_LAST] = snapshot
    trail: Trail = st.session_state.setdefault(_TRAIL, Trail())
    trail.add(time.monotonic(), {name: one.rows for name, one in snapshot.metrics.tables.items()})
    _header(snapshot)
    _banners(snapshot, now)


@st.fragment(run_every=REFRESH_SECONDS)
def _state() -> None:
    """What the last answer says of the layers and the model."""
    last: Snapshot | None = st.session_state.get(_LAST)
    if last is not None:
        _body(last, st.session_state[_TRAIL], datetime.now(UTC))


def _header(snapshot: Snapshot) -> None:
    metrics = snapshot.metrics
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.title(TITLE, width="content")
        st.badge(
            words.literal(metrics.dataset),
            icon=":material/database:",
            color="blue",
            help=None if metrics.about is None else words.literal(metrics.about.title),
        )
        draw_labels(metrics)
        for name, there in _there(snapshot).items():
            _light(f"{name} {'unknown' if there is None else 'up' if there else 'away'}", there)
    as_of = metrics.as_of
    st.caption(
        (f"Data as of {words.moment(as_of)}, the time of its newest event · " if as_of else "No event yet · ")
        + f"asked {snapshot.at.astimezone(UTC):%H:%M:%S} UTC, again every {REFRESH_SECONDS:.0f} s · "
        + f"API up for {words.duration(metrics.uptime_seconds)}, {words.memory(metrics.memory_bytes)}"
    )


def _banners(snapshot: Snapshot, now: datetime) -> None:
    for warning in dict.fromkeys([*snapshot.health.warnings, *snapshot.metrics.warnings]):
        st.warning(words.message(warning), icon=":material/warning:")
    if away := [name for name, there in _there(snapshot).items() if there is False]:
        st.warning(
            f"Away: {', '.join(away)}. What depends on it stands still; see `saran status`.",
            icon=":material/cloud_off:",
        )
    if stalled := _stalled(snapshot.metrics, now):
        st.warning(stalled, icon=":material/hourglass_top:")


def _light(label: str, there: bool | None) -> None:
    if there is None:
        st.badge(label, icon=":material/help:", color="gray")
    elif there:
        st.badge(label, icon=":material/check_circle:", color="green")
    else:
        st.badge(label, icon=":material/error:", color="red")


def _there(snapshot: Snapshot) -> dict[str, bool | None]:
    """Each part and whether it is there; None where the API does not know."""
    health = snapshot.health
    seen = snapshot.metrics.heartbeats.get(Part.WORKER)
    return {
        "Kafka": health.kafka == "up",
        "PostgreSQL": health.postgres == "up",
        "Spark": health.spark_session_active,
        "Online worker": None if seen is None else snapshot.at - seen < ALIVE,
    }


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
        _layers(metrics, trail, now)
        _ledger(metrics)
    model_card(metrics.model, synthetic=bool(metrics.synthetic), now=now)


def _layers(metrics: SystemMetrics, trail: Trail, now: datetime) -> None:
    st.subheader("Layers", anchor=False, help="What the tables hold, and when each was last counted after a write")
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
                st.caption(_table_note(table, found, now))


def _gained(gain: Gain) -> str:
    return f"{gain.rows:,} in {words.duration(gain.seconds)}" if gain.rows else "none new"


def _table_note(table: str, found: TableCount | None, now: datetime) -> str:
    if found is None:
        return f"{table}: not written yet"
    newest = "" if found.as_of is None else f", newest {words.moment(found.as_of)}"
    return f"{table}, version {found.version}, written {words.ago(found.updated_at, now)}{newest}"


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
    left = waiting(metrics, Group.INGEST)
    if silver is None or not left or now - silver.updated_at < STALLED:
        return None
    return (
        f"{words.plural(left, 'event')} wait, but silver was last written {words.ago(silver.updated_at, now)}: "
        "see `saran logs streams`."
    )
