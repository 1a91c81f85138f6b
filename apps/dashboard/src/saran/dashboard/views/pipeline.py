"""Pipeline: what waits in Kafka, how fast it comes and goes, and what was refused. Its first part is live."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any, Final

import streamlit as st

from saran.core.names import Group
from saran.core.system_shapes import Batch, SystemMetrics
from saran.dashboard import words
from saran.dashboard.answers import answered
from saran.dashboard.charts import legend, time_axis
from saran.dashboard.connection import api, settings
from saran.dashboard.tables import download
from saran.dashboard.trail import Trail
from saran.dashboard.views import analysis
from saran.dashboard.views.rejected import rejected
from saran.dashboard.widgets import failure, state

LIVE_SECONDS: Final = 2.0
BATCH_SECONDS: Final = 10.0
BATCHES: Final = 200

GROUPS: Final = {
    Group.INGEST: ("Spark ingest", "Records that wait to reach bronze and silver"),
    Group.ONLINE: ("Online worker", "Events that wait to reach the histories that recommendations are made from"),
}
_TRAIL: Final = "pipeline.trail"
"""Key of st.session_state."""


def page() -> None:
    """Draw the page."""
    analysis.heading("Pipeline", "From Kafka into the tables: what waits, how fast it goes, and what was refused.")
    _live()
    _batches()
    rejected()


@st.fragment(run_every=LIVE_SECONDS)
def _live() -> None:
    metrics = answered("pipeline", None, api().metrics, draw_why=failure)
    if metrics is None:
        return
    if not metrics.topics:
        state("hourglass_empty", "Nothing from Kafka", "It is away or has no topics yet: `saran up` starts it.")
        return
    trail: Trail = st.session_state.setdefault(_TRAIL, Trail())
    trail.add(time.monotonic(), {**_written(metrics), **_waiting_by_group(metrics)})
    now = datetime.now(UTC)
    st.caption(f"Asked {now:%H:%M:%S} UTC, again every {LIVE_SECONDS:.0f} s; rates are of the last minute seen here.")
    _speed(metrics, trail)
    left, right = st.columns(2, gap="large")
    with left:
        _lag(metrics)
    with right:
        _topics(metrics, trail)


def waiting(metrics: SystemMetrics, group: str) -> int | None:
    """Records that a group has yet to read, over all partitions; None when no partition's lag is known."""
    known = [lag for topic in metrics.lag.get(group, {}).values() for lag in topic.values() if lag is not None]
    return sum(known) if known else None


def _waiting_by_group(metrics: SystemMetrics) -> dict[str, int]:
    return {group: count for group in GROUPS if (count := waiting(metrics, group)) is not None}


def _written(metrics: SystemMetrics) -> dict[str, int]:
    return {topic: sum(partitions.values()) for topic, partitions in metrics.topics.items()}


def _speed(metrics: SystemMetrics, trail: Trail) -> None:
    produced = trail.gain(settings().events_topic)
    batch = metrics.ingest.last_batch
    with st.container(key="figures"):
        st.metric(
            "Produced",
            words.rate(produced.rate if produced else None),
            help="Events a second that producers and the API put into Kafka",
            border=True,
            height="stretch",
        )
        st.metric(
            "Ingested",
            words.rate(metrics.ingest.events_per_second),
            help="Events a second through Spark, over the last 10 micro-batches that held some",
            border=True,
            height="stretch",
        )
        st.metric(
            "Last micro-batch",
            words.duration(batch.seconds if batch else None),
            help=None
            if batch is None
            else f"{words.plural(batch.input_rows, 'record')}, {words.moment(batch.finished_at)}",
            border=True,
            height="stretch",
        )
        for group, (name, meaning) in GROUPS.items():
            seen = trail.rows(group)
            st.metric(
                f"{name} lag",
                words.count(waiting(metrics, group)),
                help=f"{meaning} (group {group})",
                border=True,
                height="stretch",
                chart_data=seen if len(seen) > 1 else None,
                chart_type="area",
            )


