"""`saran train recommender`, `neighbours`, `content`, `popularity` and `blend`: the models that lists are made with."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Final

import typer

from saran.spark.training_command import Asked, report, run, show_evaluation, training

if TYPE_CHECKING:
    from rich.console import Console

    from saran.core.model_folder import Manifest

_MODELS: Final = {
    "recommender": (
        "ALSParameters",
        "Train the recommender (implicit ALS) from silver, measure it beside popularity, and serve it if it may be.\n\n"
        "Example: saran train recommender --set rank=64 --promote never\n\n"
        "Example: saran train recommender --from-manifest champion\n\n"
        "Example: saran train recommender --from-batch 1 --to-batch 50",
    ),
    "neighbours": (
        "NeighbourParameters",
        "Train item to item by co-interaction: shrunk cosine, and EASE where the catalogue is small.\n\n"
        "Measured beside item-kNN and popularity; served if it may be.\n\n"
        "Example: saran train neighbours --set method=cosine --set shrink=5",
    ),
    "content": (
        "ContentParameters",
        "Train item to item by what the catalogue says, for items that nobody has touched yet too.\n\n"
        "Measured beside item-kNN and popularity; served if it may be.\n\n"
        "Example: saran train content --set text=2 --set price=0",
    ),
    "popularity": (
        "PopularityParameters",
        "Count users by item, those long ago less: overall, by category and by age class.\n\n"
        "Measured beside item-kNN. Where it is served, everybody gets the same list.\n\n"
        "Example: saran train popularity --set half_life_days=30",
    ),
    "blend": (
        "BlendParameters",
        "Train all of these as one list, weighted by what was best in a validation window.\n\n"
        "The window is the newest of the training part. Then measured once on held-out events beside each part and "
        "popularity; served if it may be.\n\n"
        "Example: saran train blend --set als.rank=64",
    ),
}
"""By name: the class of its parameters in `saran.spark.list_parameters`, and the command's help."""


def add_to(app: typer.Typer) -> None:
    """Add a command for each of these models."""
    for name, (class_name, text) in _MODELS.items():
        _add(app, name, class_name, text)


def _add(app: typer.Typer, name: str, class_name: str, text: str) -> None:
    @training(app, name, text)
    def command(
        asked: Asked,
        measure: Annotated[
            bool, typer.Option("--evaluate/--no-evaluate", help="Measure on held-out events first")
        ] = True,
        max_test_users: Annotated[int, typer.Option(min=1, help="Most users to measure on, drawn by the seed")] = 5000,
    ) -> None:
        from saran.core.datasets import load_spec
        from saran.core.model_folder import Manifest
        from saran.core.names import Model
        from saran.core.settings import load_settings
        from saran.spark import list_parameters
        from saran.spark.from_manifest import plan_again, read_recipe
        from saran.spark.train_recommender import Plan, train_recommender

        settings = load_settings()
        again = None
        if asked.from_manifest is None:
            spec = load_spec(asked.dataset or settings.dataset, settings)
            told = getattr(list_parameters, class_name).of(asked.parameters)
            plan = Plan(spec.name, spec.weights, told, seed=asked.seed, window=asked.window)
        else:
            again = read_recipe(settings.models_path, asked.from_manifest, Model.RECOMMENDER, Manifest)
            plan = plan_again(again)
        plan = replace(plan, measure=measure, max_test_users=max_test_users, promote=asked.promote)
        trained = run(
            settings, f"saran train {name}", lambda spark, stages: train_recommender(spark, settings, plan, stages)
        )
        report(settings, asked, trained, again, _show)


def _show(console: Console, manifest: Manifest) -> None:
    counts = f"{manifest.users:,} users, {manifest.items:,} items, {manifest.interactions:,} interactions"
    console.print(f"{counts} of {manifest.dataset}")
    show_evaluation(console, manifest.evaluation, "users")
