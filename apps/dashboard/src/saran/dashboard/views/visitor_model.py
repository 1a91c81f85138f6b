"""What the pages about visitors have in common: the served version, and what is shown where there is none."""

from __future__ import annotations

import streamlit as st

from saran.client import ApiError
from saran.core.model_shapes import VersionDetails
from saran.dashboard import words
from saran.dashboard.answers import answered
from saran.dashboard.connection import api
from saran.dashboard.widgets import state


def served(name: str, *, train: str) -> VersionDetails | None:
    """The champion of the model `name`, with its heading; else None, and how to `train` one is said."""

    def ask() -> list[VersionDetails]:
        try:
            return [api().model(name)]
        except ApiError as error:
            if error.status == 404:
                return []
            raise

    found = answered(name, None, ask)
    if not found:
        if found is not None:
            state("model_training", "No such model yet", f"Train the first one with `{train}`: this page begins then.")
        return None
    (details,) = found
    st.caption(
        f"Model {words.literal(details.version)} · trained {words.moment(details.created_at)} · "
        f"data as of {words.moment(details.newest_event)}"
    )
    if details.synthetic:
        st.badge("synthetic data", icon=":material/science:", color="orange", help="No evidence of quality")
    return details
