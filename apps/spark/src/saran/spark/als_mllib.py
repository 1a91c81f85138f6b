"""The reference solver: Spark MLlib's own implicit ALS."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyspark.ml.recommendation import ALS, ALSModel
from pyspark.sql import DataFrame, SparkSession

from saran.core.confidence import Interactions
from saran.core.s3 import Location
from saran.spark.als_parameters import ALSParameters

_ONE_AT_A_TIME: Final = threading.Lock()
"""The checkpoint folder is the session's: a training that ends would remove another's."""

_CHECKPOINT_EVERY: Final = 3
"""Iterations. Each task carries the lineage since the last checkpoint; that of some ten overflows Java's stack."""


def item_factors(
    spark: SparkSession, given: Interactions, parameters: ALSParameters, *, seed: int, checkpoints: Location
) -> NDArray[np.float32]:
    """Factors of items 0, 1, … of `given`, each of which occurs in it; shape (items, k)."""
    with _ONE_AT_A_TIME, _checkpoint_folder(spark, str(checkpoints)):
        return collect_factors(fit(spark, given, parameters, seed=seed).itemFactors)


def fit(spark: SparkSession, given: Interactions, parameters: ALSParameters, *, seed: int) -> ALSModel:
    """MLlib's model of `given`, with the ids of `given`.

    MLlib solves items first and users last in each iteration, so its user factors belong to its item factors.
    More than a few iterations need a checkpoint folder, which `item_factors` sets.
    """
    table = pa.table(
        {
            "user": given.users.astype(np.int32),
            "item": given.items.astype(np.int32),
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


def collect_factors(frame: DataFrame) -> NDArray[np.float32]:
    """MLlib's `userFactors` or `itemFactors` by ascending id, shape (n, k)."""
    table = frame.toArrow().combine_chunks()
    flat: NDArray[np.float32] = table.column("features").combine_chunks().flatten().to_numpy()
    return flat.reshape(table.num_rows, -1)[np.argsort(table.column("id").to_numpy())]


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
