"""`saran models`: what versions there are, how they compare, and which one is served."""

from __future__ import annotations

import dataclasses
import json
import sys
from typing import TYPE_CHECKING, Annotated, Final

import typer

from saran.core.names import Model

if TYPE_CHECKING:
    from collections.abc import Iterable

    from saran.core.champion_orders import Moved
    from saran.core.settings import Settings
    from saran.core.version_list import Facts, Versions

_BY_HAND: Final = "by hand"

models = typer.Typer(no_args_is_help=True, help="Versions of models: list, compare, promote, roll back.")

_Json = Annotated[bool, typer.Option("--json", help="One JSON object on stdout")]
_Name = Annotated[str | None, typer.Option("--model", metavar="NAME", help="Only versions of this model")]
_Version = Annotated[str, typer.Argument(help="A version, its beginning, `champion` or `challenger`")]


@models.command("list")
def list_versions(name: _Name = None, as_json: _Json = False) -> None:
    """List the versions of every model, newest first: which is served, and how each was measured.

    Example: saran models list --model recommender
    """
    from rich.console import Console
    from rich.table import Table

    from saran.core.settings import load_settings
    from saran.core.version_list import model_names, versions_of
    from saran.spark.registry import registered_number

    settings = load_settings()
    every = [versions_of(settings.models_path, one) for one in ([name] if name else model_names(settings.models_path))]
    _follow(settings, [one.name for one in every])
    rows = [
        {
            "model": versions.name,
            "version": facts.version,
            "alias": versions.alias(facts.version),
            "created_at": facts.created_at.isoformat(),
            "dataset": facts.dataset,
            "synthetic": facts.synthetic,
            "figures": {path: figure.model_dump() for path, figure in facts.figures.items()},
            "mlflow": registered_number(settings, versions, facts.version),
        }
        for versions in every
        for facts in versions.facts
    ]
    broken = {f"{versions.name} {version}": why for versions in every for version, why in versions.unreadable.items()}
    if as_json:
        typer.echo(json.dumps({"versions": rows, "unreadable": broken}))
        return
    # A file or a pipe has no width that lines must keep to.
    console = Console(soft_wrap=True, width=None if sys.stdout.isatty() else 200)
    if not rows:
        console.print("no versions yet: train one with `saran train recommender`")
    else:
        table = Table("model", "version", "", "trained (UTC)", "first figure", "MLflow")
        for versions in every:
            for facts in versions.facts:
                path, figure = next(iter(facts.figures.items()), ("not measured", ""))
                table.add_row(
                    facts.name,
                    facts.version,
                    versions.alias(facts.version),
                    f"{facts.created_at:%Y-%m-%d %H:%M}",
                    f"{path} {figure}".strip() + (" (synthetic)" if facts.synthetic else ""),
                    registered_number(settings, versions, facts.version) or "not yet",
                )
        console.print(table)
    for version, why in broken.items():
        console.print(f"[yellow]{version} cannot be read:[/] {why}")


@models.command()
def show(version: _Version, name: _Name = None, as_json: _Json = False) -> None:
    """Show a version's card: data, parameters, figures, how it stood beside the champion, known limits.

    Example: saran models show champion
    """
    from rich.console import Console
    from rich.markdown import Markdown

    from saran.core.settings import load_settings
    from saran.core.version_list import find_version
    from saran.spark.model_card import card_text

    settings = load_settings()
    versions, facts = find_version(settings.models_path, version, name or _only(version))
    _follow(settings, [facts.name])
    if as_json:
        folder = versions.folder(facts.version)
        alias = versions.alias(facts.version)
        typer.echo(json.dumps({"folder": str(folder), "alias": alias, **facts.model_dump(mode="json")}))
        return
    console = Console()
    console.print(Markdown(card_text(facts, versions, [])))
    console.print(f"[dim]{versions.folder(facts.version)}[/]", soft_wrap=True)


