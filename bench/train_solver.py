"""One solver on one matrix, in a process of its own: `python -m bench.train_solver SOLVER FOLDER`.

Reads interactions.npz and settings.json of FOLDER, writes SOLVER.npy (item factors) and prints the seconds as JSON. An
iteration is timed as the difference between a fit of n + 1 and a fit of 1, so that neither the start nor the cutting
into blocks is in it; both are in the seconds of the first fit.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from saran.core.confidence import Interactions
from saran.core.settings import load_settings
from saran.spark.als import train
from saran.spark.als_parameters import ALSParameters
from saran.spark.session import build_session

Fit = Callable[[int], NDArray[np.float32]]


def _spark_fit(given: Interactions, setting: dict[str, Any], solver: str, folder: Path) -> Fit:
    spark = build_session(load_settings(), f"bench train {solver}", delta=False)
    spark.sparkContext.setLogLevel("ERROR")

    def fit(iterations: int) -> NDArray[np.float32]:
        parameters = ALSParameters.of({**setting["parameters"], "solver": solver, "iterations": iterations})
        checkpoints = folder / f"checkpoints-{solver}"
        return train(spark, given, parameters, items=setting["items"], seed=1, checkpoints=checkpoints)

    return fit


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
    fit(1)
    second = time.perf_counter()
    iterations = setting["iterations"][solver]
    factors = fit(iterations + 1)
    last = time.perf_counter()
    np.save(folder / f"{solver}.npy", factors)
    figures = {
        "start": started - start,
        "first_fit": first - started,
        "iteration": (last - second - (second - first)) / iterations,
        "iterations": iterations + 1,
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
