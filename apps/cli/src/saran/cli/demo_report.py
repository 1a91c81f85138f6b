"""How the demo's figures are shown: to people on the terminal, to machines as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from saran.cli.demo_api import Answer
from saran.cli.demo_checks import Check, Figures
from saran.core.settings import Settings

SYNTHETIC_NOTE = "synthetic data: for load and function; its metrics say nothing about quality"


def addresses(settings: Settings) -> dict[str, str]:
    """Where to look now."""
    return {
        "api": settings.api_url,
        "docs": f"{settings.api_url}/docs",
        "dashboard": f"http://127.0.0.1:{settings.port('dashboard')}",
        "logs": str(settings.home / "logs"),
    }


def as_json(settings: Settings, figures: Figures, checked: Sequence[Check]) -> dict[str, Any]:
    """The figures as one JSON object."""
    return {
        "ok": all(check.holds for check in checked),
        "dataset": figures.dataset,
        "synthetic": figures.synthetic,
        "sent": figures.sent,
        **asdict(figures.ledger),
        "seconds": {name: round(seconds, 3) for name, seconds in figures.seconds.items()},
        "first_recommendation_seconds": round(figures.first_recommendation_seconds, 3),
        "click_to_list_ms": round(figures.click_to_list_ms, 1),
        "model_version": figures.model.get("version"),
        "metrics": figures.metrics,
        "known_user": figures.known_user,
        "new_user": {"before": figures.new_user_before, "clicked": figures.clicked, "after": figures.new_user_after},
        "checks": [asdict(check) for check in checked],
        "addresses": addresses(settings),
    }


def show(console: Console, settings: Settings, figures: Figures, checked: Sequence[Check]) -> None:
    """The figures for a person."""
    ledger = figures.ledger
    name = f"{figures.dataset} (synthetic)" if figures.synthetic else figures.dataset
    console.print(f"\n[bold]{escape(name)}[/bold]: {figures.sent:,} events sent")
    console.print(
        f"  in the home now: {ledger.bronze:,} in bronze, {ledger.silver:,} in silver, "
        f"{ledger.rejected:,} rejected, {ledger.duplicates:,} duplicates"
    )
    console.print("  seconds: " + ", ".join(f"{stage} {seconds:.1f}" for stage, seconds in figures.seconds.items()))
    console.print(_metrics(figures))
    if figures.synthetic:
        console.print(f"  [yellow]{SYNTHETIC_NOTE}[/yellow]")
    _list(console, f"user {figures.known_user.get('user_id')}", figures.known_user)
    _list(console, f"{figures.new_user_before.get('user_id')}, never seen", figures.new_user_before)
    after = f"the same, {figures.click_to_list_ms:.0f} ms after three clicks"
    _list(console, after, figures.new_user_after)
    for check in checked:
        if not check.holds:
            console.print(f"[bold red]wrong:[/bold red] {check.name}: {escape(check.detail)}")
    console.print(
        f"\n[bold]{figures.first_recommendation_seconds:.1f} s[/bold] from command to first recommendation; "
        f"{sum(check.holds for check in checked)} of {len(checked)} checks hold"
    )
    for what, where in addresses(settings).items():
        console.print(f"  {what:<10}{where}")


def _metrics(figures: Figures) -> Table:
    names = list(next(iter(figures.metrics.values()), {}))
    table = Table("  model", *names, box=None, pad_edge=False)
    for model, metrics in figures.metrics.items():
        cells = [f"{one['value']:.4f} [{one['low']:.4f}, {one['high']:.4f}]" for one in map(metrics.__getitem__, names)]
        table.add_row(f"  {model}", *map(escape, cells))
    return table


def _list(console: Console, whose: str, answer: Answer) -> None:
    console.print(f"\n  {escape(whose)} [dim](source: {answer.get('source')})[/dim]")
    for rank, item in enumerate(answer.get("items", []), start=1):
        console.print(f"    {rank}. {escape(str(item.get('title') or 'item ' + str(item['item_id'])))}")
