"""Every name the parts agree on: topics, consumer groups, tables, buckets, database schemas, headers.

Nothing else in the code base spells these. See docs/architecture.md for what each holds.
"""

from typing import Final


class Topic:
    """Kafka topics."""

    EVENTS: Final = "events"
    CATALOG: Final = "catalog"
    USERS: Final = "users"
    REQUESTS: Final = "requests"
    DLQ: Final = "events.dlq"


class Group:
    """Kafka consumer groups."""

    INGEST: Final = "saran-ingest"
    ONLINE: Final = "saran-online"
    BATCHES: Final = "saran-batches"


class Table:
    """Delta tables, as `layer.name`; `Settings.table_path` turns one into its location."""

    BRONZE_EVENTS: Final = "bronze.events"
    BRONZE_CATALOG: Final = "bronze.catalog"
    SILVER_EVENTS: Final = "silver.events"
    SILVER_ITEMS: Final = "silver.items"
    SILVER_USERS: Final = "silver.users"
    SILVER_REJECTED: Final = "silver.rejected"
    SILVER_ERASURES: Final = "silver.erasures"
    GOLD_POPULARITY: Final = "gold.popularity"
    GOLD_ITEM_NEIGHBOURS: Final = "gold.item_neighbours"
    GOLD_MODEL_METRICS: Final = "gold.model_metrics"
    GOLD_PURCHASE_PROPENSITY: Final = "gold.purchase_propensity"
    GOLD_USER_SEGMENTS: Final = "gold.user_segments"
    GOLD_ITEM_LABELS: Final = "gold.item_labels"
    GOLD_ITEM_TRENDS: Final = "gold.item_trends"
    GOLD_FUNNEL_HOURLY: Final = "gold.funnel_hourly"
    GOLD_ACTIVITY_HEATMAP: Final = "gold.activity_heatmap"
    GOLD_RETENTION: Final = "gold.retention"
    GOLD_USER_FEATURES: Final = "gold.user_features"


class Bucket:
    """Object-store buckets on a cluster; folders of the same names under `SARAN_HOME/data` on a laptop."""

    LAKEHOUSE: Final = "lakehouse"
    MODELS: Final = "models"
    MOVIES: Final = "movies"
    CHECKPOINTS: Final = "checkpoints"


class Schema:
    """PostgreSQL schemas."""

    ONLINE: Final = "online"
    ANALYTICS: Final = "analytics"


class Channel:
    """PostgreSQL channels (LISTEN and NOTIFY)."""

    HISTORY: Final = "saran_history"


class Header:
    """Kafka record headers on `events.dlq`."""

    REASON: Final = "reason"
    ORIGIN: Final = "origin"  # topic/partition/offset the record was read from


class Part:
    """Long-running parts that leave heartbeats, as `saran up` names them."""

    STREAMS: Final = "streams"
    WORKER: Final = "worker"


class Model:
    """Model names; a model's versions are the folders under `models/<name>/`."""

    RECOMMENDER: Final = "recommender"
    TRANSACTION_PREDICTOR: Final = "transaction_predictor"
    USER_SEGMENTATION: Final = "user_segmentation"
    ITEM_CLASSIFIER: Final = "item_classifier"


class Attribute:
    """Attributes of items that Saran itself writes."""

    AGE_RATING_SOURCE: Final = "age_rating_source"  # whether the age class was given or derived
    CATEGORIES_SOURCE: Final = "categories_source"  # the same of categories; absent: given
    CERTIFICATE: Final = "certificate"  # from which the age class was taken


EXPOSURES: Final = "saran.exposures"
"""`source` of the impressions by which the API logs what an experiment showed: no acts of users, so histories and
trainings leave them out."""

CONTEXT_BATCH: Final = "batch"
"""Key of an event's context that holds the number of its micro-batch, from 1, as a decimal string."""
