"""`saran evaluate`: its options, and which of them go together."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, Literal, TypeVar

import typer

if TYPE_CHECKING:
    from saran.spark.figures import Report

_Split = TypeVar("_Split")
_Report = TypeVar("_Report", bound="Report")

_NOT_WITH_SESSIONS: Final = {
    "candidates": "--candidates",
    "test_format": "--test-format",
    "models": "--models",
    "ideal": "--ndcg-ideal",
}


def evaluate(
    context: typer.Context,
    train_file: Annotated[
        Path | None,
        typer.Option(
            "--train",
            metavar="TRAIN.tsv",
            show_default=False,
            help="`user item rating timestamp` a line, the last two may lack; with --sessions `item item …`",
        ),
    ] = None,
    test_file: Annotated[
        Path | None,
        typer.Option(
            "--test",
            metavar="TEST.tsv",
            show_default=False,
            help="Likewise, or `user item item …`; with --sessions `item item …`, a tab, and the item that came next",
        ),
    ] = None,
    days: Annotated[
        int | None,
        typer.Option(
            min=1, metavar="N", help="Without files: the newest N days of silver.events are TEST, all before them TRAIN"
        ),
    ] = None,
    most_users: Annotated[int, typer.Option("--users", min=1, help="With --days: test users at most")] = 10_000,
    sessions: Annotated[
        bool,
        typer.Option("--sessions", help="The next item of sessions, beside association rules and V-SkNN"),
    ] = False,
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
        str,
        typer.Option(
            "--k", help="Lengths of lists; parameters are chosen at the first. With --sessions 20 if not given"
        ),
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
    store: Annotated[
        bool,
        typer.Option("--store", help="With --days: keep the report in the bucket `models`, as evaluations/TIME.json"),
    ] = False,
) -> None:
    """Measure models on a split: all items ranked, parameters chosen on folds of TRAIN alone, then one test.

    Accuracy (NDCG, recall, MRR, hit rate) and what lists are like (coverage, novelty, diversity), with intervals, for
    all users and for new, light and heavy ones. OUT.json gets the chosen parameters before TEST is looked at, and
    then the figures. docs/evaluation.md says what each figure means.

    With --sessions each model names the item that comes next in a session, which may be one that the session had:
    hit rate and MRR, for all next items and apart for those met before and those that are new. TRAIN begins with the
    oldest session.

    Example: `saran evaluate --train train.tsv --test test.tsv --models als,ease --trials 10 --json out.json`

    Example: `saran evaluate --sessions --train sessions.txt --test next.txt --json out.json`

    Example: `saran evaluate --days 7 --models als,ease --trials 5 --store`
    """
    from rich.console import Console

    from saran.core.settings import load_settings
    from saran.spark.evaluate_report import show_report, show_session_report
    from saran.spark.evaluate_sessions import SessionOptions, evaluate_sessions
    from saran.spark.evaluate_silver import evaluate_silver, keep_report, read_silver
    from saran.spark.evaluate_split import Options, evaluate_split, wanted_models
    from saran.spark.session_files import read_sessions
    from saran.spark.session_models import KEPT
    from saran.spark.split_files import read_split

    if json_file is not None and not json_file.absolute().parent.is_dir():
        raise typer.BadParameter(f"there is no folder {json_file.absolute().parent}", param_hint="--json")
    source = _source(context, train_file, test_file, days, sessions=sessions)
    if sessions and not isinstance(source, int):
        for name, option in _NOT_WITH_SESSIONS.items():
            if _is_given(context, name):
                raise typer.BadParameter("does not go with --sessions: leave one of them out", param_hint=option)
        ks = _list_lengths(lengths if _is_given(context, "lengths") else "20", most=KEPT)
        show_session_report(
            _report(
                lambda: read_sessions(*source),
                partial(evaluate_sessions, options=SessionOptions(ks, trials, folds, seed)),
                json_file,
            ),
            Console(),
        )
        return
    options = Options(
        models=wanted_models([name.strip() for name in models.split(",")]),
        ks=_list_lengths(lengths),
        ideal=ideal,
        trials=trials,
        folds=folds,
        seed=seed,
    )
    if isinstance(source, int):
        settings = load_settings()
        report = _report(
            lambda: read_silver(settings, source, most_users=most_users, seed=seed),
            partial(evaluate_silver, options=options),
            json_file,
        )
        show_report(report, Console())
        if store:
            typer.echo(f"kept as {keep_report(settings, report)}", err=True)
        return
    show_report(
        _report(
            lambda: read_split(*source, candidates, test_form=test_format),
            partial(evaluate_split, options=options),
            json_file,
        ),
        Console(),
    )


def _source(
    context: typer.Context, train: Path | None, test: Path | None, days: int | None, *, sessions: bool
) -> tuple[Path, Path] | int:
    """Both files, or the days. Raises typer.BadParameter unless one of these is given, and nothing of the other."""
    if days is None:
        if train is None or test is None:
            raise typer.BadParameter(
                "name a file, or give --days for a split of silver.events",
                param_hint="--train" if train is None else "--test",
            )
        for name, option in (("most_users", "--users"), ("store", "--store")):
            if _is_given(context, name):
                raise typer.BadParameter("goes with --days alone", param_hint=option)
        return train, test
    with_files = {"train_file": "--train", "test_file": "--test", "candidates": "--candidates"}
    for name, option in {**with_files, "test_format": "--test-format"}.items():
        if _is_given(context, name):
            raise typer.BadParameter("does not go with --days: leave one of them out", param_hint=option)
    if sessions:
        raise typer.BadParameter("sessions are read from files: leave --days out", param_hint="--sessions")
    return days


def _is_given(context: typer.Context, name: str) -> bool:
    source = context.get_parameter_source(name)
    return source is not None and source.name != "DEFAULT"


def _report(read: Callable[[], _Split], evaluate: Callable[..., _Report], json_file: Path | None) -> _Report:
    """What `evaluate` answers for what `read` does; its file, if any, is written before the test and after it."""
    from saran.spark.evaluate_report import evaluation_progress, write_report

    with evaluation_progress() as tell:
        tell("read", 0, 1, "")
        split = read()
        tell("read", 1, 1, "")
        if json_file is None:
            return evaluate(split, tell=tell)
        report = evaluate(split, tell=tell, before_test=partial(write_report, json_file))
        write_report(json_file, report)
        return report


def _list_lengths(given: str, most: int | None = None) -> tuple[int, ...]:
    """`10,20` as numbers. Raises typer.BadParameter for anything but numbers from 1, and to `most` if there is one."""
    parts = [part.strip() for part in given.split(",")]
    if not all(part.isdecimal() and int(part) for part in parts):
        raise typer.BadParameter(f"{given!r} is not a list of lengths, such as 10,20", param_hint="--k")
    lengths = tuple(dict.fromkeys(int(part) for part in parts))
    if most is not None and max(lengths) > most:
        raise typer.BadParameter(f"with --sessions lists have at most {most} items: give less", param_hint="--k")
    return lengths
