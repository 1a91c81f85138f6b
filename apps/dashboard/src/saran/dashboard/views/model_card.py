"""The model card: which version serves, and how it did against popularity on events it had not seen."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

import streamlit as st

from saran.core.model_folder import Evaluation, Metric
from saran.core.system_shapes import ServedModel
from saran.dashboard import words
from saran.dashboard.widgets import state

POPULARITY: Final = "popularity"
"""Name of the baseline in an evaluation."""


def model_card(model: ServedModel | None, *, synthetic: bool, now: datetime) -> None:
    """Draw the card; `synthetic` says that the data under the figures was made up."""
    st.subheader("Model")
    if model is None:
        state("model_training", "No model yet", "Train the first one with `saran train`: lists begin when it is done.")
        return
    st.caption(
        f"Serving **{words.literal(model.version)}** · trained {words.moment(model.created_at)} "
        f"({words.ago(model.created_at, now)})"
    )
    if model.evaluation is None:
        st.markdown("This version was trained without an evaluation, so there is no figure to show.")
    else:
        _evaluation(model.evaluation, synthetic)
    if model.parameters:
        with st.expander("Parameters", icon=":material/tune:"):
            st.dataframe(
                [{"parameter": name, "value": str(value)} for name, value in sorted(model.parameters.items())],
                hide_index=True,
                alt="Parameters that the model was trained with",
            )


def _evaluation(evaluation: Evaluation, synthetic: bool) -> None:
    names = list(dict.fromkeys(metric for figures in evaluation.metrics.values() for metric in figures))
    for column, name in zip(st.columns(max(len(names), 1)), names, strict=False):
        figures = {model: metrics[name] for model, metrics in evaluation.metrics.items() if name in metrics}
        with column:
            st.vega_lite_chart(chart(metric_name(name), figures), alt=spoken(metric_name(name), figures))
            st.caption(verdict(figures))
    st.caption(
        f"Mean over {words.plural(evaluation.test_users, 'test user')} with 95 % intervals · split: "
        f"{words.literal(evaluation.split)}" + (" · **synthetic data: no evidence of quality**" if synthetic else "")
    )


def metric_name(name: str) -> str:
    """`ndcg_at_10` and `ndcg@10` as `NDCG@10`."""
    return name.replace("_at_", "@").replace("ndcg", "NDCG").replace("recall", "Recall")


def verdict(figures: dict[str, Metric]) -> str:
    """The served model against popularity, in words; figures by model name, the served model first."""
    base = figures.get(POPULARITY)
    name, served = next(((name, figure) for name, figure in figures.items() if name != POPULARITY), (None, None))
    if base is None or served is None:
        return "No popularity to compare with"
    apart = "intervals apart" if served.low > base.high or served.high < base.low else "intervals overlap"
    if base.value <= 0:
        return f"{name} {served.value:.3f}, popularity 0; {apart}"
    return f"{served.value / base.value:.2f} × popularity; {apart}"


def spoken(name: str, figures: dict[str, Metric]) -> str:
    """A chart of `chart` in words, for those who do not see it."""
    told = (f"{model} {figure.value:.3f} ({figure.low:.3f} to {figure.high:.3f})" for model, figure in figures.items())
    return f"{name}: {', '.join(told)}"


def chart(name: str, figures: dict[str, Metric]) -> dict[str, Any]:
    """Bars with interval rules, as Vega-Lite; the theme gives the colours."""
    rows = [
        {"model": model, "value": figure.value, "low": figure.low, "high": figure.high, "text": f"{figure.value:.3f}"}
        for model, figure in figures.items()
    ]
    colour = {"field": "model", "type": "nominal", "legend": None, "sort": None}
    # A quarter more than the longest interval, so that the figures beside it are not cut.
    reach = 1.25 * max(figure.high for figure in figures.values())
    value = {
        "field": "value",
        "type": "quantitative",
        "title": None,
        "scale": {"domain": [0, reach], "nice": False},
        "axis": {"tickCount": 4, "format": ".2f"},
    }
    bar = {
        "mark": {"type": "bar", "height": {"band": 0.6}, "cornerRadiusEnd": 4, "opacity": 0.85},
        "encoding": {"x": value, "color": colour},
    }
    interval = {
        "mark": {"type": "rule", "strokeWidth": 2.5, "color": "#e0a030"},
        "encoding": {"x": {"field": "low", "type": "quantitative"}, "x2": {"field": "high"}},
    }
    figure_text = {
        "mark": {"type": "text", "align": "left", "dx": 6, "fontWeight": "bold"},
        "encoding": {
            "x": {"field": "high", "type": "quantitative"},
            "text": {"field": "text"},
            "color": colour,
        },
    }
    return {
        "data": {"values": rows},
        "title": {"text": name, "anchor": "start", "fontSize": 14},
        "height": max(150, 30 * len(figures)),
        "encoding": {
            "y": {
                "field": "model",
                "type": "nominal",
                "sort": None,
                "title": None,
                "axis": {"ticks": False, "domain": False, "labelLimit": 110, "labelOverlap": False},
            }
        },
        "layer": [bar, interval, figure_text],
    }
