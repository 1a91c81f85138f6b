"""`saran replay`: what it asks of the API, and its exit code."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Self

import pytest

from saran.cli import replay
from saran.core.errors import SaranError
from saran.core.replay_shapes import Replay, ReplayRequest, StillRefused

asked: list[ReplayRequest] = []


class Api:
    """Refuses whatever is corrected to `no`, and does not know `zz`."""

    def __init__(self, *_: Any, **__: Any) -> None:
        asked.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return

    def replay(self, one: ReplayRequest) -> Replay:
        asked.append(one)
        refused = [
            StillRefused(content_id=record.content_id, topic="events", reason="it says no")
            for record in one.records
            if record.value == "no"
        ]
        unknown = [record.content_id for record in one.records if record.content_id == "zz"]
        found = len(one.records) - len(unknown) if one.records else 7
        return Replay(
            found=found, replayed=found - len(refused), refused=len(refused), still_refused=refused, unknown=unknown
        )


@pytest.fixture(autouse=True)
def _api(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replay, "Client", Api)


def run(corrected: Path | None = None, *, reason: str | None = None) -> int:
    return replay.replay(reason=reason, topic=None, corrected=corrected, as_json=True)


def test_all_of_a_reason(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(reason="item_id: Field required") == 0
    assert asked == [ReplayRequest(reason="item_id: Field required")]
    assert json.loads(capsys.readouterr().out)["replayed"] == 7


def test_corrections_go_a_thousand_at_a_time(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "mended.ndjson"
    lines = [{"content_id": f"c{number}", "value": {"item_id": "i"}} for number in range(1500)]
    lines += [{"content_id": "c", "value": "no"}, {"content_id": "zz"}]
    file.write_text("\n".join(map(json.dumps, lines)))
    assert run(file) == 1
    assert [len(one.records) for one in asked] == [1000, 502]
    assert asked[0].records[0].value == '{"item_id": "i"}'
    told = json.loads(capsys.readouterr().out)
    assert (told["found"], told["replayed"], told["refused"], told["unknown"]) == (1501, 1500, 1, ["zz"])
    assert told["still_refused"] == [{"content_id": "c", "topic": "events", "reason": "it says no"}]


def test_a_wrong_line_is_named(tmp_path: Path) -> None:
    file = tmp_path / "mended.ndjson"
    file.write_text('{"content_id": "c"}\n\n{"content": "c"}\n')
    with pytest.raises(SaranError, match=r"line 2: content_id: Field required"):
        run(file)
    assert not asked
    with pytest.raises(SaranError, match="which records"):
        run()
