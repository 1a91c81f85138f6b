"""`saran train …` and `saran evaluate`: the commands of the Spark part."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Final

import typer

from saran.spark import evaluate_command, models_command, visitor_command
from saran.spark.backup import commands as backup_commands
from saran.spark.promotion import Promote
from saran.spark.training_command import AsJson, Dataset, Seed, named, run, seconds_text, warning_of
from saran.spark.windows import FromBatch, Since, ToBatch, Until, window_of

if TYPE_CHECKING:
    from rich.console import Console

    from saran.core.model_folder import Manifest
    from saran.spark.train_recommender import Trained

app = typer.Typer(no_args_is_help=True)
train = typer.Typer(no_args_is_help=True, help="Train a model from the lakehouse.")
app.add_typer(train, name="train")
app.add_typer(backup_commands.app, name="backup")
app.add_typer(models_command.models, name="models")
app.command()(evaluate_command.evaluate)
train.command()(visitor_command.purchase)
train.command()(visitor_command.segments)
app.command()(backup_commands.restore)


_SAID_BY_A_MANIFEST: Final = {
    "dataset": "--dataset",
    "parameters": "--set",
    "seed": "--seed",
    "since": "--since",
    "until": "--until",
    "from_batch": "--from-batch",
    "to_batch": "--to-batch",
}


@app.callback()
def _main() -> None:
    """Spark jobs."""


def _list_command(name: str, class_name: str, text: str) -> None:
    """Add `saran train NAME`, which is told a class of `saran.spark.list_parameters`."""

    def command(
        context: typer.Context,
        dataset: Dataset = None,
        parameters: Annotated[
            list[str] | None,
            typer.Option("--set", metavar="NAME=VALUE", help="A parameter; a wrong name lists them all"),
        ] = None,
        since: Since = None,
        until: Until = None,
        from_batch: FromBatch = None,
        to_batch: ToBatch = None,
        seed: Seed = 42,
        measure: Annotated[
            bool, typer.Option("--evaluate/--no-evaluate", help="Measure on held-out events first")
        ] = True,
        max_test_users: Annotated[int, typer.Option(min=1, help="Most users to measure on, drawn by the seed")] = 5000,
        from_manifest: Annotated[
            str | None,
            typer.Option(metavar="MANIFEST", help="Make a version again: a manifest.json, or a version's name"),
        ] = None,
        promote: Annotated[
            Promote | None,
            typer.Option(
                help="auto: when it is the first, or its interval beside the champion holds no loss. "
                "[default: auto; never with --from-manifest]",
                show_default=False,
            ),
        ] = None,
        register: Annotated[
            bool, typer.Option("--register/--no-register", help="Write card and MLflow's entry at once, or later")
        ] = True,
        as_json: AsJson = False,
    ) -> None:
        from saran.core.datasets import load_spec
        from saran.core.settings import load_settings
        from saran.spark import list_parameters
        from saran.spark.from_manifest import plan_again, read_recipe
        from saran.spark.train_recommender import Plan, train_recommender

        settings = load_settings()
        again = None
        if from_manifest is None:
            spec = load_spec(dataset or settings.dataset, settings)
            window = window_of(since, until, from_batch, to_batch)
            told = getattr(list_parameters, class_name).of(named(parameters))
            plan = Plan(spec.name, spec.weights, told, seed=seed, window=window)
        else:
            _refuse(context, _SAID_BY_A_MANIFEST, beside="--from-manifest")
            again = read_recipe(settings.models_path, from_manifest)
            plan = plan_again(again)
        plan = replace(
            plan,
            measure=measure,
            max_test_users=max_test_users,
            promote=promote or ("auto" if again is None else "never"),
        )
        trained = run(
            settings, f"saran train {name}", lambda spark, stages: train_recommender(spark, settings, plan, stages)
        )
        if not as_json:
            _show(trained)
            if again is not None:
                _show_again(trained, again)
        warnings = models_command.after_training(settings, trained.manifest.name) if register else []
        if as_json:
            _show_json(trained, warnings, again)

    train.command(name, help=text)(command)


for _name, _class_name, _text in (
    (
        "recommender",
        "ALSParameters",
        "Train the recommender (implicit ALS) from silver, measure it beside popularity, and serve it if it may be.\n\n"
        "Example: saran train recommender --set rank=64 --promote never\n\n"
        "Example: saran train recommender --from-manifest champion\n\n"
        "Example: saran train recommender --from-batch 1 --to-batch 50",
    ),
    (
        "neighbours",
        "NeighbourParameters",
        "Train item to item by co-interaction: shrunk cosine, and EASE where the catalogue is small.\n\n"
        "Measured beside item-kNN and popularity; served if it may be.\n\n"
        "Example: saran train neighbours --set method=cosine --set shrink=5",
    ),
    (
        "content",
        "ContentParameters",
        "Train item to item by what the catalogue says, for items that nobody has touched yet too.\n\n"
        "Measured beside item-kNN and popularity; served if it may be.\n\n"
        "Example: saran train content --set text=2 --set price=0",
    ),
    (
        "popularity",
        "PopularityParameters",
        "Count users by item, those long ago less: overall, by category and by age class.\n\n"
        "Measured beside item-kNN. Where it is served, everybody gets the same list.\n\n"
        "Example: saran train popularity --set half_life_days=30",
    ),
    (
        "blend",
        "BlendParameters",
        "Train all of these as one list, weighted by what was best in a validation window.\n\n"
        "The window is the newest of the training part. Then measured once on held-out events beside each part and "
        "popularity; served if it may be.\n\n"
        "Example: saran train blend --set als.rank=64",
    ),
):
    _list_command(_name, _class_name, _text)


def _refuse(context: typer.Context, options: dict[str, str], *, beside: str) -> None:
    """Raises typer.BadParameter when one of `options` (parameter → option) was given."""
    for name, option in options.items():
        source = context.get_parameter_source(name)
        if source is not None and source.name != "DEFAULT":
            raise typer.BadParameter(f"does not go with {beside}: leave one of them out", param_hint=option)


def _show_json(trained: Trained, warnings: list[str], again: Manifest | None) -> None:
    import json

    from saran.spark.from_manifest import differing_files

    made_again = {} if again is None else {"again": again.version, "differs": differing_files(again, trained.written())}
    answer = {
        **made_again,
        "folder": str(trained.folder),
        "promoted": trained.decision.promoted,
        "why": trained.decision.why,
        "seconds": {name: round(spent, 3) for name, spent in trained.seconds.items()},
        "warnings": warnings,
        **trained.written().model_dump(mode="json"),
    }
    typer.echo(json.dumps(answer, ensure_ascii=False))


def _show_again(trained: Trained, again: Manifest) -> None:
    from saran.spark.from_manifest import differing_files

    differs = differing_files(again, trained.written())
    what = f"differ from those of {again.version}: {', '.join(differs)}" if differs else f"are those of {again.version}"
    typer.echo(f"its arrays {what}")


def _show(trained: Trained) -> None:
    from rich.console import Console

    manifest, decision = trained.manifest, trained.decision
    console = Console(soft_wrap=True)
    role = "is the champion" if decision.promoted else "is not the champion"
    console.print(
        f"[bold]{manifest.version}[/] {role}: {manifest.users:,} users, {manifest.items:,} items, "
        f"{manifest.interactions:,} interactions of {manifest.dataset}{warning_of(manifest)}"
    )
    console.print(decision.why)
    _show_evaluation(console, manifest)
    console.print(f"[dim]{seconds_text(trained.seconds)}\n{trained.folder}[/]")


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
