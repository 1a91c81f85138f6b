"""Champions come and go, and a rollback knows the way back."""

from __future__ import annotations

from pathlib import Path

import pytest

from saran.core import champions
from saran.core.champions import RECORD, mend, moves, previous, promote, roll_back
from saran.core.errors import SaranError
from saran.core.versions import MANIFEST, champion, set_champion

NAME = "recommender"


@pytest.fixture
def models(tmp_path: Path) -> Path:
    for version in "abc":
        folder = tmp_path / NAME / version
        folder.mkdir(parents=True)
        (folder / MANIFEST).write_text("{}")
    return tmp_path


def test_a_rollback_goes_back_one_champion_at_a_time(models: Path) -> None:
    for version in "abc":
        promote(models, NAME, version, why="test")
    assert roll_back(models, NAME, why="a test") == champion(models, NAME) == "b"
    assert roll_back(models, NAME, why="a test") == champion(models, NAME) == "a"
    with pytest.raises(SaranError, match=r"no champion before a: .*saran models promote"):
        roll_back(models, NAME, why="a test")
    promote(models, NAME, "c", why="test")
    assert previous(models, NAME) == "a"
    assert [(move.version, move.kind) for move in moves(models, NAME)] == [
        ("a", "promotion"),
        ("b", "promotion"),
        ("c", "promotion"),
        ("b", "rollback"),
        ("a", "rollback"),
        ("c", "promotion"),
    ]


def test_what_was_promoted_again_by_hand_is_a_step_of_its_own(models: Path) -> None:
    for version in "aba":
        promote(models, NAME, version, why="test")
    assert roll_back(models, NAME, why="a test") == "b"


def test_a_version_that_is_the_champion_already_is_no_move(models: Path) -> None:
    for version in "abb":
        promote(models, NAME, version, why="test")
    assert len(moves(models, NAME)) == 2
    assert previous(models, NAME) == "a"


@pytest.mark.parametrize(("moved", "back_to"), [("c", "b"), ("a", None)])
def test_a_move_that_was_cut_off_is_completed(models: Path, moved: str, back_to: str | None) -> None:
    """The champion moved, and its record did not: on to c, or back to a."""
    for version in "ab":
        promote(models, NAME, version, why="test")
    set_champion(models, NAME, moved)
    assert previous(models, NAME) == back_to
    told = mend(models, NAME)
    assert told is not None
    assert moved in told
    assert mend(models, NAME) is None
    assert previous(models, NAME) == back_to


def test_a_promotion_that_is_refused_leaves_no_record(models: Path) -> None:
    promote(models, NAME, "a", why="test")
    with pytest.raises(SaranError, match="has no version missing"):
        promote(models, NAME, "missing", why="test")
    assert [move.version for move in moves(models, NAME)] == [champion(models, NAME)] == ["a"]


def test_no_champion_no_record(models: Path) -> None:
    assert mend(models, NAME) is None
    assert previous(models, NAME) is None
    assert not (models / NAME / RECORD).exists()


def test_the_record_is_bounded(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(champions, "_KEPT", 3)
    for version in "abcab":
        promote(models, NAME, version, why="test")
    assert [move.version for move in moves(models, NAME)] == ["c", "a", "b"]
    assert roll_back(models, NAME, why="a test") == "a"
