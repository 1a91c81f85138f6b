"""`saran train …` and `saran evaluate`: the commands of the Spark part."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from saran.spark import evaluate_command
from saran.spark.backup import commands as backup_commands
from saran.spark.windows import FromBatch, Since, ToBatch, Until, window_of

if TYPE_CHECKING:
    from rich.console import Console

    from saran.core.model_folder import Manifest
    from saran.spark.train_recommender import Trained

app = typer.Typer(no_args_is_help=True)
train = typer.Typer(no_args_is_help=True, help="Train a model from the lakehouse.")
app.add_typer(train, name="train")
app.add_typer(backup_commands.app, name="backup")
app.command()(evaluate_command.evaluate)
app.command()(backup_commands.restore)


_FEW_EVENTS = 500_000
"""Below, a training takes seconds."""


@app.callback()
def _main() -> None:
    """Spark jobs."""


@train.command()
def recommender(
    dataset: Annotated[
        str | None, typer.Option(help="Spec whose weights count; SARAN_DATASET when not given", show_default=False)
    ] = None,
    parameters: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="A parameter of ALS: rank, regularization, alpha, …"),
    ] = None,
    since: Since = None,
    until: Until = None,
    from_batch: FromBatch = None,
    to_batch: ToBatch = None,
    seed: Annotated[int, typer.Option(min=0, help="The same seed and tables give the same model")] = 42,
    measure: Annotated[bool, typer.Option("--evaluate/--no-evaluate", help="Measure on held-out events first")] = True,
    max_test_users: Annotated[int, typer.Option(min=1, help="Most users to measure on, drawn by the seed")] = 5000,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout")] = False,
) -> None:
    """Train the recommender (implicit ALS) from silver, measure it beside popularity, and make it the champion.

    Example: saran train recommender --from-batch 1 --to-batch 50
    """
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    from saran.core.datasets import load_spec
    from saran.core.settings import load_settings
    from saran.spark.als_parameters import ALSParameters
    from saran.spark.home_lock import TRAINING, only_one
    from saran.spark.session import build_session
    from saran.spark.stages import Stages
    from saran.spark.tables import count_events
    from saran.spark.train_recommender import Plan, train_recommender

    settings = load_settings()
    spec = load_spec(dataset or settings.dataset, settings)
    plan = Plan(
        dataset=spec.name,
        weights=spec.weights,
        window=window_of(since, until, from_batch, to_batch),
        parameters=ALSParameters.of(_named(parameters or [])),
        seed=seed,
        measure=measure,
        max_test_users=max_test_users,
    )
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with only_one(settings, TRAINING), Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("start Spark", total=None)
        stages = Stages(lambda name: progress.update(task, description=name))
        with stages("start Spark"):
            few = count_events(settings) < _FEW_EVENTS
            spark = build_session(settings, "saran train recommender", delta=False, brief=few)
            # What fails is raised; Spark's warnings are of tasks that carry their data, as is meant here.
            spark.sparkContext.setLogLevel("ERROR")
        try:
            trained = train_recommender(spark, settings, plan, stages)
        finally:
            spark.stop()
    _show(trained, as_json=as_json)


def _named(given: list[str]) -> dict[str, str]:
    """NAME=VALUE arguments as a mapping. Raises typer.BadParameter for one without `=`."""
    wrong = [text for text in given if "=" not in text]
    if wrong:
        raise typer.BadParameter(f"{wrong[0]!r} is not NAME=VALUE, such as rank=32", param_hint="--set")
    return dict(text.split("=", 1) for text in given)


def _show(trained: Trained, *, as_json: bool) -> None:
    import json

    from rich.console import Console

    manifest = trained.manifest
    if as_json:
        seconds = {name: round(spent, 3) for name, spent in trained.seconds.items()}
        answer = {"folder": str(trained.folder), "seconds": seconds, **manifest.model_dump(mode="json")}
        typer.echo(json.dumps(answer, ensure_ascii=False))
        return
    console = Console(soft_wrap=True)
    synthetic = " (synthetic data: these figures say nothing about quality)" if manifest.synthetic else ""
    console.print(
        f"[bold]{manifest.version}[/] is the champion: {manifest.users:,} users, {manifest.items:,} items, "
        f"{manifest.interactions:,} interactions of {manifest.dataset}{synthetic}"
    )
    _show_evaluation(console, manifest)
    spent = ", ".join(f"{name} {seconds:.1f}" for name, seconds in trained.seconds.items())
    console.print(f"[dim]seconds: {spent}\n{trained.folder}[/]")


def _show_evaluation(console: Console, manifest: Manifest) -> None:
    from rich.table import Table

    if manifest.evaluation is None:
        console.print("not measured")
        return
    names = list(next(iter(manifest.evaluation.metrics.values())))
    table = Table("model", *names, title=f"{manifest.evaluation.test_users:,} test users, 95 % intervals")
    for model, metrics in manifest.evaluation.metrics.items():
        figures = [f"{metrics[name].value:.4f} ({metrics[name].low:.4f} to {metrics[name].high:.4f})" for name in names]
        table.add_row(model, *figures)
    console.print(table)
    console.print(f"[dim]{manifest.evaluation.split}[/]")
