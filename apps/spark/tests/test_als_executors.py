"""The solver in two executors: both solve, and the factors are those of one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Final

import numpy as np
import psutil
import pytest
from pyspark.sql import SparkSession

from saran.core.confidence import Interactions
from saran.spark.als import train
from saran.spark.als_parameters import ALSParameters

EXECUTORS: Final = 2
MASTER: Final = f"local-cluster[{EXECUTORS},1,1024]"
NEEDED_GIB: Final = 4
PARAMETERS: Final = ALSParameters(rank=12, iterations=4, alpha=2.0, regularization=0.05, blocks=EXECUTORS)
USERS, ITEMS = 300, 200


def _given() -> Interactions:
    rng = np.random.default_rng(4)
    users, items = np.nonzero(rng.random((USERS, ITEMS)) < 0.1)
    return Interactions(users, items, rng.uniform(0.1, 9.0, len(users)))


@pytest.mark.spark
@pytest.mark.timeout(600)
@pytest.mark.skipif(
    psutil.virtual_memory().available < NEEDED_GIB << 30, reason=f"executors of a GiB each need {NEEDED_GIB} GiB"
)
def test_two_executors_share_the_work_and_give_the_factors_of_one(spark: SparkSession, tmp_path: Path) -> None:
    given = _given()
    files = {name: str(tmp_path / name) for name in ("interactions.npz", "factors.npy", "checkpoints")}
    np.savez(files["interactions.npz"], **given._asdict())
    arguments = {
        "master": MASTER,
        "interactions": files["interactions.npz"],
        "factors": files["factors.npy"],
        "checkpoints": files["checkpoints"],
        "parameters": PARAMETERS.model_dump(),
        "items": ITEMS,
        "seed": 5,
    }
    environment = {**os.environ, "SPARK_LOCAL_IP": "127.0.0.1"}
    done = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("als_on_executors.py")), json.dumps(arguments)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=560,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    tasks = {name: count for name, count in json.loads(done.stdout).items() if name != "driver"}
    # A task a block and half-step, none of them by one executor alone.
    assert sum(tasks.values()) == 2 * PARAMETERS.iterations * PARAMETERS.blocks
    assert len(tasks) == EXECUTORS
    assert all(tasks.values())
    here = train(spark, given, PARAMETERS, items=ITEMS, seed=5, checkpoints=tmp_path / "here")
    assert np.array_equal(np.load(files["factors.npy"]), here)
