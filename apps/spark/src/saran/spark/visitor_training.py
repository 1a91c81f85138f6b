"""What the trainers of the visitor models have in common: what they are told, and what they answer."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Generic, Protocol, TypeVar

from deltalake import DeltaTable
from pyspark.ml.util import JavaMLWritable
from pyspark.sql import SparkSession

from saran.core.names import Table
from saran.core.settings import Settings
from saran.core.versions import VersionFacts, version_folder, version_name
from saran.core.window import ALL_EVENTS, Window
from saran.spark.parameters import Parameters
from saran.spark.promotion import Promote
from saran.spark.stages import Stages
from saran.spark.tables import silver_events
from saran.spark.trained import M, Trained
from saran.spark.training_data import Facts

MLLIB: Final = "mllib"

P = TypeVar("P", bound=Parameters)


@dataclass(frozen=True)
class Plan(Generic[P]):
    """What to train, and how."""

    dataset: str
    parameters: P
    seed: int = 42
    window: Window = ALL_EVENTS
    mllib: bool = False
    """Whether the version also holds Spark's own model folder, `mllib`."""
    promote: Promote = "auto"
    again: VersionFacts | None = None
    """The version that is made again: its tables count, not those of now."""

    def events(self, settings: Settings) -> DeltaTable:
        """silver.events as this training reads it. Raises SaranError when there is none."""
        return silver_events(settings, self.again.tables[Table.SILVER_EVENTS] if self.again else None)


class Job(Protocol[P, M]):
    """A trainer: silver in, a served version out."""

    __name__: str

    def __call__(self, spark: SparkSession, settings: Settings, plan: Plan[P], stages: Stages, /) -> Trained[M]:
        """Run it. Raises SaranError, naming the fix, when there is too little to learn from."""


def save_mllib(settings: Settings, facts: VersionFacts, model: JavaMLWritable) -> None:
    """Save what Spark fitted as Spark does, in the folder of the version, which is not there before its manifest."""
    folder = version_folder(settings.models_path, facts.name, facts.version)
    model.write().save(f"{folder}/{MLLIB}")


def version_facts(
    name: str, plan: Plan[P], tables: dict[str, int], seen: Facts, **also_made_from: str | None
) -> dict[str, Any]:
    """What the manifest of a new version says whatever the model is."""
    now = datetime.now(UTC)
    parameters = plan.parameters.model_dump()
    made_from = {
        "parameters": parameters,
        "seed": plan.seed,
        "tables": tables,
        "window": plan.window.model_dump(mode="json"),
        **also_made_from,
    }
    return {
        "name": name,
        "version": version_name(now, made_from),
        "created_at": now,
        "dataset": plan.dataset,
        "synthetic": seen.synthetic,
        "parameters": parameters,
        "seed": plan.seed,
        "tables": tables,
        "window": plan.window,
        "newest_event": seen.newest,
    }
