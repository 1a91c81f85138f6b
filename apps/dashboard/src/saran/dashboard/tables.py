"""A table as a file to take away."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence

import streamlit as st


def csv_text(rows: Sequence[Mapping[str, object]]) -> str:
    """Rows as CSV (RFC 4180) under the names of the first one's columns; what is unknown is empty."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(rows[0]) if rows else [])
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def download(label: str, name: str, rows: Sequence[Mapping[str, object]]) -> None:
    """A button that gives the rows as `name`.csv; none where there are none."""
    if rows:
        st.download_button(
            label,
            csv_text(rows),
            file_name=f"{name}.csv",
            mime="text/csv",
            on_click="ignore",
            icon=":material/download:",
            type="tertiary",
        )
