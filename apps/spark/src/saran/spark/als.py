"""Implicit-feedback ALS: interactions in, item factors out, by the solver that the parameters name."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pyspark.sql import SparkSession

from saran.core.confidence import Interactions
from saran.core.s3 import Location
from saran.spark import als_blocks, als_mllib
from saran.spark.als_parameters import ALSParameters


def train(
    spark: SparkSession,
    given: Interactions,
    parameters: ALSParameters,
    *,
    items: int,
    seed: int,
    checkpoints: Location,
) -> NDArray[np.float32]:
    """Item factors, shape (items, k); rows of items without an interaction are zero.

    Only the order of users and of items in `given` matters to the result, not their numbers, so a user or an item
    that is elsewhere but not in `given` changes nothing. In the driver's memory: `given` twice, and the factors of
    items and of users.

    `checkpoints` is a folder, or a prefix of a bucket, that driver and executors share. What is written there is
    removed again.
    """
    known_items, renumbered = _renumbered(given)
    solver = als_mllib if parameters.solver == "mllib" else als_blocks
    factors = np.zeros((items, parameters.rank), dtype=np.float32)
    factors[known_items] = solver.item_factors(spark, renumbered, parameters, seed=seed, checkpoints=checkpoints)
    return factors


def _renumbered(given: Interactions) -> tuple[NDArray[np.int64], Interactions]:
    """The items that occur, and `given` with users and items numbered from 0 without gaps."""
    known_items = np.flatnonzero(np.bincount(given.items))
    known_users = np.flatnonzero(np.bincount(given.users))
    items = np.searchsorted(known_items, given.items)
    return known_items, Interactions(np.searchsorted(known_users, given.users), items, given.strengths)
