"""What was produced is in the tables, each event once, and what is served is what was trained."""

from __future__ import annotations

from collections import Counter

import pytest
from pyarrow import dataset as ds

from saran.core.names import Table, Topic
from tests.e2e.installation import Installation, last_json
from tests.e2e.jobs import submit

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(3600)]


def test_silver_has_every_event_that_the_load_produced(served: Installation) -> None:
    """The Job's own figures against the table's rows."""
    pods = [one for one in served.pods(served.ours("producer")) if one["status"]["phase"] in {"Running", "Succeeded"}]
    if not pods:
        pytest.skip("the pod of the load is gone (producer.enabled, or its Job was deleted)")
    newest = max(pods, key=lambda one: str(one["metadata"]["creationTimestamp"]))
    name, container = newest["metadata"]["name"], newest["spec"]["containers"][0]["name"]
    served.wait(
        f"the load {name} to end",
        lambda: any(
            one["metadata"]["name"] == name and one["status"]["phase"] == "Succeeded"
            for one in served.pods(served.ours("producer"))
        ),
    )
    told = last_json(served.log(name, container))
    assert told is not None, served.log(name, container)
    assert told["sent"] == told["acknowledged"]
    dataset = served.get("/system/metrics")["dataset"]
    sources = (dataset, f"{dataset}-synthetic")
    served.wait(f"{told['events']} events in silver", lambda: len(served.silver_ids(*sources)) >= told["events"])
    ids = served.silver_ids(*sources)
    assert len(ids) == len(set(ids)) == told["events"]
    rejected = served.rows(Table.SILVER_REJECTED, ["topic"], ds.field("topic") == Topic.EVENTS)
    assert len(rejected) == told["wrong_rows"]


def test_bronze_has_every_record_of_the_topic_once(served: Installation) -> None:
    places: dict[int, list[int]] = {}
    for row in served.rows(Table.BRONZE_EVENTS, ["partition", "offset"]):
        places.setdefault(row["partition"], []).append(row["offset"])
    assert places, "no record was ever taken in"
    holes = []
    for partition, offsets in places.items():
        assert len(offsets) == len(set(offsets)), f"partition {partition} has offsets twice"
        if max(offsets) - min(offsets) + 1 != len(offsets):
            holes.append(partition)
    # Records of erased users are gone, and no table tells how many they were.
    if holes and not served.rows(Table.SILVER_ERASURES, ["subject"]):
        pytest.fail(f"partitions {holes} have holes, and nobody was erased")


def test_no_event_is_in_silver_twice(served: Installation) -> None:
    counts = Counter(row["event_id"] for row in served.rows(Table.SILVER_EVENTS, ["event_id"]))
    assert [one for one, count in counts.items() if count > 1] == []


def test_the_counts_that_the_api_shows_are_those_of_the_tables(served: Installation) -> None:
    def equal() -> bool:
        shown = served.get("/system/metrics")["tables"]
        return all(
            shown[table]["rows"] == len(served.rows(table, [column]))
            for table, column in ((Table.BRONZE_EVENTS, "offset"), (Table.SILVER_EVENTS, "event_id"))
        )

    served.wait("the API's counts to be the tables'", equal, seconds=120)


def test_the_served_model_is_the_champion(trained: Installation) -> None:
    version = trained.champion()
    trained.wait(
        f"the API to serve {version}", lambda: trained.get("/health")["model_versions"]["recommender"] == version
    )
    assert trained.get("/system/metrics")["model"]["version"] == version


def test_a_submitted_training_is_served_as_champion(trained: Installation) -> None:
    """`saran submit` to its end; then store, API and answers name one version."""
    before = trained.champion()
    # The champion's own recipe, on the tables of now, is promoted without a question.
    iterations = trained.get("/system/metrics")["model"]["parameters"]["iterations"]
    done = submit(trained, "train-recommender", iterations=iterations)
    assert done["arguments"][-2:] == ["--set", f"iterations={iterations}"]
    version = trained.champion()
    assert version not in {None, before}
    trained.wait(
        "the API to serve the champion", lambda: trained.get("/health")["model_versions"]["recommender"] == version
    )
    assert trained.get("/system/metrics")["model"]["version"] == version
    popular = trained.get("/recommendations/user/nobody-that-is-known?limit=5")
    assert popular["model_version"] == version
    assert len({one["item_id"] for one in popular["items"]}) == 5
