"""The part of Pipeline about records that were refused: how many for which reason, the newest, and what to do."""

from __future__ import annotations

from typing import Any, Final

import streamlit as st

from saran.core.pipeline_shapes import RejectedRecord, RejectedRecords
from saran.dashboard import words
from saran.dashboard.answers import answered
from saran.dashboard.connection import api
from saran.dashboard.tables import download
from saran.dashboard.views.replay import replay
from saran.dashboard.widgets import failure

SAMPLE: Final = 50
_RELOAD: Final = (
    "Or correct the source or the data set's spec, and load again with `saran load`. What is there "
    "already changes nothing, whatever is new goes in. The topic `events.dlq` has each refused record whole, with its "
    "reason and origin in its headers."
)


def rejected() -> None:
    """Draw it."""
    st.subheader(
        "Rejected records",
        anchor=False,
        help="What could not be read or breaks a rule, each record once, of silver.rejected",
    )
    found = answered("pipeline.rejected", None, lambda: api().rejected(sample=SAMPLE), draw_why=failure)
    if found is None:
        return
    if not found.rows:
        st.markdown("No record was refused." if found.version is not None else "There is no table of them yet.")
        return
    st.caption(_told(found))
    left, right = st.columns([1, 1.15], gap="large")
    with left:
        reasons = [reason.model_dump() for reason in found.reasons]
        st.dataframe(
            reasons, hide_index=True, alt="Rejected records by topic and reason", column_config={"newest": _MOMENT}
        )
        download("Reasons as CSV", "rejected-reasons", reasons)
    with right:
        rows = [record_row(one) for one in found.sample]
        st.dataframe(rows, hide_index=True, alt="The newest rejected records", column_config={"at (UTC)": _MOMENT})
        download("Sample as CSV", "rejected-sample", rows)
    replay(found)
    st.markdown(_RELOAD)


_MOMENT: Final = st.column_config.DatetimeColumn(format="YYYY-MM-DD HH:mm:ss", timezone="UTC")


def _told(found: RejectedRecords) -> str:
    more = f", and {words.plural(found.more_reasons, 'reason')} more" if found.more_reasons else ""
    return f"{words.plural(found.rows, 'record')}, silver.rejected version {found.version}{more}"


def record_row(record: RejectedRecord) -> dict[str, Any]:
    """A record as a row of the table and of its file."""
    return {
        "at (UTC)": record.timestamp, "reason": record.reason, "value": record.raw, "event_id": record.event_id,
        "topic": record.topic, "partition": record.partition, "offset": record.offset,
    }  # fmt: skip
