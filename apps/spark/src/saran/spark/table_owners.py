"""Which job owns which Delta table: it alone writes it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import pyarrow as pa

from saran.core.job_lock import FEATURES, TRAINING
from saran.core.names import Table
from saran.spark import lake_schemas
from saran.spark.trends.schemas import SCHEMAS as TRENDS

INGEST: Final[Mapping[str, pa.Schema]] = {
    Table.BRONZE_EVENTS: lake_schemas.BRONZE,
    Table.BRONZE_CATALOG: lake_schemas.BRONZE,
    Table.SILVER_EVENTS: lake_schemas.SILVER_EVENTS,
    Table.SILVER_ITEMS: lake_schemas.SILVER_ITEMS,
    Table.SILVER_USERS: lake_schemas.SILVER_USERS,
    Table.SILVER_REJECTED: lake_schemas.REJECTED,
    Table.SILVER_ERASURES: lake_schemas.ERASURES,
}
"""Tables of the stream `ingest`, and their columns."""

OF_STREAMS: Final = (*INGEST, *TRENDS)
"""Tables of the stream driver: those of `ingest` and of `trends`."""

OF_JOBS: Final[Mapping[str, tuple[str, ...]]] = {
    TRAINING: (
        Table.GOLD_POPULARITY,
        Table.GOLD_ITEM_NEIGHBOURS,
        Table.GOLD_MODEL_METRICS,
        Table.GOLD_PURCHASE_PROPENSITY,
        Table.GOLD_USER_SEGMENTS,
        Table.GOLD_ITEM_LABELS,
    ),
    FEATURES: (Table.GOLD_USER_FEATURES,),
}
"""Tables of jobs that end, by the lock that their owner holds."""
