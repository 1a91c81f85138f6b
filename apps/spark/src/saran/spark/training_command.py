"""What every `saran train …` command has in common: its options, one training a home at a time, and what it prints."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeVar

import typer

from saran.core.window import Window
from saran.spark.promotion import Promote
from saran.spark.windows import FromBatch, Since, ToBatch, Until, window_of

if TYPE_CHECKING:
    from pyspark.sql import SparkSession
    from rich.console import Console

    from saran.core.model_folder import Evaluation
    from saran.core.settings import Settings
    from saran.core.versions import VersionFacts
    from saran.spark.stages import Stages
    from saran.spark.trained import M, Trained

T = TypeVar("T")

_FEW_EVENTS: Final = 500_000
"""Below, a training takes seconds."""

_SAID_BY_A_MANIFEST: Final = {
    "dataset": "--dataset",
    "parameters": "--set",
    "seed": "--seed",
    "since": "--since",
    "until": "--until",
    "from_batch": "--from-batch",
    "to_batch": "--to-batch",
}


@dataclass(frozen=True)
class Asked:
    """What a command line asks of any training."""

    dataset: str | None
    parameters: dict[str, str]
    window: Window
    seed: int
    from_manifest: str | None
    promote: Promote
    register: bool
    as_json: bool


def training(app: typer.Typer, name: str, text: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Add `saran train NAME` to `app`: the options of all trainings, which the function gets as its first argument,
    `Asked`, and then those that are its own.
    """

    def add(own: Callable[..., None]) -> Callable[..., None]:
        shared = inspect.signature(_asked, eval_str=True).parameters
        extra = list(inspect.signature(own, eval_str=True).parameters.values())[1:]

        def command(**given: Any) -> None:
            asked = _asked(**{option: given.pop(option) for option in shared})
            own(asked, **given)

        options = [*shared.values(), *extra]
        command.__signature__ = inspect.Signature(options)  # type: ignore[attr-defined]
        command.__annotations__ = {option.name: option.annotation for option in options}
        app.command(name, help=text)(command)
        return own

    return add


def _asked(
    context: typer.Context,
    dataset: Annotated[
        str | None, typer.Option(help="Spec that the events are of; SARAN_DATASET when not given", show_default=False)
    ] = None,
    parameters: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="A parameter; a wrong name lists them all")
    ] = None,
    since: Since = None,
    until: Until = None,
    from_batch: FromBatch = None,
    to_batch: ToBatch = None,
    seed: Annotated[int, typer.Option(min=0, help="The same seed and tables give the same model")] = 42,
    from_manifest: Annotated[
        str | None, typer.Option(metavar="MANIFEST", help="Make a version again: a manifest.json, or a version's name")
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
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout")] = False,
) -> Asked:
    if from_manifest is not None:
        _refuse(context, _SAID_BY_A_MANIFEST, beside="--from-manifest")
    return Asked(
        dataset,
        _named(parameters),
        window_of(since, until, from_batch, to_batch),
        seed,
        from_manifest,
        promote or ("auto" if from_manifest is None else "never"),
        register,
        as_json,
    )


def _refuse(context: typer.Context, options: dict[str, str], *, beside: str) -> None:
    """Raises typer.BadParameter when one of `options` (parameter → option) was given."""
    for name, option in options.items():
        source = context.get_parameter_source(name)
        if source is not None and source.name != "DEFAULT":
            raise typer.BadParameter(f"does not go with {beside}: leave one of them out", param_hint=option)


def _named(given: list[str] | None) -> dict[str, str]:
    """NAME=VALUE arguments as a mapping. Raises typer.BadParameter for one without `=`."""
    wrong = [text for text in given or [] if "=" not in text]
    if wrong:
        raise typer.BadParameter(f"{wrong[0]!r} is not NAME=VALUE, such as rank=32", param_hint="--set")
    return dict(text.split("=", 1) for text in given or [])


def run(settings: Settings, title: str, job: Callable[[SparkSession, Stages], T], *, lock: str | None = None) -> T:
    """Run a training, and show its stages while it lasts. Raises SaranError when another one of the home runs.

    `lock`, of saran.core.job_lock, is another than a training's.
    """
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    from saran.core.job_lock import TRAINING, only_one
    from saran.spark.session import build_session
    from saran.spark.stages import Stages
    from saran.spark.tables import count_events

    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with (
        only_one(settings, lock or TRAINING),
        Progress(*columns, console=Console(stderr=True), transient=True) as progress,
    ):
        task = progress.add_task("start Spark", total=None)
        stages = Stages(lambda name: progress.update(task, description=name))
        with stages("start Spark"):
            few = count_events(settings) < _FEW_EVENTS
            spark = build_session(settings, title, delta=False, brief=few)
            # What fails is raised; Spark's warnings are of tasks that carry their data, as is meant here.
            spark.sparkContext.setLogLevel("ERROR")
        try:
            return job(spark, stages)
        finally:
            spark.stop()


def report(
    settings: Settings,
    asked: Asked,
    trained: Trained[M],
    again: VersionFacts | None,
    show: Callable[[Console, M], None],
) -> None:
    """Print what a training made, by `show` what only its kind of model has; and let the registry follow."""
    from rich.console import Console

    from saran.spark.from_manifest import differing_files
    from saran.spark.models_command import after_training

    manifest, decision = trained.manifest, trained.decision
    if not asked.as_json:
        console = Console(soft_wrap=True)
        role = "is the champion" if decision.promoted else "is not the champion"
        made_up = " (synthetic data: these figures say nothing about quality)" if manifest.synthetic else ""
        console.print(f"[bold]{manifest.version}[/] {role}: {manifest.algorithm}{made_up}\n{decision.why}")
        show(console, manifest)
        spent = ", ".join(f"{name} {one:.1f}" for name, one in trained.seconds.items())
        console.print(f"[dim]seconds: {spent}\n{trained.folder}[/]")
        if again is not None:
            differs = ", ".join(differing_files(again, trained.written()))
            told = f"differ from those of {again.version}: {differs}" if differs else f"are those of {again.version}"
            typer.echo(f"its arrays {told}")
    warnings = after_training(settings, manifest.name) if asked.register else []
    if asked.as_json:
        written = trained.written()
        made_again = {} if again is None else {"again": again.version, "differs": differing_files(again, written)}
        answer = {
            **made_again,
            "folder": str(trained.folder),
            "promoted": decision.promoted,
            "why": decision.why,
            "seconds": {name: round(spent, 3) for name, spent in trained.seconds.items()},
            "warnings": warnings,
            **written.model_dump(mode="json"),
        }
        typer.echo(json.dumps(answer, ensure_ascii=False))


def show_evaluation(console: Console, evaluation: Evaluation | None, whom: str) -> None:
    """The figures of each model as a table; `whom` says who was asked."""
    from rich.table import Table

    if evaluation is None:
        console.print("not measured")
        return
    names = list(dict.fromkeys(name for metrics in evaluation.metrics.values() for name in metrics))
    table = Table("model", *names, title=f"{evaluation.test_users:,} test {whom}, 95 % intervals")
    for model, metrics in evaluation.metrics.items():
        figures = (metrics.get(name) for name in names)
        table.add_row(
            model, *("" if one is None else f"{one.value:.4f} ({one.low:.4f} to {one.high:.4f})" for one in figures)
        )
    console.print(table)
    console.print(f"[dim]{evaluation.split}[/]")
