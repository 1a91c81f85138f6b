"""`saran train …`, `saran evaluate`, `saran models …`, `saran maintain`: the commands of the Spark part."""

from __future__ import annotations

import typer

from saran.spark import (
    classifier_command,
    evaluate_command,
    features_command,
    list_command,
    maintain_command,
    models_command,
    visitor_command,
)
from saran.spark.backup import commands as backup_commands
from saran.spark.trends import commands as trends_commands

app = typer.Typer(no_args_is_help=True)
train = typer.Typer(no_args_is_help=True, help="Train a model from the lakehouse.")
app.add_typer(train, name="train")
app.add_typer(backup_commands.app, name="backup")
app.add_typer(trends_commands.app, name="trends")
app.add_typer(models_command.models, name="models")
app.command()(evaluate_command.evaluate)
list_command.add_to(train)
visitor_command.add_to(train)
classifier_command.add_to(train)
app.command()(backup_commands.restore)
app.command()(maintain_command.maintain)
app.command()(features_command.features)


@app.callback()
def _main() -> None:
    """Spark jobs."""
