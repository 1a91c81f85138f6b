"""The report of `saran evaluate`, on the terminal and in its file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Column, Table

from saran.core.errors import SaranError
from saran.spark.evaluate_split import Report, Tell
from saran.spark.list_figures import Figure


@contextmanager
def evaluation_progress() -> Iterator[Tell]:
    """A bar for each stage, on standard error; the value takes the progress."""
    columns = (
        TextColumn("{task.description:<18}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[remark]}"),
        TimeElapsedColumn(),
    )
    tasks: dict[str, TaskID] = {}
    with Progress(*columns, console=Console(stderr=True)) as progress:

        def tell(stage: str, done: int, total: int, remark: str) -> None:
            if stage not in tasks:
                tasks[stage] = progress.add_task(stage, total=total, remark=remark)
            progress.update(tasks[stage], completed=done, remark=remark)

        yield tell


def write_report(file: Path, report: Report) -> None:
    """Write `report` to `file` as JSON, in one step. Raises SaranError when that cannot be done."""
    partial = file.with_name(file.name + ".partial")
    try:
        partial.write_text(report.model_dump_json(indent=2) + "\n", encoding="utf-8")
        partial.replace(file)
    except OSError as error:
        raise SaranError(f"{file} cannot be written: {error}", fix="name a file in a folder that is there") from error


def show_report(report: Report, console: Console) -> None:
    """Tables of what was chosen, and of the figures by segment of users."""
    choices = Table("model", "parameters", f"{report.goal} on folds", "trials", title="Chosen on folds of training")
    for model, choice in report.chosen.items():
        told = ", ".join(f"{name}={_short(value)}" for name, value in choice.parameters.items()) or "none"
        choices.add_row(model, told, f"{choice.validation:.4f}", str(choice.trials))
    console.print(choices)
    for name, segment in report.segments.items():
        models = list(segment.metrics)
        table = Table(
            Column("metric", no_wrap=True), *models, title=f"{name}: {segment.users:,} test users, 95 % intervals"
        )
        for metric in segment.metrics[models[0]]:
            table.add_row(metric, *(_told(segment.metrics[model].get(metric)) for model in models))
        console.print(table)
    columns = [name for name in report.chosen if any(name in row for row in report.differences.values())]
    less = Table("model", *columns, title=f"{report.goal} less that of the model above")
    for model, row in report.differences.items():
        less.add_row(model, *(_told(row.get(other)) for other in columns))
    console.print(less)
    console.print(
        f"[dim]{report.users:,} users, {report.items:,} items and {report.interactions:,} pairs in training; all items "
        f"ranked but those of the user's training; ideal list of NDCG: {report.ideal}; seed {report.seed}[/]"
    )


def _told(figure: Figure | None) -> str:
    if figure is None:
        return ""
    if figure.low is None or figure.high is None:
        return f"{figure.value:.4f}"
    return f"{figure.value:.4f} ({figure.low:.4f} to {figure.high:.4f})"


def _short(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
