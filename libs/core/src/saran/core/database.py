"""PostgreSQL: the tables that more than one part reads, and their creation.

`online` is written by the online worker and read by the API; `analytics` is written by the Spark driver
and read by the API. `migrate` is idempotent and safe to call from several parts at once.
"""

from __future__ import annotations

from typing import Final

import psycopg

_MIGRATION_LOCK: Final = 0x5A12A4
"""Advisory lock key: two parts that start together must not race on CREATE SCHEMA."""

DDL: Final = """
CREATE SCHEMA IF NOT EXISTS online;
CREATE SCHEMA IF NOT EXISTS analytics;

-- One row a user: the last H events, oldest first, in parallel arrays.
CREATE TABLE IF NOT EXISTS online.user_history (
    user_id    text PRIMARY KEY,
    item_ids   text[]     NOT NULL,
    actions    smallint[] NOT NULL,  -- saran.core.entities.ACTION_CODES
    event_values real[]   NOT NULL,  -- NaN where an event has no value
    event_times bigint[]  NOT NULL,  -- milliseconds since 1970, UTC
    event_hashes bigint[] NOT NULL   -- 64-bit hash of event_id: a replayed event changes nothing
);

-- Next offset of each partition, moved in the transaction that stores what was read up to it.
CREATE TABLE IF NOT EXISTS online.offsets (
    topic       text    NOT NULL,
    partition   integer NOT NULL,
    next_offset bigint  NOT NULL,
    PRIMARY KEY (topic, partition)
);

-- What the topic `users` last said of each user.
CREATE TABLE IF NOT EXISTS online.users (
    user_id    text PRIMARY KEY,
    birth_year integer,
    attributes jsonb NOT NULL
);

-- Tombstones: whose events never enter a history again.
CREATE TABLE IF NOT EXISTS online.erasures (
    subject      text PRIMARY KEY,          -- saran.core.pseudonym of the user's id
    request_id   text NOT NULL,
    requested_at timestamptz NOT NULL,
    until        timestamptz,               -- events up to then; null: all, for ever
    done_at      timestamptz NOT NULL DEFAULT now()
);

-- Definitions, written by the API.
CREATE TABLE IF NOT EXISTS online.experiments (
    name       text PRIMARY KEY,
    definition jsonb NOT NULL,              -- saran.core.experiment_shapes.ExperimentDefinition
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);

-- Who was shown lists of an experiment, and what they did then.
CREATE TABLE IF NOT EXISTS online.exposures (
    user_id    text NOT NULL,
    experiment text NOT NULL,
    variant    text NOT NULL,
    first_at   bigint NOT NULL,             -- milliseconds since 1970, UTC
    item_ids   text[] NOT NULL,             -- up to 1000 distinct items that were shown
    clicked    boolean NOT NULL DEFAULT false,
    converted  boolean NOT NULL DEFAULT false,
    PRIMARY KEY (user_id, experiment)
);

-- Erasures that `ingest` has carried out in bronze and silver.
CREATE TABLE IF NOT EXISTS analytics.erasures (
    subject    text PRIMARY KEY,
    request_id text NOT NULL,
    done_at    timestamptz NOT NULL
);

CREATE TABLE IF NOT EXISTS analytics.table_counts (
    table_name text PRIMARY KEY,   -- saran.core.names.Table
    rows       bigint NOT NULL,
    version    bigint NOT NULL,    -- Delta version the count is of
    as_of      timestamptz,        -- newest event_time in the table, where it has one
    updated_at timestamptz NOT NULL DEFAULT now()
);
-- Of a bronze table: offsets of its topic, as Kafka has it now, that it reaches up to, added up. What it has of a topic
-- that was lost and made anew is in `rows` only.
ALTER TABLE analytics.table_counts ADD COLUMN IF NOT EXISTS read_offsets bigint;
-- Books of a topic, in its silver table's row: rows of bronze.events = rows + rejected_rows + duplicate_rows of
-- silver.events. They are written together after each micro-batch and lose nothing when the driver is killed.
ALTER TABLE analytics.table_counts
    ADD COLUMN IF NOT EXISTS rejected_rows  bigint,  -- records of the table's topic in silver.rejected
    ADD COLUMN IF NOT EXISTS duplicate_rows bigint;  -- silver.events: records that changed nothing; null while unknown

CREATE TABLE IF NOT EXISTS analytics.ingest_batches (
    query          text        NOT NULL,  -- checkpoint the batch number belongs to
    batch_id       bigint      NOT NULL,
    finished_at    timestamptz NOT NULL DEFAULT now(),
    seconds        double precision NOT NULL,
    input_rows     bigint      NOT NULL,
    new_rows       bigint      NOT NULL,
    duplicate_rows bigint      NOT NULL,
    rejected_rows  bigint      NOT NULL,
    PRIMARY KEY (query, batch_id)
);

-- What the API reads of the gold tables of trends: rows are replaced by the day, all tables in one transaction.
-- docs/analytics.md has what the columns mean. Of single items there are the last three days by hour, and 60 by day.
CREATE TABLE IF NOT EXISTS analytics.item_trends (
    day           date        NOT NULL,
    window_start  timestamptz NOT NULL,
    grain         text        NOT NULL,
    kind          text        NOT NULL,
    key           text        NOT NULL,
    views         bigint NOT NULL,
    clicks        bigint NOT NULL,
    carts         bigint NOT NULL,
    purchases     bigint NOT NULL,
    rates         bigint NOT NULL,
    impressions   bigint NOT NULL,
    revenue_cents bigint NOT NULL,
    priced        bigint NOT NULL
);
CREATE INDEX IF NOT EXISTS item_trends_windows ON analytics.item_trends (kind, grain, window_start);
CREATE INDEX IF NOT EXISTS item_trends_days ON analytics.item_trends (day);

CREATE TABLE IF NOT EXISTS analytics.funnel_hourly (
    day          date        NOT NULL,
    window_start timestamptz NOT NULL,
    scope        text        NOT NULL,
    category     text        NOT NULL,
    viewed       bigint NOT NULL,
    clicked      bigint NOT NULL,
    carted       bigint NOT NULL,
    purchased    bigint NOT NULL,
    cart_ms      bigint NOT NULL,
    purchase_ms  bigint NOT NULL
);
CREATE INDEX IF NOT EXISTS funnel_hourly_windows ON analytics.funnel_hourly (scope, window_start);
CREATE INDEX IF NOT EXISTS funnel_hourly_days ON analytics.funnel_hourly (day);

CREATE TABLE IF NOT EXISTS analytics.activity_heatmap (
    day          date        NOT NULL,
    window_start timestamptz PRIMARY KEY,
    weekday      integer NOT NULL,
    hour         integer NOT NULL,
    events       bigint NOT NULL,
    views        bigint NOT NULL,
    clicks       bigint NOT NULL,
    carts        bigint NOT NULL,
    purchases    bigint NOT NULL,
    rates        bigint NOT NULL,
    impressions  bigint NOT NULL,
    users        bigint NOT NULL,
    sessions     bigint NOT NULL
);
CREATE INDEX IF NOT EXISTS activity_heatmap_days ON analytics.activity_heatmap (day);

CREATE TABLE IF NOT EXISTS analytics.retention (
    grain  text    NOT NULL,
    cohort date    NOT NULL,  -- first day of the cohort's window
    later  integer NOT NULL,  -- windows after it
    users  bigint  NOT NULL,
    PRIMARY KEY (grain, cohort, later)
);

-- One row: the versions of silver that the copies are of, and figures of that moment that do not add up over windows.
CREATE TABLE IF NOT EXISTS analytics.trends (
    one             boolean PRIMARY KEY DEFAULT true CHECK (one),
    events_table    text   NOT NULL,   -- Delta's id of silver.events
    events          bigint NOT NULL,   -- its version
    items_table     text   NOT NULL,
    items           bigint NOT NULL,
    as_of           timestamptz NOT NULL,  -- newest event
    users           bigint NOT NULL,
    users_day       bigint NOT NULL,
    users_week      bigint NOT NULL,
    users_month     bigint NOT NULL,
    active_sessions bigint NOT NULL,
    recent_events   bigint NOT NULL,   -- in the five minutes up to as_of
    copied_at       timestamptz NOT NULL DEFAULT now()
);

-- One row a long-running part; a part whose row is old is taken for dead.
CREATE TABLE IF NOT EXISTS analytics.heartbeats (
    part    text PRIMARY KEY,
    seen_at timestamptz NOT NULL DEFAULT now()
);
"""


def migrate(url: str, *, timeout_seconds: int = 10) -> None:
    """Create what is missing in the database at `url`. Raises psycopg.OperationalError when it cannot be reached."""
    with psycopg.connect(url, connect_timeout=timeout_seconds) as connection:
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (_MIGRATION_LOCK,))
        connection.execute(DDL)


def beat(connection: psycopg.Connection[tuple[object, ...]], part: str) -> None:
    """Record that `part` is alive."""
    connection.execute(
        "INSERT INTO analytics.heartbeats (part) VALUES (%s) ON CONFLICT (part) DO UPDATE SET seen_at = now()", (part,)
    )
