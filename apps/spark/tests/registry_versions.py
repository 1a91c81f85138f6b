"""Versions of a small recommender, written as the trainer writes them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa

from saran.core.confidence import Weights
from saran.core.model_folder import Evaluation, Manifest, Metric, write_model
from saran.core.model_parts import Kind, als_part
from saran.core.names import Model, Table
from saran.core.s3 import Location

ITEMS = 12
BORN = datetime(2026, 1, 1, tzinfo=UTC)


def write_version(models: Location, version: str, *, day: int = 0, **facts: object) -> Location:
    """Write a version that was trained on a day; `facts` are of its manifest."""
    changed: Mapping[str, object] = {
        "evaluation": Evaluation(
            split="by hand",
            test_users=7,
            metrics={
                "als": {
                    "ndcg@10": Metric(value=0.3, low=0.2, high=0.4),
                    "recall@20": Metric(value=0.5, low=0.45, high=0.55),
                },
                "popularity": {
                    "ndcg@10": Metric(value=0.1, low=0.05, high=0.15),
                    "recall@20": Metric(value=0.2, low=0.1, high=0.3),
                },
            },
        ),
        **facts,
    }
    manifest = Manifest(
        name=Model.RECOMMENDER,
        version=version,
        created_at=BORN + timedelta(days=day),
        dataset="shop",
        synthetic=False,
        algorithm="als",
        parameters={"rank": 2, "alpha": 1.0, "regularization": 0.1},
        weights=Weights(),
        history_length=10,
        seed=5,
        tables={Table.SILVER_EVENTS: 4, Table.SILVER_ITEMS: 1},
        users=3,
        items=ITEMS,
        interactions=4,
        newest_event=BORN,
    ).model_copy(update=changed)
    factors = np.random.default_rng(day).normal(size=(ITEMS, 2)).astype(np.float32)
    users = pa.DictionaryArray.from_arrays(pa.array([0, 0, 1, 2], pa.int32()), pa.array(["p1", "p2", "p3"]))
    return write_model(
        models,
        manifest,
        parts={Kind.ALS: als_part(factors, alpha=1.0, regularization=0.1)},
        popularity=np.arange(ITEMS),
        items=pa.table({"item_id": [f"i{item}" for item in range(ITEMS)]}),
        interactions=pa.table(
            {
                "user": users,
                "item": pa.array([0, 1, 0, 2], pa.int32()),
                "strength": pa.array([1, 1, 2, 1], pa.float32()),
            }
        ),
    )
