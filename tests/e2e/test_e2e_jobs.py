"""Jobs beside trainings: tables are looked after, features are made of them, what is served is judged on them."""

from __future__ import annotations

from collections import Counter

import pytest

from saran.core.names import Table
from tests.e2e.installation import Installation
from tests.e2e.jobs import submit

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(3600)]


def test_maintenance_changes_no_row_and_leaves_few_files(served: Installation) -> None:
    """The stream driver carries it out, while it runs: no event of before is lost, none is there twice."""
    before = served.rows(Table.SILVER_EVENTS, ["event_id"])
    files = served.files(Table.SILVER_EVENTS)
    submit(served, "maintain")
    after = Counter(row["event_id"] for row in served.rows(Table.SILVER_EVENTS, ["event_id"]))
    assert {row["event_id"] for row in before} <= set(after)
    assert set(after.values()) == {1}
    assert served.files(Table.SILVER_EVENTS) <= max(1, files)


def test_features_are_of_every_user_of_silver(served: Installation) -> None:
    submit(served, "features")
    made = {row["user_id"]: row["events"] for row in served.rows(Table.GOLD_USER_FEATURES, ["user_id", "events"])}
    counted = Counter(row["user_id"] for row in served.rows(Table.SILVER_EVENTS, ["user_id"]))
    assert made == dict(counted)


def test_an_evaluation_leaves_its_report_in_the_store(trained: Installation) -> None:
    before = trained.reports()
    submit(trained, "evaluate")
    (new,) = trained.reports() - before
    assert new.endswith(".json")
