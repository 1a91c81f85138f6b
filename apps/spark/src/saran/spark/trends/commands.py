"""`saran trends recompute`."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True, help="Counts, funnels and activity by hour and day.")


@app.callback()
def _main() -> None:
    """Trends are kept level with silver by the streams; this makes them by hand."""


@app.command()
def recompute(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
) -> None:
    """Make item_trends, funnel_hourly, activity_heatmap and retention of gold and their copies anew from all of silver.

    The streams do this by themselves, for what changed: the result is the same to the last digit. For tables that were
    lost or changed by hand, or when no stream runs.

    Example: saran trends recompute --json
    """
    import psycopg
    from deltalake.exceptions import CommitFailedError

    from saran.core.errors import SaranError
    from saran.core.settings import load_settings
    from saran.spark.tables import silver_events
    from saran.spark.trends.copies import bring_up_copies
    from saran.spark.trends.schemas import SCHEMAS
    from saran.spark.trends.tables import recompute as make

    settings = load_settings()
    silver_events(settings)  # says what to do when there is none
    try:
        made = make(settings)
    except CommitFailedError as error:
        raise SaranError(
            f"the streams wrote trends at the same moment ({error})", fix="run it again: nothing is lost"
        ) from error
    assert made is not None  # noqa: S101 - there are events
    try:
        bring_up_copies(settings, made, anew=True)
    except (psycopg.Error, FileNotFoundError) as error:
        raise SaranError(
            f"the tables are made, and PostgreSQL did not take its copy of them ({str(error).strip()})",
            fix="start the platform with `saran up` and run it again",
        ) from error
    if as_json:
        typer.echo(json.dumps(asdict(made.position)))
    else:
        typer.echo(f"{', '.join(SCHEMAS)}: made of version {made.position.events} of silver.events")
