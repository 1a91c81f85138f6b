"""`saran train purchase` and `saran train segments`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from saran.spark.training_command import Asked, report, run, show_evaluation, training

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import Console

    from saran.core.visitor_models import PredictorManifest, SegmentManifest
    from saran.spark.trained import M
    from saran.spark.visitor_training import Job, P

_Form = Annotated[
    Literal["onnx", "mllib"],
    typer.Option("--format", help="What the version holds: mllib adds Spark's own model folder to the graph"),
]


def add_to(app: typer.Typer) -> None:
    """Add a command for each of the models of visitors."""

    @training(
        app,
        "purchase",
        "Train the purchase predictor (random forest and boosted trees), and serve the better one if it may be.\n\n"
        "Example: saran train purchase --from-batch 51 --to-batch 100\n\n"
        "Example: saran train purchase --from-manifest champion",
    )
    def purchase(asked: Asked, form: _Form = "onnx") -> None:
        from saran.core.names import Model
        from saran.core.visitor_models import PredictorManifest
        from saran.spark.train_purchase import train_purchase
        from saran.spark.visitor_parameters import PurchaseParameters

        model = Model.TRANSACTION_PREDICTOR
        made = (model, PredictorManifest)
        train_by(train_purchase, asked, PurchaseParameters, made, _show_predictor, mllib=form == "mllib")

    @training(
        app,
        "segments",
        "Train the segmentation of visitors (k-means), and serve it if it may be.\n\n"
        "Example: saran train segments --from-batch 101 --to-batch 150",
    )
    def segments(asked: Asked, form: _Form = "onnx") -> None:
        from saran.core.names import Model
        from saran.core.visitor_models import SegmentManifest
        from saran.spark.train_segments import train_segments
        from saran.spark.visitor_parameters import SegmentParameters

        model = Model.USER_SEGMENTATION
        made = (model, SegmentManifest)
        train_by(train_segments, asked, SegmentParameters, made, _show_segments, mllib=form == "mllib")


def train_by(
    job: Job[P, M],
    asked: Asked,
    parameters: type[P],
    model: tuple[str, type[M]],
    show: Callable[[Console, M], None],
    *,
    mllib: bool = False,
) -> None:
    """Run `job`, which makes versions of a `model` (its name, and the class of its manifests)."""
    from saran.core.datasets import load_spec
    from saran.core.settings import load_settings
    from saran.spark.from_manifest import read_recipe
    from saran.spark.visitor_training import Plan

    settings = load_settings()
    again = None
    if asked.from_manifest is None:
        dataset = load_spec(asked.dataset or settings.dataset, settings).name
        told = parameters.of(asked.parameters)
        plan = Plan(dataset, told, asked.seed, asked.window, mllib=mllib, promote=asked.promote)
    else:
        again = read_recipe(settings.models_path, asked.from_manifest, *model)
        told = parameters.of(again.parameters)
        plan = Plan(again.dataset, told, again.seed, again.window, mllib=mllib, promote=asked.promote, again=again)
    title = f"saran {job.__name__.replace('_', ' ')}"
    report(settings, asked, run(settings, title, lambda spark, stages: job(spark, settings, plan, stages)), again, show)


def _show_predictor(console: Console, manifest: PredictorManifest) -> None:
    counts = ", ".join(
        f"{part} {count:,} ({manifest.buyers[part]:,} bought)" for part, count in manifest.examples.items()
    )
    console.print(f"visitors: {counts}; a purchase is foretold from {manifest.threshold:.4f} on")
    show_evaluation(console, manifest.evaluation, "visitors")


def _show_segments(console: Console, manifest: SegmentManifest) -> None:
    from rich.table import Table

    inputs = [name for name in manifest.inputs if name.startswith("total_")]
    table = Table("id", "segment", "visitors", *inputs, title="centres")
    for segment in manifest.segments:
        centre = (f"{segment.centre[name]:.2f}" for name in inputs)
        table.add_row(str(segment.cluster_id), segment.name, f"{segment.visitors:,}", *centre)
    console.print(table)
    tried = ", ".join(f"{k} {value:.3f}" for k, value in manifest.silhouette.items())
    console.print(f"[dim]silhouette by number of clusters: {tried}[/]")
