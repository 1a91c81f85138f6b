"""Plots of a model card, as PNG."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import pyarrow.compute as pc
from numpy.typing import NDArray

from saran.core.model_folder import read_interactions
from saran.core.s3 import Location
from saran.core.version_list import Facts, Figure
from saran.core.versions import ModelError
from saran.spark import classifier_plots
from saran.spark.plotting import COLOURS, drawing, plain

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Drawing


def plots(folder: Location, facts: Facts) -> Iterator[tuple[str, bytes]]:
    """Name and PNG of each plot that the version in `folder` has data for."""
    with_interval = {path: figure for path, figure in facts.figures.items() if figure.low is not None}
    if with_interval:
        yield "figures", _png(_draw_figures(with_interval))
    if "confusion" in facts.others:
        # One that is broken has a card that says all but what its graph would answer; it is refused where it is served.
        with contextlib.suppress(ModelError):
            yield from ((name, _png(drawn)) for name, drawn in classifier_plots.of_predictor(folder, facts))
    if "segments" in facts.others:
        yield "segments", _png(classifier_plots.of_segments(facts))
    try:
        interactions = read_interactions(folder)
    except FileNotFoundError:
        return
    items = np.bincount(interactions.column("item").to_numpy())
    users = pc.value_counts(interactions.column("user")).field("counts").to_numpy()
    yield "data", _png(_draw_data(items[items > 0], users))


def _draw_figures(figures: dict[str, Figure]) -> Drawing:
    """A group of bars a metric, a bar a model, with intervals."""
    models = list(dict.fromkeys(path.rpartition("/")[0] for path in figures))
    metrics = list(dict.fromkeys(path.rpartition("/")[2] for path in figures))
    drawn = drawing()
    axes = drawn.subplots()
    height = 0.8 / len(models)
    for place, model in enumerate(models):
        present = [row for row, metric in enumerate(metrics) if f"{model}/{metric}".lstrip("/") in figures]
        chosen = [figures[f"{model}/{metrics[row]}".lstrip("/")] for row in present]
        values = np.array([one.value for one in chosen])
        # A percentile interval of a skewed figure need not hold the mean of all.
        bounds = np.array([[one.value - (one.low or 0), (one.high or 0) - one.value] for one in chosen]).T.clip(min=0)
        axes.barh(
            np.array(present) + (place - (len(models) - 1) / 2) * height,
            values,
            height * 0.9,
            xerr=bounds,
            color=COLOURS[place % len(COLOURS)],
            error_kw={"linewidth": 1, "capsize": 3},
            label=model,
        )
    axes.set_yticks(range(len(metrics)), metrics)
    axes.invert_yaxis()
    axes.set_xlim(left=min(0.0, axes.get_xlim()[0]))
    axes.set_xlabel("mean over test users, with its 95 % interval")
    if len(models) > 1:
        axes.legend(frameon=False)
    plain(axes)
    return drawn


def _draw_data(users_of_item: NDArray[np.int64], items_of_user: NDArray[np.int64]) -> Drawing:
    """How unequal items are, and how long histories: both say whom the figures are about."""
    drawn = drawing()
    left, right = drawn.subplots(1, 2)
    shares = np.cumsum(np.sort(users_of_item)[::-1]) / users_of_item.sum()
    left.plot(np.arange(1, len(shares) + 1) / len(shares), shares, color=COLOURS[0])
    left.set_xlabel("items, most popular first")
    left.set_ylabel("share of interactions")
    left.set_xlim(0, 1)
    left.set_ylim(0, 1)
    edges = np.unique(np.geomspace(1, max(2, items_of_user.max() + 1), 25).astype(np.int64))
    right.hist(items_of_user, bins=edges, color=COLOURS[0])
    right.set_xscale("log")
    right.set_xlabel("items of a user")
    right.set_ylabel("users")
    for axes in (left, right):
        plain(axes)
    return drawn


def _png(drawing: Drawing) -> bytes:
    file = io.BytesIO()
    drawing.savefig(file, format="png")
    return file.getvalue()
