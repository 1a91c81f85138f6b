"""`saran features`."""

from __future__ import annotations

import json
from typing import Annotated

import typer


def features(
    as_of: Annotated[
        str | None,
        typer.Option(
            metavar="TIME",
            help="Of events up to then, such as 2015-06-01T12:00Z; the newest event's time when not given",
            show_default=False,
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
) -> None:
    """Make gold.user_features of silver: what each user did, with recency, frequency and monetary value.

    Example: saran features --as-of 2015-09-01 --json
    """
    from saran.core.job_lock import FEATURES
    from saran.core.settings import load_settings
    from saran.spark.training_command import run
    from saran.spark.user_features import make_features
    from saran.spark.windows import moment_of

    settings = load_settings()
    moment = None if as_of is None else moment_of(as_of, "--as-of")
    made = run(settings, "saran features", lambda spark, _: make_features(spark, settings, moment), lock=FEATURES)
    if as_json:
        typer.echo(
            json.dumps(
                {
                    "as_of": made.as_of.isoformat(),
                    "events_version": made.events_version,
                    "users": made.users,
                    "buyers": made.buyers,
                }
            )
        )
    else:
        typer.echo(
            f"gold.user_features: {made.users:,} users, of whom {made.buyers:,} bought, as of "
            f"{made.as_of:%Y-%m-%d %H:%M} UTC; made of version {made.events_version} of silver.events"
        )
