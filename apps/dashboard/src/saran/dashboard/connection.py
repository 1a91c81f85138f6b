"""The one API client that all visitors of the dashboard share."""

from __future__ import annotations

import streamlit as st

from saran.core.settings import Settings, load_settings
from saran.dashboard.client import Api


@st.cache_resource
def settings() -> Settings:
    """The installation's settings, read once."""
    return load_settings()


@st.cache_resource(on_release=Api.close)
def api() -> Api:
    """The client of the installation's API."""
    return Api(settings().api_url)
