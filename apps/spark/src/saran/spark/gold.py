"""The gold tables that trainings write, which are their one writer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from deltalake import write_deltalake
from numpy.typing import NDArray

from saran.core.age_groups import AgeGroups, Liked
from saran.core.confidence import FloatArray
from saran.core.model_folder import Evaluation, Manifest
from saran.core.model_parts import Kind
from saran.core.names import Table
from saran.core.recommender import Likeness
from saran.core.s3 import delta_options
from saran.core.settings import Settings
from saran.core.versions import VersionFacts
from saran.spark.list_models import Ground, Parts, decayed
from saran.spark.ml_results import COLLABORATIVE, CONTENT_BASED, write_results

_NEIGHBOURS: Final = 20
"""Of each item, in gold.item_neighbours."""

_RESULTS: Final[Mapping[Likeness, str]] = {"behaviour": COLLABORATIVE, "content": CONTENT_BASED}

_LIKENESS: Final[Mapping[Kind, Likeness]] = {Kind.NEIGHBOURS: "behaviour", Kind.CONTENT: "content"}


def write_popularity(
    settings: Settings, manifest: Manifest, ground: Ground, half_life_days: float, ages: AgeGroups | None
) -> None:
    """Replace gold.popularity: segment, value, item_id, rank (from 1), users, score, model_version.

    A segment is `overall` (of all items), `category` or `age` (the items with interest of each category or age class,
    which is `value`), or `user_age` (what users of each age group like; `value` is 18-24, 55+). `users` counts those
    with interest, `score` likewise, those long ago less; ranks are by score, then users.
    """
    items = ground.items
    users = np.bincount(ground.given.items, minlength=items.num_rows)
    score = decayed(ground.given.items, ground.days, items.num_rows, half_life_days)
    liked = users > 0
    parts = [_ranked("overall", np.arange(items.num_rows), pa.repeat("", items.num_rows), score, users)]
    if "categories" in items.column_names:
        categories = items.column("categories").combine_chunks()
        owners = pc.list_parent_indices(categories).to_numpy()
        parts.append(_ranked("category", owners, pc.list_flatten(categories), score, users, only=liked[owners]))
    if "age_rating" in items.column_names:
        classes = items.column("age_rating").combine_chunks()
        known = np.flatnonzero(classes.is_valid().to_numpy(zero_copy_only=False) & liked)
        parts.append(_ranked("age", known, classes.take(pa.array(known)), score, users))
    parts += [_of_ages(group) for group in (() if ages is None else ages.every())]
    table = pa.concat_tables(parts)
    item_ids = items.column("item_id").take(table.column("item"))
    table = table.set_column(table.column_names.index("item"), "item_id", item_ids)
    version = pa.repeat(pa.scalar(manifest.version), table.num_rows)
    _write(settings, Table.GOLD_POPULARITY, table.append_column("model_version", version), mode="overwrite")


def _of_ages(liked: Liked) -> pa.Table:
    """Rows of the segment `user_age`, of one group."""
    count = len(liked.items)
    return pa.table(
        {
            "segment": pa.repeat("user_age", count),
            "value": pa.repeat(liked.group.name, count),
            "item": liked.items.astype(np.int64),
            "rank": np.arange(1, count + 1),
            "users": liked.users.astype(np.int64),
            "score": liked.scores.astype(np.float64),
        }
    )


def write_neighbours(settings: Settings, manifest: Manifest, item_ids: pa.ChunkedArray, parts: Parts) -> None:
    """Replace gold.item_neighbours: by, item_id, neighbour_id, rank (from 1), score, model_version.

    `by` is behaviour or content. At most the nearest `_NEIGHBOURS` of each item. A version without such a part leaves
    the table as it is.
    """
    tables = []
    for part in parts.values():
        by = _LIKENESS.get(part.spec.kind)
        if by is None:
            continue
        starts, near = part.arrays["starts"], part.arrays["items"]
        item = np.repeat(np.arange(len(starts) - 1), np.diff(starts))
        rank = np.arange(len(near)) - starts[item] + 1
        few = rank <= _NEIGHBOURS
        tables.append(
            pa.table(
                {
                    "by": pa.repeat(by, int(few.sum())),
                    "item_id": item_ids.take(pa.array(item[few])),
                    "neighbour_id": item_ids.take(pa.array(near[few])),
                    "rank": rank[few],
                    "score": part.arrays["nearness"][few],
                    "model_version": pa.repeat(manifest.version, int(few.sum())),
                }
            )
        )
    if tables:
        _write(settings, Table.GOLD_ITEM_NEIGHBOURS, pa.concat_tables(tables), mode="overwrite")
    for table in tables:
        if table.num_rows:
            write_results(settings, _RESULTS[table.column("by")[0].as_py()], table)


def _ranked(
    segment: str,
    items: NDArray[np.int64],
    values: pa.Array,
    score: FloatArray,
    users: NDArray[np.int64],
    only: NDArray[np.bool_] | None = None,
) -> pa.Table:
    """Rows of a segment: `items` with the `values` they are ranked within, of which some are left out."""
    if only is not None:
        items, values = items[only], values.filter(pa.array(only))
    codes = values.dictionary_encode()
    group = codes.indices.to_numpy()
    order = np.lexsort((items, -users[items], -score[items], group))
    first = np.searchsorted(group[order], group[order])
    return pa.table(
        {
            "segment": pa.repeat(segment, len(items)),
            "value": values.take(pa.array(order)).cast(pa.string()),
            "item": items[order],
            "rank": np.arange(1, len(items) + 1) - first,
            "users": users[items[order]],
            "score": score[items[order]],
        }
    )


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
    # Columns may be others than an earlier release wrote, where the whole table is replaced.
    schema_mode: Literal["overwrite"] | None = "overwrite" if mode == "overwrite" else None
    configuration = {"delta.enableDeletionVectors": "false"}
    folder = settings.table_folder(name)
    write_deltalake(
        str(folder),
        rows,
        mode=mode,
        schema_mode=schema_mode,
        name=name,
        configuration=configuration,
        storage_options=delta_options(folder),
    )
