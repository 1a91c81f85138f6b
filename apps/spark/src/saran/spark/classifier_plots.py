"""Plots of the cards of the models of visitors."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq

from saran.core.s3 import Location, open_input
from saran.core.version_list import Facts
from saran.core.visitor_models import EXAMPLES, load_predictor
from saran.spark.classifier_figures import curve
from saran.spark.plotting import COLOURS, drawing, plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Drawing


def of_predictor(folder: Location, facts: Facts) -> Iterator[tuple[str, Drawing]]:
    """Name and drawing: precision by recall and what the threshold does; calibration and lift in tenths of visitors."""
    model = load_predictor(folder)
    with open_input(folder / EXAMPLES) as file:
        examples = pq.read_table(file)
    test = examples.filter(pc.equal(examples["part"], "test"))
    features = np.column_stack([test.column(name).to_numpy() for name in model.manifest.inputs])
    bought = test.column("bought").to_numpy(zero_copy_only=False)
    drawn = drawing()
    left, right = drawn.subplots(1, 2)
    recall, precision = curve(bought, model.run(features.astype(np.float32)))
    left.step(recall, precision, where="pre", color=COLOURS[0])
    left.axhline(bought.mean(), color=COLOURS[1], linestyle="--")
    left.set(xlabel="recall", ylabel="precision", xlim=(0, 1), ylim=(0, 1.02))
    plain(left)
    _draw_confusion(right, facts)
    yield "precision", drawn
    drawn = drawing()
    left, right = drawn.subplots(1, 2)
    groups = model.manifest.calibration
    said, so = [group.predicted for group in groups], [group.observed for group in groups]
    top = max([*said, *so]) * 1.05
    left.plot([0, top], [0, top], color=COLOURS[1], linestyle="--")
    left.plot(said, so, "o-", color=COLOURS[0])
    left.set(xlabel="mean probability of a group", ylabel="share that bought")
    right.bar(range(1, len(groups) + 1), np.array(so) / bought.mean(), color=COLOURS[0])
    right.axhline(1.0, color=COLOURS[1], linestyle="--")
    right.set(xlabel="group of visitors, likeliest first", ylabel="lift")
    for axes in (left, right):
        plain(axes)
    yield "calibration", drawn


def of_segments(facts: Facts) -> Drawing:
    """How many visitors each segment has, and its centre: each input as a share of the largest centre's."""
    segments = facts.others["segments"]
    names = [segment["name"] for segment in segments]
    inputs = list(facts.others["inputs"])
    centres = np.array([[segment["centre"].get(name, 0.0) for name in inputs] for segment in segments])
    largest = centres.max(axis=0)
    drawn = drawing()
    left, right = drawn.subplots(1, 2)
    left.barh(names, [segment["visitors"] for segment in segments], color=COLOURS[0])
    left.set_xlabel("visitors")
    left.invert_yaxis()
    plain(left)
    right.imshow(centres / np.where(largest > 0, largest, 1.0), cmap="Blues", vmin=0, vmax=1, aspect="auto")
    right.set_xticks(range(len(inputs)), inputs, rotation=45, ha="right")
    right.set_yticks([])
    for (row, column), value in np.ndenumerate(centres):
        dark = largest[column] > 0 and value > 0.6 * largest[column]
        colour = "white" if dark else "black"
        right.text(column, row, f"{value:.2g}", ha="center", va="center", fontsize=6, color=colour)
    return drawn


def _draw_confusion(axes: Axes, facts: Facts) -> None:
    told = facts.others["confusion"]
    counts = np.array(
        [
            [told["bought_foretold"], told["bought_missed"]],
            [told["not_bought_foretold"], told["not_bought_missed"]],
        ]
    )
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for (row, column), count in np.ndenumerate(counts):
        colour = "white" if shares[row, column] > 0.6 else "black"
        axes.text(column, row, f"{count:,}", ha="center", va="center", color=colour)
    axes.set_xticks([0, 1], ["foretold", "not foretold"])
    axes.set_yticks([0, 1], ["bought", "did not"])
    axes.set_title(f"from {facts.others['threshold']:.3f} on", fontsize=9)
