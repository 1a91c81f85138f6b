"""Labels for what of the data is not as its source gave it: made up, derived by a rule, or simulated."""

from __future__ import annotations

from typing import Final

import streamlit as st

from saran.core.datasets import Origin
from saran.core.system_shapes import DatasetFacts, SystemMetrics

_SYNTHETIC: Final = (
    "The served model learnt from events that were made up, by `saran synthesise` or `saran simulate`: "
    "good for load and function, no evidence of quality"
)
_MEANINGS: Final = {
    Origin.DERIVED: (":material/rule:", "Worked out by a rule that the data set's spec states; its source has none"),
    Origin.SIMULATED: (":material/smart_toy:", "Made by Saran's simulated users; its source has none"),
}


def draw_labels(metrics: SystemMetrics) -> None:
    """A badge for each kind of fact that the source did not give; none where it gave all."""
    if metrics.synthetic:
        st.badge("synthetic data", icon=":material/science:", color="orange", help=_SYNTHETIC)
    for origin, (icon, meaning) in _MEANINGS.items():
        if names := facts_of(metrics.about, origin):
            st.badge(f"{origin}: {', '.join(names)}", icon=icon, color="orange", help=meaning)


def facts_of(about: DatasetFacts | None, origin: Origin) -> list[str]:
    """Names of what has this origin, as the spec spells them."""
    return [] if about is None else [name for name, found in about.capabilities if found is origin]
