"""Training by the compiled solver with executors in processes of their own: what to do is JSON in argv[1].

Prints as JSON how many tasks each executor has done. Not in the session of the tests, since a process has one.
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pyspark

from saran.core.confidence import Interactions
from saran.core.settings import Spark, load_settings
from saran.spark.als import train
from saran.spark.als_parameters import ALSParameters
from saran.spark.session import build_session


def main() -> None:
    """Train, and save the factors."""
    given = json.loads(sys.argv[1])
    arrays = np.load(given["interactions"])
    settings = load_settings().model_copy(update={"spark": Spark(master=given["master"], driver_memory="512m")})
    spark = build_session(settings, "executors", delta=False)
    store = spark.sparkContext._jsc.sc().statusStore()
    factors = train(
        spark,
        Interactions(arrays["users"], arrays["items"], arrays["strengths"]),
        ALSParameters.of(given["parameters"]),
        items=given["items"],
        seed=given["seed"],
        checkpoints=Path(given["checkpoints"]),
    )
    np.save(given["factors"], factors)
    executors = store.executorList(True)
    done = {executors.apply(n).id(): executors.apply(n).completedTasks() for n in range(executors.size())}
    application = spark.sparkContext.applicationId
    spark.stop()
    # Where local-cluster keeps what executors print; no setting moves it.
    shutil.rmtree(Path(pyspark.__file__).parent / "work" / application, ignore_errors=True)
    print(json.dumps(done))  # noqa: T201  its answer


if __name__ == "__main__":
    main()
