"""Implicit-feedback ALS by Spark's MLlib: interactions in, item factors out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pyspark.ml.recommendation import ALS, ALSModel
from pyspark.sql import DataFrame, SparkSession

from saran.core.confidence import Interactions
from saran.core.errors import SaranError

_CHECKPOINT_EVERY: Final = 3
"""Iterations. Each task carries the lineage since the last checkpoint; that of some ten overflows Java's stack."""


class ALSParameters(BaseModel):
    """What the trainer can be told.

    The defaults were chosen on MovieLens latest small, on a validation part of the training events: near the best
    lists that were found, at a rank that trains in seconds.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    rank: int = Field(default=40, ge=1, le=1024)
    """Length k of a factor. Time grows with its cube, the model's size with itself."""

    regularization: float = Field(default=0.05, gt=0)
    """Multiplied by the number of a user's (an item's) interactions. More keeps factors of short histories small."""

    alpha: float = Field(default=0.5, gt=0)
    """Confidence in a pair is 1 + alpha × strength; a pair without an event has confidence 1 in no interest."""

    iterations: int = Field(default=10, ge=1, le=1000)
    """Each solves all items, then all users."""

    blocks: int = Field(default=2, ge=1, le=1024)
    """Parts that users and items are cut into, and so the most cores used. Training on one machine is the same to
    the last bit with up to 2; with more, sums can be added up in another order."""

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> ALSParameters:
        """The defaults with `given` in place. Raises SaranError naming what is unknown or out of bounds."""
        try:
            return cls.model_validate(given)
        except ValidationError as error:
            mistakes = "; ".join(_mistake(detail["loc"], detail["msg"], detail["type"]) for detail in error.errors())
            known = ", ".join(f"{name} ({field.default})" for name, field in cls.model_fields.items())
            raise SaranError(
                f"ALS cannot be trained so: {mistakes}", fix=f"parameters and defaults are {known}"
            ) from error


def _mistake(place: tuple[int | str, ...], message: str, kind: str) -> str:
    name = ".".join(str(part) for part in place)
    return f"there is no parameter {name}" if kind == "extra_forbidden" else f"{name}: {message}"


def train(
    spark: SparkSession,
    given: Interactions,
    parameters: ALSParameters,
    *,
    items: int,
    seed: int,
    checkpoints: str,
) -> NDArray[np.float32]:
    """Item factors, shape (items, k); rows of items without an interaction are zero.

    Only the order of users and of items in `given` matters to the result, not their numbers, so a user or an item
    that is elsewhere but not in `given` changes nothing. Collects the factors: items × k × 4 bytes.

    `checkpoints` is a folder that driver and executors share; what is written there is removed again.
    """
    known = np.unique(given.items)
    factors = np.zeros((items, parameters.rank), dtype=np.float32)
    with _checkpoint_folder(spark, checkpoints):
        rows, solved = collect_factors(fit(spark, given, parameters, seed=seed).itemFactors)
    factors[known[rows]] = solved
    return factors


@contextmanager
def _checkpoint_folder(spark: SparkSession, location: str) -> Iterator[None]:
    """Let Spark write checkpoints to a folder of their own below `location` (any Hadoop file system)."""
    context = spark.sparkContext
    context.setCheckpointDir(location)
    folder = context._jvm.org.apache.hadoop.fs.Path(context.getCheckpointDir())  # type: ignore[union-attr]
    try:
        yield
    finally:
        folder.getFileSystem(context._jsc.hadoopConfiguration()).delete(folder, True)


def fit(spark: SparkSession, given: Interactions, parameters: ALSParameters, *, seed: int) -> ALSModel:
    """MLlib's model of `given`; its ids are positions among the distinct users and items that occur in it.

    MLlib solves items first and users last in each iteration, so its user factors belong to its item factors.
    More than a few iterations need a checkpoint folder, which `train` sets.
    """
    table = pa.table(
        {
            "user": np.unique(given.users, return_inverse=True)[1].astype(np.int32),
            "item": np.unique(given.items, return_inverse=True)[1].astype(np.int32),
            "rating": given.strengths.astype(np.float32),
        }
    )
    estimator = ALS(
        rank=parameters.rank,
        maxIter=parameters.iterations,
        regParam=parameters.regularization,
        alpha=parameters.alpha,
        implicitPrefs=True,
        numUserBlocks=parameters.blocks,
        numItemBlocks=parameters.blocks,
        checkpointInterval=_CHECKPOINT_EVERY,
        seed=seed,
    )
    # In one machine's blocks rows keep the order of `given`, which the last bits of the sums depend on.
    return estimator.fit(spark.createDataFrame(table).coalesce(parameters.blocks))


def collect_factors(frame: DataFrame) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Ids (n,) and factors (n, k) of MLlib's `userFactors` or `itemFactors`, by ascending id."""
    table = frame.toArrow().combine_chunks()
    ids = table.column("id").to_numpy().astype(np.int64)
    flat: NDArray[np.float32] = table.column("features").combine_chunks().flatten().to_numpy()
    order = np.argsort(ids)
    return ids[order], flat.reshape(len(ids), -1)[order]