def lag_rows(metrics: SystemMetrics) -> list[dict[str, Any]]:
    """A row a group, topic and partition."""
    return [
        {"group": group, "topic": topic, "partition": partition, "waiting": lag}
        for group, topics in metrics.lag.items()
        for topic, partitions in topics.items()
        for partition, lag in sorted(partitions.items())
    ]  # fmt: skip


def _lag(metrics: SystemMetrics) -> None:
    st.subheader("Lag by group and partition", anchor=False, help="A group that has read nothing yet shows no number")
    rows = lag_rows(metrics)
    if not rows:
        st.markdown("No consumer group has reported an offset to Kafka yet.")
        return
    most = max((row["waiting"] or 0 for row in rows), default=0)
    st.dataframe(
        rows,
        hide_index=True,
        height=38 + 35 * min(len(rows), 8),
        alt="Records that wait, by consumer group, topic and partition",
        column_config={
            "waiting": st.column_config.ProgressColumn(
                "waiting", format="%,d", min_value=0, max_value=max(most, 1), color="primary"
            )
        },
    )


def topic_rows(metrics: SystemMetrics, trail: Trail) -> list[dict[str, Any]]:
    """A row a topic; its rate is of the last minute seen."""
    return [
        {
            "topic": topic, "partitions": len(metrics.topics[topic]), "records written": written,
            "a second": gain.rate if (gain := trail.gain(topic)) else None,
        }
        for topic, written in _written(metrics).items()
    ]  # fmt: skip


def _topics(metrics: SystemMetrics, trail: Trail) -> None:
    st.subheader("Topics", anchor=False, help="Records ever written, by the offsets of the topics' ends")
    st.dataframe(
        topic_rows(metrics, trail),
        hide_index=True,
        alt="Topics with their records and throughput",
        column_config={
            "records written": st.column_config.NumberColumn(format="localized"),
            "a second": st.column_config.NumberColumn(format="%.1f"),
        },
    )


@st.fragment(run_every=BATCH_SECONDS)
def _batches() -> None:
    st.subheader("Micro-batches", anchor=False, help="Of the streams from Kafka into bronze and silver")
    batches = answered("pipeline.batches", None, lambda: api().batches(limit=BATCHES), draw_why=failure)
    if batches is None:
        return
    if not batches:
        st.markdown("No micro-batch has held a record yet: `saran load` streams the data set in.")
        return
    rows = [batch_row(one) for one in batches]
    st.caption(
        f"The last {words.plural(len(rows), 'batch', 'batches')} with records, {words.moment(batches[-1].finished_at)} "
        f"to {words.moment(batches[0].finished_at)}"
    )
    left, right = st.columns(2, gap="large")
    left.vega_lite_chart(_batch_chart(rows, "seconds", "seconds"), alt="Seconds that each batch took")
    right.vega_lite_chart(_batch_chart(rows, "rows/s", "records/s"), alt="Records a second of each batch")
    download("Download as CSV", "micro-batches", rows)


def batch_row(batch: Batch) -> dict[str, Any]:
    """A batch as a row of the charts and of their file."""
    return {
        "topic": batch.query.rpartition("/")[0] or batch.query, "batch": batch.batch_id,
        "finished": batch.finished_at.astimezone(UTC).isoformat(), "seconds": batch.seconds,
        "rows": batch.input_rows, "rows/s": batch.input_rows / batch.seconds if batch.seconds else None,
        "new": batch.new_rows, "repeated": batch.duplicate_rows, "rejected": batch.rejected_rows,
    }  # fmt: skip


def _batch_chart(rows: list[dict[str, Any]], field: str, title: str) -> dict[str, Any]:
    return {
        "data": {"values": rows},
        "height": 290,
        "mark": {"type": "point", "filled": True, "size": 40},
        "encoding": {
            "x": time_axis("finished"),
            "y": {"field": field, "type": "quantitative", "title": title},
            "color": legend("topic", list(dict.fromkeys(row["topic"] for row in rows))),
            "tooltip": [
                {"field": "topic"}, {"field": "batch"}, {"field": "rows", "format": ","},
                {"field": field, "type": "quantitative", "format": ",.1f"},
            ],
        },
    }  # fmt: skip
