"""The gold tables that trainings write, which are their one writer."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pyarrow as pa
from deltalake import write_deltalake
from numpy.typing import NDArray

from saran.core.model_folder import Evaluation, Manifest
from saran.core.names import Table
from saran.core.s3 import delta_options
from saran.core.settings import Settings
from saran.core.versions import VersionFacts


def write_popularity(
    settings: Settings,
    manifest: Manifest,
    item_ids: pa.ChunkedArray,
    popularity: NDArray[np.int64],
    users: NDArray[np.int64],
) -> None:
    """Replace gold.popularity: item_id, rank (from 1), users (distinct, with interest), model_version.

    `popularity` holds item positions, most popular first; `users` (items,) is in item order.
    """
    table = pa.table(
        {
            "item_id": item_ids.take(pa.array(popularity)),
            "rank": np.arange(1, len(popularity) + 1),
            "users": users[popularity],
            "model_version": pa.repeat(pa.scalar(manifest.version), len(popularity)),
        }
    )
    _write(settings, Table.GOLD_POPULARITY, table, mode="overwrite")


def replace_rows(settings: Settings, table: str, rows: pa.Table, manifest: VersionFacts) -> None:
    """Replace a table by `rows` with two more columns: model_version, and as_of, the newest event that counted."""
    as_of = pa.scalar(manifest.newest_event, pa.timestamp("us", "UTC"))
    versioned = rows.append_column("model_version", pa.repeat(pa.scalar(manifest.version), rows.num_rows))
    _write(settings, table, versioned.append_column("as_of", pa.repeat(as_of, rows.num_rows)), mode="overwrite")


def write_metrics(settings: Settings, manifest: VersionFacts, evaluation: Evaluation) -> None:
    """Append an evaluation to gold.model_metrics, a row a model and metric."""
    table = pa.Table.from_pylist(
        [
            {
                "model_version": manifest.version,
                "created_at": manifest.created_at,
                "dataset": manifest.dataset,
                "synthetic": manifest.synthetic,
                "model": model,
                "metric": name,
                "value": metric.value,
                "low": metric.low,
                "high": metric.high,
                "test_users": evaluation.test_users,
                "split": evaluation.split,
            }
            for model, metrics in evaluation.metrics.items()
            for name, metric in metrics.items()
        ]
    )
    _write(settings, Table.GOLD_MODEL_METRICS, table, mode="append")


def _write(settings: Settings, name: str, rows: pa.Table, *, mode: Literal["overwrite", "append"]) -> None:
    configuration = {"delta.enableDeletionVectors": "false"}
    folder = settings.table_folder(name)
    write_deltalake(
        str(folder),
        rows,
        mode=mode,
        name=name,
        configuration=configuration,
        storage_options=delta_options(folder),
    )
