"""What the demo found, and whether its figures can be right."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from saran.cli.demo_api import Answer
from saran.cli.ledger import Ledger


@dataclass
class Figures:
    """All that one demo measured. Seconds are by stage."""

    dataset: str
    synthetic: bool
    load: dict[str, Any] = field(default_factory=dict)
    topic_before: int = 0
    ledger: Ledger = field(default_factory=lambda: Ledger(0, 0, 0, 0, 0))
    served_counts: dict[str, int] = field(default_factory=dict)
    model: dict[str, Any] = field(default_factory=dict)
    known_user: Answer = field(default_factory=dict)
    new_user_before: Answer = field(default_factory=dict)
    new_user_after: Answer = field(default_factory=dict)
    clicked: list[str] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)
    click_to_list_ms: float = 0.0
    first_recommendation_seconds: float = 0.0

    @property
    def sent(self) -> int:
        """Rows of the file that went to Kafka: events, and wrong rows with their reasons."""
        return int(self.load["events"]) + int(self.load["wrong_rows"])

    @property
    def metrics(self) -> dict[str, dict[str, dict[str, float]]]:
        """Model → metric → value, low, high; empty where nothing was measured."""
        evaluation = self.model.get("evaluation") or {}
        found: dict[str, dict[str, dict[str, float]]] = evaluation.get("metrics", {})
        return found


@dataclass(frozen=True)
class Check:
    """One thing that must hold."""

    name: str
    holds: bool
    detail: str


def checks(figures: Figures) -> Iterator[Check]:
    """Every check of the demo's figures."""
    ledger = figures.ledger
    arrived = ledger.topic - figures.topic_before
    yield Check("all sent events are in Kafka", figures.sent == arrived, f"{figures.sent} sent, {arrived} in Kafka")
    yield Check("bronze holds what Kafka holds", ledger.bronze == ledger.topic, f"{ledger.bronze} of {ledger.topic}")
    yield Check(
        "silver + rejected + duplicates = bronze",
        ledger.settled == ledger.bronze,
        f"{ledger.silver} + {ledger.rejected} + {ledger.duplicates} = {ledger.settled}, bronze {ledger.bronze}",
    )
    served = figures.served_counts.get("silver.events")
    yield Check("the API shows silver's count", served == ledger.silver, f"{served}, silver {ledger.silver}")
    yield from _model_checks(figures)
    yield from _list_checks(figures)


def _model_checks(figures: Figures) -> Iterator[Check]:
    version = figures.model.get("version")
    served = figures.known_user.get("model_version")
    yield Check("the API serves the trained model", served == version, f"{served}, trained {version}")
    values = [one for metrics in figures.metrics.values() for one in metrics.values()]
    sane = all(0 <= one["low"] <= one["value"] <= one["high"] <= 1 and math.isfinite(one["value"]) for one in values)
    yield Check("metrics of two models with intervals", len(figures.metrics) >= 2 and sane, f"{len(values)} figures")


def _list_checks(figures: Figures) -> Iterator[Check]:
    known = [item["item_id"] for item in figures.known_user.get("items", [])]
    yield Check("five recommendations for a known user", len(set(known)) == 5, f"{len(set(known))} different items")
    source = figures.known_user.get("source")
    yield Check("a known user's list is personal", source == "personal", f"source {source}")
    before, after = figures.new_user_before, figures.new_user_after
    yield Check(
        "a new user's list becomes personal",
        before.get("source") != "personal" and after.get("source") == "personal",
        f"{before.get('source')}, then {after.get('source')}",
    )
    lists = [[item["item_id"] for item in answer.get("items", [])] for answer in (before, after)]
    yield Check("three clicks change the list", lists[0] != lists[1] and len(set(lists[1])) == 5, "before and after")
    repeated = sorted(set(figures.clicked) & set(lists[1]))
    yield Check("what was clicked is not recommended", not repeated, ", ".join(repeated) or "none is")
