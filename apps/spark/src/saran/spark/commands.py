"""`saran train …`: the commands of the Spark part."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from saran.core.model_folder import Manifest
    from saran.spark.train_recommender import Trained

app = typer.Typer(no_args_is_help=True)
train = typer.Typer(no_args_is_help=True, help="Train a model from the lakehouse.")
app.add_typer(train, name="train")


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
    seed: Annotated[int, typer.Option(min=0, help="The same seed and tables give the same model")] = 42,
    measure: Annotated[bool, typer.Option("--evaluate/--no-evaluate", help="Measure on held-out events first")] = True,
    max_test_users: Annotated[int, typer.Option(min=1, help="Most users to measure on, drawn by the seed")] = 5000,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout")] = False,
) -> None:
    """Train the recommender (implicit ALS) from silver, measure it beside popularity, and make it the champion."""
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


@app.command()
def evaluate(
    train_file: Annotated[
        Path,
        typer.Option("--train", metavar="TRAIN.tsv", help="`user item rating timestamp` a line; the last two may lack"),
    ],
    test_file: Annotated[Path, typer.Option("--test", metavar="TEST.tsv", help="Likewise, or `user item item …`")],
    candidates: Annotated[
        Path | None,
        typer.Option(metavar="CAND.tsv", help="The only items to rank for each test user; all if none"),
    ] = None,
    test_format: Annotated[
        Literal["auto", "pairs", "lists"], typer.Option(help="What lines of TEST hold; `auto` tells it from the lines")
    ] = "auto",
    models: Annotated[
        str, typer.Option(help="Some of popularity, item-knn (both always shown), als, ease and blend")
    ] = "popularity,item-knn,als,ease,blend",
    lengths: Annotated[
        str, typer.Option("--k", help="Lengths of lists; parameters are chosen by NDCG at the first")
    ] = "10,20",
    ideal: Annotated[
        Literal["cut", "all"],
        typer.Option("--ndcg-ideal", help="The ideal list ends at k (`cut`) or holds `all` relevant items"),
    ] = "cut",
    trials: Annotated[int, typer.Option(min=1, help="Parameters tried for each model; 1: the defaults")] = 30,
    folds: Annotated[int, typer.Option(min=1, max=5, help="Of the training part, to choose on")] = 3,
    seed: Annotated[int, typer.Option(min=0, help="The same seed and files give the same figures")] = 42,
    json_file: Annotated[
        Path | None,
        typer.Option("--json", metavar="OUT.json", dir_okay=False, help="The report; the choices before the test"),
    ] = None,
) -> None:
    """Measure models on a split of yours: all items ranked, parameters chosen on folds of TRAIN alone, then one test.

    Accuracy (NDCG, recall, MRR, hit rate) and what lists are like (coverage, novelty, diversity), with intervals, for
    all users and for new, light and heavy ones. OUT.json gets the chosen parameters before TEST is looked at, and
    then the figures. docs/evaluation.md says what each figure means.

    Example: `saran evaluate --train train.tsv --test test.tsv --models als,ease --trials 10 --json out.json`
    """
    from rich.console import Console

    from saran.spark.evaluate_report import evaluation_progress, show_report, write_report
    from saran.spark.evaluate_split import Options, evaluate_split, wanted_models
    from saran.spark.split_files import read_split

    if json_file is not None and not json_file.absolute().parent.is_dir():
        raise typer.BadParameter(f"there is no folder {json_file.absolute().parent}", param_hint="--json")
    options = Options(
        models=wanted_models([name.strip() for name in models.split(",")]),
        ks=_list_lengths(lengths),
        ideal=ideal,
        trials=trials,
        folds=folds,
        seed=seed,
    )
    with evaluation_progress() as tell:
        tell("read", 0, 1, "")
        split = read_split(train_file, test_file, candidates, test_form=test_format)
        tell("read", 1, 1, "")
        if json_file is None:
            report = evaluate_split(split, options, tell=tell)
        else:
            report = evaluate_split(split, options, tell=tell, before_test=partial(write_report, json_file))
            write_report(json_file, report)
    show_report(report, Console())


def _list_lengths(given: str) -> tuple[int, ...]:
    """`10,20` as numbers. Raises typer.BadParameter for anything but numbers from 1."""
    parts = [part.strip() for part in given.split(",")]
    if not all(part.isdecimal() and int(part) for part in parts):
        raise typer.BadParameter(f"{given!r} is not a list of lengths, such as 10,20", param_hint="--k")
    return tuple(dict.fromkeys(int(part) for part in parts))


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
