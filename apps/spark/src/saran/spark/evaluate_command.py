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
        Path,
        typer.Option(
            "--train",
            metavar="TRAIN.tsv",
            help="`user item rating timestamp` a line, the last two may lack; with --sessions `item item …`",
        ),
    ],
    test_file: Annotated[
        Path,
        typer.Option(
            "--test",
            metavar="TEST.tsv",
            help="Likewise, or `user item item …`; with --sessions `item item …`, a tab, and the item that came next",
        ),
    ],
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
) -> None:
    """Measure models on a split of yours: all items ranked, parameters chosen on folds of TRAIN alone, then one test.

    Accuracy (NDCG, recall, MRR, hit rate) and what lists are like (coverage, novelty, diversity), with intervals, for
    all users and for new, light and heavy ones. OUT.json gets the chosen parameters before TEST is looked at, and
    then the figures. docs/evaluation.md says what each figure means.

    With --sessions each model names the item that comes next in a session, which may be one that the session had:
    hit rate and MRR, for all next items and apart for those met before and those that are new. TRAIN begins with the
    oldest session.

    Example: `saran evaluate --train train.tsv --test test.tsv --models als,ease --trials 10 --json out.json`

    Example: `saran evaluate --sessions --train sessions.txt --test next.txt --json out.json`
    """
    from rich.console import Console

    from saran.spark.evaluate_report import show_report, show_session_report
    from saran.spark.evaluate_sessions import SessionOptions, evaluate_sessions
    from saran.spark.evaluate_split import Options, evaluate_split, wanted_models
    from saran.spark.session_files import read_sessions
    from saran.spark.session_models import KEPT
    from saran.spark.split_files import read_split

    if json_file is not None and not json_file.absolute().parent.is_dir():
        raise typer.BadParameter(f"there is no folder {json_file.absolute().parent}", param_hint="--json")
    if sessions:
        for name, option in _NOT_WITH_SESSIONS.items():
            if _is_given(context, name):
                raise typer.BadParameter("does not go with --sessions: leave one of them out", param_hint=option)
        ks = _list_lengths(lengths if _is_given(context, "lengths") else "20", most=KEPT)
        show_session_report(
            _report(
                lambda: read_sessions(train_file, test_file),
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
    show_report(
        _report(
            lambda: read_split(train_file, test_file, candidates, test_form=test_format),
            partial(evaluate_split, options=options),
            json_file,
        ),
        Console(),
    )


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
