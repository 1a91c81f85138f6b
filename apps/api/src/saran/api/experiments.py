"""The experiment that runs, known to each process, and all of them in PostgreSQL."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Any, Final

import psycopg
from psycopg.types.json import Jsonb

from saran.api.online_reader import StoreAwayError
from saran.api.reading import reading
from saran.core.experiment_shapes import Experiment, ExperimentDefinition, ExperimentFigures, VariantFigures
from saran.core.experiments import expected_users, sample_ratio, wilson

_log = logging.getLogger("saran.api.experiments")

_POLL_SECONDS: Final = 3.0
_LOCK: Final = 0x5A12A6
"""Advisory lock key: of two experiments put at once, one is the first that runs."""

_ALL: Final = "SELECT name, definition, created_at, updated_at FROM online.experiments ORDER BY created_at DESC, name"
_PUT: Final = """
INSERT INTO online.experiments AS e (name, definition) VALUES (%s, %s)
ON CONFLICT (name) DO UPDATE SET definition = excluded.definition, updated_at = now()
RETURNING name, definition, created_at, updated_at
"""
_COUNTS: Final = """
SELECT experiment, variant, count(*) AS users, count(*) FILTER (WHERE clicked) AS clicked,
       count(*) FILTER (WHERE converted) AS converted
FROM online.exposures GROUP BY experiment, variant
"""

Row = Mapping[str, Any]


class ConflictError(Exception):
    """An experiment cannot be as it was asked for; the text says why and what to do."""


class Experiments:
    """`running` is as it was at most three seconds ago, and stays while PostgreSQL is away."""

    def __init__(self, url: Callable[[], str]) -> None:
        self.running: Experiment | None = None
        self._url = url

    async def run(self) -> None:
        """Look for ever which experiment runs."""
        while True:
            try:
                self._take(await asyncio.to_thread(self._read))
            except StoreAwayError as error:
                _log.info("experiments stay as they were: %s", error)
            await asyncio.sleep(_POLL_SECONDS)

    async def put(self, name: str, definition: ExperimentDefinition) -> Experiment:
        """Store a definition. Raises ConflictError, StoreAwayError."""
        stored = await asyncio.to_thread(self._put, name, definition)
        self._take(await asyncio.to_thread(self._read))
        return stored

    async def figures(self) -> list[ExperimentFigures]:
        """All, the newest first. Raises StoreAwayError."""
        return await asyncio.to_thread(self._figures)

    def _take(self, found: list[Experiment]) -> None:
        self.running = next((one for one in found if one.running), None)

    def _read(self) -> list[Experiment]:
        try:
            with reading(self._url()) as connection:
                return [_experiment(row) for row in connection.execute(_ALL)]
        except (psycopg.Error, OSError) as error:
            raise StoreAwayError(str(error).strip()) from error

    def _put(self, name: str, definition: ExperimentDefinition) -> Experiment:
        try:
            with reading(self._url()) as connection:
                connection.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
                found = [_experiment(row) for row in connection.execute(_ALL)]
                _check(name, definition, found)
                row = connection.execute(_PUT, (name, Jsonb(definition.model_dump(mode="json")))).fetchone()
        except (psycopg.Error, OSError) as error:
            raise StoreAwayError(str(error).strip()) from error
        if row is None:
            raise StoreAwayError("the experiment was not stored")
        return _experiment(row)

    def _figures(self) -> list[ExperimentFigures]:
        try:
            with reading(self._url()) as connection:
                found = [_experiment(row) for row in connection.execute(_ALL)]
                counts = connection.execute(_COUNTS).fetchall()
        except (psycopg.Error, OSError) as error:
            raise StoreAwayError(str(error).strip()) from error
        return [_told(one, {row["variant"]: row for row in counts if row["experiment"] == one.name}) for one in found]


def _experiment(row: Row) -> Experiment:
    times = {name: row[name] for name in ("created_at", "updated_at")}
    return Experiment(name=row["name"], **row["definition"], **times)


def _check(name: str, definition: ExperimentDefinition, found: list[Experiment]) -> None:
    for one in found:
        if one.name == name and one.variants != definition.variants:
            raise ConflictError("variants stay as they were first put: put others as an experiment of another name")
        if one.name != name and one.running and definition.running:
            raise ConflictError(f"{one.name} runs, and one experiment runs at a time: put it with running=false first")


def _told(one: Experiment, counts: Mapping[str, Row]) -> ExperimentFigures:
    users = {name: int(row["users"]) for name, row in counts.items()}
    ratio = sample_ratio(one.variants, users)
    expected = expected_users(one.variants, sum(users.values()))
    figures = [
        VariantFigures(
            name=variant.name,
            users=(seen := users.get(variant.name, 0)),
            expected_users=wanted,
            click_through=wilson(int(counts[variant.name]["clicked"]) if seen else 0, seen),
            conversion=wilson(int(counts[variant.name]["converted"]) if seen else 0, seen),
        )
        for variant, wanted in zip(one.variants, expected, strict=True)
    ]
    warnings = []
    if ratio is not None and ratio.mismatch:
        warnings.append(
            f"users did not fall on variants as the weights say (p = {ratio.p_value:.2g}): trust no figure of it"
        )
    return ExperimentFigures(**one.model_dump(), figures=figures, sample_ratio=ratio, warnings=warnings)
