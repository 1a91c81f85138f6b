"""What every `saran train …` command does: one training a home at a time, in a Spark that ends with it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Final, TypeVar

import typer

if TYPE_CHECKING:
    from pathlib import Path

    from pyspark.sql import SparkSession

    from saran.core.s3 import S3Path
    from saran.core.settings import Settings
    from saran.core.versions import VersionFacts
    from saran.spark.stages import Stages

T = TypeVar("T")

Dataset = Annotated[
    str | None, typer.Option(help="Spec that the events are of; SARAN_DATASET when not given", show_default=False)
]
Seed = Annotated[int, typer.Option(min=0, help="The same seed and tables give the same model")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object on stdout")]

_FEW_EVENTS: Final = 500_000
"""Below, a training takes seconds."""


def run(settings: Settings, title: str, job: Callable[[SparkSession, Stages], T]) -> T:
    """Run a training, and show its stages while it lasts. Raises SaranError when another one of the home runs."""
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    from saran.spark.home_lock import TRAINING, only_one
    from saran.spark.session import build_session
    from saran.spark.stages import Stages
    from saran.spark.tables import count_events

    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with only_one(settings, TRAINING), Progress(*columns, console=Console(stderr=True), transient=True) as progress:
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


def named(given: list[str] | None) -> dict[str, str]:
    """NAME=VALUE arguments as a mapping. Raises typer.BadParameter for one without `=`."""
    wrong = [text for text in given or [] if "=" not in text]
    if wrong:
        raise typer.BadParameter(f"{wrong[0]!r} is not NAME=VALUE, such as rank=32", param_hint="--set")
    return dict(text.split("=", 1) for text in given or [])


def show_json(folder: Path | S3Path, manifest: VersionFacts, seconds: dict[str, float]) -> None:
    """The new version as one JSON object on stdout."""
    spent = {name: round(one, 3) for name, one in seconds.items()}
    answer = {"folder": str(folder), "seconds": spent, **manifest.model_dump(mode="json")}
    typer.echo(json.dumps(answer, ensure_ascii=False))


def seconds_text(seconds: dict[str, float]) -> str:
    """How long each stage took."""
    return "seconds: " + ", ".join(f"{name} {spent:.1f}" for name, spent in seconds.items())


def warning_of(manifest: VersionFacts) -> str:
    """What has to be said where the data is made up."""
    return " (synthetic data: these figures say nothing about quality)" if manifest.synthetic else ""