@models.command()
def compare(one: _Version, other: _Version, name: _Name = None, as_json: _Json = False) -> None:
    """Put two versions side by side: what made them, and their figures.

    Example: saran models compare champion challenger
    """
    from rich.console import Console
    from rich.table import Table

    from saran.core.settings import load_settings
    from saran.core.version_list import find_version
    from saran.spark.versions_compared import compared

    settings = load_settings()
    found = [find_version(settings.models_path, wanted, name or _only(wanted)) for wanted in (one, other)]
    _follow(settings, sorted({facts.name for _, facts in found}))
    first, second = (facts for _, facts in found)
    result = compared(first, second)
    if as_json:
        typer.echo(json.dumps(result.as_json()))
        return
    console = Console(soft_wrap=True)
    table = Table("", *(_title(*each) for each in found))
    for row in result.differences:
        table.add_row(row.name, row.first, row.second)
    table.add_section()
    for row in result.figures:
        table.add_row(row.name, row.first, row.second)
    console.print(table)
    for line in result.words:
        console.print(line)


@models.command()
def promote(version: _Version, name: _Name = None, as_json: _Json = False) -> None:
    """Make a version the champion, after it was checked: the API serves it within seconds, and fails no request.

    Example: saran models promote challenger
    """
    from saran.core import champion_orders
    from saran.core.settings import load_settings

    settings = load_settings()
    moved = champion_orders.promote(settings, version, name or _only(version), why=_BY_HAND)
    _moved(settings, moved, as_json=as_json)


@models.command("rollback")
def roll_back(
    name: Annotated[str, typer.Option("--model", metavar="NAME", help="Of which model")] = Model.RECOMMENDER,
    as_json: _Json = False,
) -> None:
    """Make the champion before this one the champion again; again, the one before that.

    Example: saran models rollback --model recommender
    """
    from saran.core import champion_orders
    from saran.core.settings import load_settings

    settings = load_settings()
    _moved(settings, champion_orders.roll_back(settings, name, why=_BY_HAND), as_json=as_json)


@models.command("sync")
def synchronise(name: _Name = None, as_json: _Json = False) -> None:
    """Ask MLflow what it has, register what it lacks, and move its aliases to what is served.

    Other commands do so when they know that something is missing; this one looks. Fails when MLflow is away.

    Example: saran models sync
    """
    from saran.core.job_lock import REGISTRY, only_one
    from saran.core.settings import load_settings
    from saran.core.version_list import model_names
    from saran.spark.mlflow_client import registry_uri
    from saran.spark.registry import sync

    settings = load_settings()
    with only_one(settings, REGISTRY):
        said = sync(settings, [name] if name else model_names(settings.models_path), thorough=True)
    if as_json:
        typer.echo(json.dumps({"mlflow": registry_uri(settings), "done": said}))
        return
    for line in said or ["all versions were registered already"]:
        typer.echo(line)


def _only(wanted: str) -> str | None:
    """`champion` alone is the recommender's."""
    return Model.RECOMMENDER if wanted in {"champion", "challenger"} else None


def _title(versions: Versions, facts: Facts) -> str:
    return "\n".join(part for part in (facts.version, versions.alias(facts.version)) if part)


def _moved(settings: Settings, moved: Moved, *, as_json: bool) -> None:
    if not as_json:
        instead = f", in place of {moved.before}" if moved.before not in {None, moved.champion} else ""
        typer.echo(f"{moved.champion} is the champion of {moved.model}{instead}")
    warnings = _follow(settings, [moved.model])
    if as_json:
        typer.echo(json.dumps({**dataclasses.asdict(moved), "warnings": warnings}))


def _follow(settings: Settings, names: Iterable[str]) -> list[str]:
    """Let the registry follow; what it said goes to standard error, and its failure is a warning, given back."""
    from rich.console import Console
    from rich.markup import escape

    from saran.spark.registry import follow

    console = Console(stderr=True, soft_wrap=True)
    said, warning = follow(settings, names)
    for line in said:
        console.print(f"[dim]{escape(line)}[/]")
    if warning is None:
        return []
    console.print(f"[yellow]warning:[/] {escape(warning)}")
    return [warning]


def after_training(settings: Settings, name: str) -> list[str]:
    """Card and registration of what a training made; warnings are shown, and given back."""
    return _follow(settings, [name])
