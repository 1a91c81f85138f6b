"""`saran train purchase` and `saran train segments`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from saran.spark.training_command import AsJson, Dataset, Seed, named, run, seconds_text, show_json, warning_of
from saran.spark.windows import FromBatch, Since, ToBatch, Until, window_of

if TYPE_CHECKING:
    from saran.core.visitor_models import Manifest, PredictorManifest, SegmentManifest
    from saran.core.window import Window
    from saran.spark.visitor_training import Job, P, Trained

Form = Annotated[
    Literal["onnx", "mllib"],
    typer.Option("--format", help="What the version holds: mllib adds Spark's own model folder to the graph"),
]


def purchase(
    dataset: Dataset = None,
    parameters: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="horizon_days, algorithm, trees, depth, boosted_trees, …"),
    ] = None,
    since: Since = None,
    until: Until = None,
    from_batch: FromBatch = None,
    to_batch: ToBatch = None,
    seed: Seed = 42,
    form: Form = "onnx",
    as_json: AsJson = False,
) -> None:
    """Train the purchase predictor (random forest and boosted trees), and make the better one the champion.

    Example: saran train purchase --from-batch 51 --to-batch 100
    """
    from saran.spark.train_purchase import train_purchase
    from saran.spark.visitor_parameters import PurchaseParameters

    told = PurchaseParameters.of(named(parameters))
    trained = _train(train_purchase, told, dataset, seed, window_of(since, until, from_batch, to_batch), form)
    if as_json:
        show_json(trained.folder, trained.manifest, trained.seconds)
    else:
        _show_predictor(trained)


def segments(
    dataset: Dataset = None,
    parameters: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="least, most (numbers of clusters), iterations, sample"),
    ] = None,
    since: Since = None,
    until: Until = None,
    from_batch: FromBatch = None,
    to_batch: ToBatch = None,
    seed: Seed = 42,
    form: Form = "onnx",
    as_json: AsJson = False,
) -> None:
    """Train the segmentation of visitors (k-means), and make it the champion.

    Example: saran train segments --from-batch 101 --to-batch 150
    """
    from saran.spark.train_segments import train_segments
    from saran.spark.visitor_parameters import SegmentParameters

    told = SegmentParameters.of(named(parameters))
    trained = _train(train_segments, told, dataset, seed, window_of(since, until, from_batch, to_batch), form)
    if as_json:
        show_json(trained.folder, trained.manifest, trained.seconds)
    else:
        _show_segments(trained)


def _train(
    job: Job[P, Manifest], told: P, dataset: str | None, seed: int, window: Window, form: str
) -> Trained[Manifest]:
    from saran.core.datasets import load_spec
    from saran.core.settings import load_settings
    from saran.spark.visitor_training import Plan

    settings = load_settings()
    plan = Plan(load_spec(dataset or settings.dataset, settings).name, told, seed, window, mllib=form == "mllib")
    title = f"saran {job.__name__.replace('_', ' ')}"
    return run(settings, title, lambda spark, stages: job(spark, settings, plan, stages))


def _show_predictor(trained: Trained[PredictorManifest]) -> None:
    from rich.console import Console
    from rich.table import Table

    manifest = trained.manifest
    console = Console(soft_wrap=True)
    counts = ", ".join(
        f"{part} {count:,} ({manifest.buyers[part]:,} bought)" for part, count in manifest.examples.items()
    )
    console.print(
        f"[bold]{manifest.version}[/] is the champion: {manifest.algorithm}{warning_of(manifest)}\n"
        f"visitors: {counts}; a purchase is foretold from {manifest.threshold:.4f} on"
    )
    names = list(next(iter(manifest.evaluation.metrics.values())))
    table = Table("model", *names, title=f"{manifest.evaluation.test_users:,} test visitors, 95 % intervals")
    for model, metrics in manifest.evaluation.metrics.items():
        figures = (metrics[name] for name in names)
        table.add_row(model, *(f"{one.value:.4f} ({one.low:.4f} to {one.high:.4f})" for one in figures))
    console.print(table)
    console.print(f"[dim]{seconds_text(trained.seconds)}\n{trained.folder}[/]")


def _show_segments(trained: Trained[SegmentManifest]) -> None:
    from rich.console import Console
    from rich.table import Table

    manifest = trained.manifest
    console = Console(soft_wrap=True)
    console.print(f"[bold]{manifest.version}[/] is the champion: {manifest.algorithm}{warning_of(manifest)}")
    inputs = [name for name in manifest.inputs if name.startswith("total_")]
    table = Table("id", "segment", "visitors", *inputs, title="centres")
    for segment in manifest.segments:
        centre = (f"{segment.centre[name]:.2f}" for name in inputs)
        table.add_row(str(segment.cluster_id), segment.name, f"{segment.visitors:,}", *centre)
    console.print(table)
    tried = ", ".join(f"{k} {value:.3f}" for k, value in manifest.silhouette.items())
    console.print(
        f"[dim]silhouette by number of clusters: {tried}\n{seconds_text(trained.seconds)}\n{trained.folder}[/]"
    )
