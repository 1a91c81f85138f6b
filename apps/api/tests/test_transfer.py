"""Export and import: what comes out goes in again and is the same, of any length, and only for an admin's key."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from apps.api.tests.test_api_events import in_kafka, records
from apps.spark.tests.train_events import START, Row, write_events, write_full_items

from saran.core.api_keys import key_line
from saran.core.entities import Event, Item, format_time
from saran.core.settings import Settings
from saran.core.verdicts import Rejection

pytestmark = [pytest.mark.kafka, pytest.mark.postgres]

LINES = {"content-type": "application/x-ndjson"}
MANY = 2500
"""Rows: more than two parts of an export."""


def _lines(answer: Any, status: int = 200) -> list[dict[str, Any]]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"].startswith("application/x-ndjson")
    return [json.loads(line) for line in answer.text.split("\n") if line]


def test_what_is_exported_is_imported_as_it_was(
    api: Any, worker: Any, settings: Settings, until: Callable[..., None]
) -> None:
    api.start()
    assert [_lines(api.http.get(f"/export/{kind}")) for kind in ("items", "users", "events")] == [[], [], []]
    items = [
        Item(item_id="i1", title="Thing\u2028“1”", categories=["a", "b"], price=1.5, attributes={"k": "v"}),
        Item(item_id="i2", is_available=False),
    ]
    write_full_items(settings, items)
    rows = [Row(f"u{number % 7}", "i1", number, "rate", value=4.5, event_id=f"e{number}") for number in range(MANY)]
    write_events(settings, rows)
    with psycopg.connect(settings.postgres_url, connect_timeout=5) as connection:
        connection.cursor().executemany(
            "INSERT INTO online.users (user_id, birth_year, attributes) VALUES (%s, %s, %s::jsonb)",
            [(f"u{number:05}", 1990, '{"city": "Bandung"}') for number in range(MANY)],
        )

    told = _lines(api.http.get("/export/items"))
    assert sorted((Item.model_validate(one) for one in told), key=lambda one: one.item_id) == items
    exported = api.http.get("/export/events")
    events = sorted(_lines(exported), key=lambda one: int(one["event_id"][1:]))
    assert len(events) == MANY
    assert events[0] == {
        "event_id": "e0",
        "event_time": format_time(START),
        "user_id": "u0",
        "item_id": "i1",
        "action": "rate",
        "value": 4.5,
        "source": "test",
    }
    users = api.http.get("/export/users")
    assert len(_lines(users)) == MANY
    assert _lines(users)[0] == {"user_id": "u00000", "birth_year": 1990, "attributes": {"city": "Bandung"}}

    answer = api.http.post("/import/events", content=exported.content, headers=LINES)
    assert (answer.status_code, answer.json()) == (
        202,
        {"lines": MANY, "accepted": MANY, "refused": 0, "errors": []},
    )
    taken = sorted(in_kafka(settings), key=lambda event: int(event.event_id[1:]))
    assert taken == [Event.model_validate(one) for one in events]

    worker.start()
    with psycopg.connect(settings.postgres_url, connect_timeout=5) as connection:
        connection.execute("DELETE FROM online.users")
    three = b"".join(users.content.splitlines(keepends=True)[:3])  # of a topic that other tests read
    assert api.http.post("/import/users", content=three, headers=LINES).json()["accepted"] == 3
    until(lambda: api.http.get("/users/u00001").status_code == 200)
    assert api.get("/users/u00001")["attributes"] == {"city": "Bandung"}
    assert api.http.post("/import/items", content=exported.content, headers=LINES).status_code == 422


def test_an_import_may_be_longer_than_any_other_body_and_names_wrong_lines(api: Any, settings: Settings) -> None:
    api.start()
    count = 30_000
    wrong = {5: '{"user_id":"u"}', 20_001: "{", 29_999: "[]"}

    def body() -> Iterator[bytes]:
        for number in range(count):
            good = {"user_id": f"u{number % 9}", "action": "view", "item_id": "i", "context": {"pad": "x" * 200}}
            yield (wrong.get(number) or json.dumps(good)).encode() + b"\r\n"

    headers = {**LINES, "idempotency-key": "k"}
    answers = [api.http.post("/import/events", content=body(), headers=headers) for _ in range(2)]
    for answer in answers:
        assert answer.status_code == 207, answer.text
        told = answer.json()
        assert (told["lines"], told["accepted"], told["refused"]) == (count, count - 3, 3)
        assert [(one["index"], one["field"]) for one in told["errors"]] == [
            *((5, field) for field in ("action", "item_id")),
            (20_001, "body"),
            (29_999, "body"),
        ]
    found = [verdict for _, verdict in records(settings)]
    ids = [one.event_id for one in found if isinstance(one, Event)]
    assert len(ids) == 2 * (count - 3)
    assert len(set(ids)) == count - 3, "sent again under the same key they are the same events"
    assert sum(isinstance(one, Rejection) for one in found) == 6

    for content, status in ((b"", 422), (b"\n\n", 422), (b"x" * 2_000_000, 413)):
        assert api.http.post("/import/items", content=content, headers=LINES).status_code == status
    assert api.http.post("/import/orders", content=b"{}", headers=LINES).status_code == 422


def test_all_that_there_is_is_for_an_admin(api: Any, tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    keys.write_text(
        "\n".join(key_line(name, name, scopes) for name, scopes in {"a": "read,events", "o": "admin"}.items())
    )
    api.start(SARAN_API_KEYS=str(keys))
    for name, statuses in {"a": (403, 403), "o": (200, 422)}.items():
        api.http.headers["authorization"] = f"Bearer {name}"
        for kind in ("items", "users", "events"):
            told = (api.http.get(f"/export/{kind}"), api.http.post(f"/import/{kind}", content=b"", headers=LINES))
            assert tuple(answer.status_code for answer in told) == statuses, (name, kind)
