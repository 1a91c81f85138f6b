"""`saran train classifier`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from saran.spark.training_command import Asked, show_evaluation, training
from saran.spark.visitor_command import train_by

if TYPE_CHECKING:
    import typer
    from rich.console import Console

    from saran.spark.train_classifier import ClassifierManifest


def add_to(app: typer.Typer) -> None:
    """Add the command."""

    @training(
        app,
        "classifier",
        "Train the classification of items by text, and give a label to items that have none of their own.\n\n"
        "Measured by class beside a constant. What it says is shown as derived from the next training of lists on.\n\n"
        "Example: saran train classifier --set target=genre --set least_probability=0.7",
    )
    def classifier(asked: Asked) -> None:
        from saran.core.names import Model
        from saran.spark.classifier_parameters import ClassifierParameters
        from saran.spark.train_classifier import ClassifierManifest, train_classifier

        model = Model.ITEM_CLASSIFIER
        train_by(train_classifier, asked, ClassifierParameters, (model, ClassifierManifest), _show)


def _show(console: Console, manifest: ClassifierManifest) -> None:
    from rich.table import Table

    console.print(f"{manifest.labelled:,} items have a label of their own; {manifest.labels_given:,} others got one")
    table = Table("class", "precision", "recall", "F1", "test items")
    for one in manifest.classes:
        table.add_row(one.label, f"{one.precision:.3f}", f"{one.recall:.3f}", f"{one.f1:.3f}", f"{one.support:,}")
    console.print(table)
    show_evaluation(console, manifest.evaluation, "items")
