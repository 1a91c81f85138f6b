"""The report of `saran evaluate`, on the terminal and in its file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Column, Table

from saran.core.errors import SaranError
from saran.spark.evaluate_sessions import SessionReport
from saran.spark.evaluate_split import SplitReport
from saran.spark.figures import Figure, Report
from saran.spark.parameter_search import Choice, Tell


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


def show_report(report: SplitReport, console: Console) -> None:
    """Tables of what was chosen, and of the figures by segment of users."""
    _show_choices(report.chosen, report.goal, console)
    for name, segment in report.segments.items():
        _show_figures(f"{name}: {segment.users:,} test users", segment.metrics, console)
    _show_differences(f"{report.goal} less that of the model above", "model", report.differences, console)
    console.print(
        f"[dim]{report.users:,} users, {report.items:,} items and {report.interactions:,} pairs in training; all items "
        f"ranked but those of the user's training; ideal list of NDCG: {report.ideal}; seed {report.seed}[/]"
    )


def show_session_report(report: SessionReport, console: Console) -> None:
    """Tables of what was chosen, and of the figures by segment of test cases."""
    _show_choices(report.chosen, report.goal, console)
    for name, segment in report.segments.items():
        _show_figures(f"{name}: {segment.cases:,} next items", segment.metrics, console)
    _show_differences("sessions less the model above", "metric", report.differences, console)
    _show_differences("served less the model above", "metric", report.served_differences, console)
    console.print(
        f"[dim]{report.sessions:,} sessions, {report.items:,} items and {report.events:,} events in training; "
        f"{report.test_cases:,} next items of {report.test_sessions:,} sessions; all items ranked, those of the prefix "
        f"too; seed {report.seed}[/]"
    )


def _show_differences(title: str, of: str, rows: Mapping[str, Mapping[str, Figure]], console: Console) -> None:
    columns = list(dict.fromkeys(other for row in rows.values() for other in row))
    table = Table(of, *columns, title=title)
    for name, row in rows.items():
        table.add_row(name, *(_told(row.get(other)) for other in columns))
    console.print(table)


def _show_choices(chosen: Mapping[str, Choice], goal: str, console: Console) -> None:
    choices = Table("model", "parameters", f"{goal} on folds", "trials", title="Chosen on folds of training")
    for model, choice in chosen.items():
        told = ", ".join(f"{name}={_short(value)}" for name, value in choice.parameters.items()) or "none"
        choices.add_row(model, told, f"{choice.validation:.4f}", str(choice.trials))
    console.print(choices)


def _show_figures(what: str, figures: Mapping[str, Mapping[str, Figure]], console: Console) -> None:
    models = list(figures)
    table = Table(Column("metric", no_wrap=True), *models, title=f"{what}, 95 % intervals")
    for metric in figures[models[0]]:
        table.add_row(metric, *(_told(figures[model].get(metric)) for model in models))
    console.print(table)


def _told(figure: Figure | None) -> str:
    if figure is None:
        return ""
    if figure.low is None or figure.high is None:
        return f"{figure.value:.4f}"
    return f"{figure.value:.4f} ({figure.low:.4f} to {figure.high:.4f})"


def _short(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
