"""The one API client that all visitors of the dashboard share."""

from __future__ import annotations

from typing import Final

import streamlit as st

from saran.client import ApiError, Client
from saran.core.api_shapes import CategoryCount
from saran.core.settings import Settings, load_settings
from saran.core.system_shapes import DatasetFacts, SystemMetrics

KNOWN_SECONDS: Final = 20.0
"""How old the facts that change seldom may be: pages need not ask for them with every click."""

ABOUT_SECONDS: Final = 600.0
"""How old what the data set has may be, which an API reads when it starts: no page waits for figures to learn it."""


@st.cache_resource
def settings() -> Settings:
    """The installation's settings, read once."""
    return load_settings()


@st.cache_resource(on_release=Client.close)
def api() -> Client:
    """The client of the installation's API."""
    return Client(settings().api_url, key=settings().api_key.get_secret_value(), retries=0)


@st.cache_data(ttl=KNOWN_SECONDS, show_spinner=False)
def installation() -> SystemMetrics:
    """What the installation holds, as it was at most KNOWN_SECONDS ago. Raises ApiError; that is not remembered."""
    return api().metrics()


def known() -> SystemMetrics | None:
    """`installation`, None when the API does not tell; what a page asks next will say so."""
    try:
        return installation()
    except ApiError:
        return None


class _UnknownError(Exception):
    """What the data set has is not known: that is not remembered for long."""


@st.cache_data(ttl=ABOUT_SECONDS, show_spinner=False)
def about() -> DatasetFacts:
    """What the data set has. Raises _UnknownError."""
    metrics = known()
    if metrics is None or metrics.about is None:
        raise _UnknownError
    return metrics.about


@st.cache_data(ttl=KNOWN_SECONDS, show_spinner=False)
def facts() -> DatasetFacts | None:
    """What the data set has, for which pages there are; None is remembered as well, so that no click waits for it."""
    try:
        return about()
    except _UnknownError:
        return None


@st.cache_data(ttl=KNOWN_SECONDS, show_spinner=False)
def categories() -> list[CategoryCount]:
    """The categories of the served model's items, at most KNOWN_SECONDS old. Raises ApiError, as `installation`."""
    return api().categories()
