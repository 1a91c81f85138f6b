"""One solver on one matrix, in a process of its own: `python -m bench.train_solver SOLVER FOLDER`.

Reads interactions.npz and settings.json of FOLDER, writes SOLVER.npy (item factors) and prints the seconds as JSON. An
iteration is timed as the difference between a fit of n + 1 and a fit of 1, so that neither the start nor the cutting
into blocks is in it; both are in the seconds of the first fit. Where one iteration takes minutes, that of 1 is the
first fit (`"warm": false`): it has the seconds of Java's or numba's compiler in it, which makes the difference smaller.

`conjugate-N` is Saran's solver on N executors of one core, each a process of its own.
"""

from __future__ import annotations

import json
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyspark
from numpy.typing import NDArray
from pyspark.sql import SparkSession

from saran.core.confidence import Interactions
from saran.core.settings import Spark, load_settings
from saran.spark.als import train
from saran.spark.als_parameters import ALSParameters
from saran.spark.session import build_session

Fit = Callable[[int], NDArray[np.float32]]

_MLLIB_HEAP: Final = "6g"
"""MLlib holds interactions and factors in Java's heap, where Saran's solver holds neither."""

_EXECUTOR_MIB: Final = 1024


def _spark_fit(given: Interactions, setting: dict[str, Any], solver: str, folder: Path) -> Fit:
    kind, _, executors = solver.partition("-")
    spark = _session(kind, int(executors or 0), setting["parameters"]["blocks"])

    def fit(iterations: int) -> NDArray[np.float32]:
        parameters = ALSParameters.of({**setting["parameters"], "solver": kind, "iterations": iterations})
        checkpoints = folder / f"checkpoints-{solver}"
        return train(spark, given, parameters, items=setting["items"], seed=1, checkpoints=checkpoints)

    return fit


def _session(kind: str, executors: int, cores: int) -> SparkSession:
    settings = load_settings()
    used = Spark(
        master=f"local-cluster[{executors},1,{_EXECUTOR_MIB}]" if executors else f"local[{cores}]",
        driver_memory=_MLLIB_HEAP if kind == "mllib" else settings.spark.driver_memory,
    )
    spark = build_session(settings.model_copy(update={"spark": used}), f"bench train {kind}", delta=False)
    spark.sparkContext.setLogLevel("ERROR")
    return spark


def _end(spark: SparkSession) -> None:
    """Stop, and remove what executors printed: no setting moves local-cluster's folder."""
    application = spark.sparkContext.applicationId
    spark.stop()
    shutil.rmtree(Path(pyspark.__file__).parent / "work" / application, ignore_errors=True)


def _implicit_fit(given: Interactions, setting: dict[str, Any]) -> Fit:
    from implicit.als import AlternatingLeastSquares  # noqa: PLC0415  only this process needs it
    from scipy.sparse import csr_matrix  # noqa: PLC0415

    parameters = setting["parameters"]
    confidence = (parameters["alpha"] * given.strengths).astype(np.float32)
    users = int(given.users.max()) + 1
    matrix = csr_matrix((confidence, (given.users, given.items)), shape=(users, setting["items"]))

    def fit(iterations: int) -> NDArray[np.float32]:
        model = AlternatingLeastSquares(
            factors=parameters["rank"],
            # It multiplies by no count: the mean number of a user's interactions stands for it.
            regularization=parameters["regularization"] * len(given.users) / users,
            iterations=iterations,
            random_state=1,
            num_threads=parameters["blocks"],
        )
        model.fit(matrix, show_progress=False)
        factors: NDArray[np.float32] = model.item_factors
        return factors

    return fit


def main() -> None:
    """Fit twice, and tell."""
    solver, folder = sys.argv[1], Path(sys.argv[2])
    setting = json.loads((folder / "settings.json").read_text())
    arrays = np.load(folder / "interactions.npz")
    given = Interactions(arrays["users"], arrays["items"], arrays["strengths"])
    start = time.perf_counter()
    fit = _implicit_fit(given, setting) if solver == "implicit" else _spark_fit(given, setting, solver, folder)
    started = time.perf_counter()
    fit(1)
    first = time.perf_counter()
    if setting["warm"][solver]:
        fit(1)
    second = time.perf_counter()
    one = second - first if setting["warm"][solver] else first - started
    iterations = setting["iterations"][solver]
    factors = fit(iterations + 1)
    last = time.perf_counter()
    np.save(folder / f"{solver}.npy", factors)
    figures = {
        "start": started - start,
        "first_fit": first - started,
        "iteration": (last - second - one) / iterations,
        "iterations": iterations + 1,
    }
    if (spark := SparkSession.getActiveSession()) is not None:
        _end(spark)
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
