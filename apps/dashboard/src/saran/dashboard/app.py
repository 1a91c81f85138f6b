"""The dashboard's entry point: `python -m saran.dashboard`, or `python -m streamlit run app.py`."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from saran.dashboard import access
from saran.dashboard.connection import facts
from saran.dashboard.navigation import pages

HERE = Path(__file__).parent

# The icon is a file of ours: a named Material icon would be fetched from the internet.
st.set_page_config(page_title="Saran", page_icon=HERE / "mark.svg", layout="wide", initial_sidebar_state=210)
st.logo(HERE / "mark.svg", size="small")
st.html(HERE / "style.css")
page = st.navigation(pages(facts()), expanded=True)
access.draw()
page.run()
