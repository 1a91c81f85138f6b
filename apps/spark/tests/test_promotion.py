"""When a new version becomes the champion on its own, and when a person has to say so."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from apps.spark.tests.registry_versions import write_version

from saran.core import champions
from saran.core.model_folder import Comparison, Manifest, Metric, load_model
from saran.core.names import Model
from saran.core.settings import Settings
from saran.core.versions import champion
from saran.spark.evaluation import PRIMARY
from saran.spark.promotion import Promote, Rival, compared, decide, find_rival, promote

NAME = Model.RECOMMENDER


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path)


@pytest.fixture
def candidate(settings: Settings) -> Manifest:
    """A version with another recipe than the champion."""
    write_version(settings.models_path, "old")
    champions.promote(settings.models_path, NAME, "old", why="first")
    parameters = {"rank": 3, "alpha": 1.0, "regularization": 0.1}
    return load_model(write_version(settings.models_path, "new", day=1, parameters=parameters)).manifest


def _rival(settings: Settings, manifest: Manifest) -> Rival[Manifest] | None:
    fields = frozenset({"algorithm", "weights", "history_length"})
    return find_rival(settings.models_path, manifest, lambda folder: load_model(folder).manifest, same=fields)


def measured(manifest: Manifest, low: float, high: float) -> Manifest:
    difference = Metric(value=(low + high) / 2, low=low, high=high)
    comparison = Comparison(champion="old", metric="ndcg@10", difference=difference, how="")
    return manifest.model_copy(update={"comparison": comparison})


@pytest.mark.parametrize(
    ("low", "high", "promoted"), [(0.01, 0.02, True), (0.0, 0.02, True), (-0.0001, 0.3, False), (-0.2, -0.1, False)]
)
def test_an_interval_that_includes_a_loss_is_for_a_person_to_decide(
    settings: Settings, candidate: Manifest, low: float, high: float, promoted: bool
) -> None:
    rival = _rival(settings, candidate)
    decision = promote(settings, measured(candidate, low, high), rival, "auto")
    assert decision.promoted is promoted
    assert champion(settings.models_path, NAME) == ("new" if promoted else "old")
    assert f"{low:+.4f}" in decision.why
    assert ("saran models promote new" in decision.why) is not promoted


def test_what_cannot_be_measured_beside_the_champion_says_why(settings: Settings, candidate: Manifest) -> None:
    rival = _rival(settings, candidate)
    assert rival is not None
    decision = decide("auto", candidate, replace(rival, apart="foretells rain"), now="old")
    assert not decision.promoted
    assert "not measured beside the champion old, which foretells rain" in decision.why


def test_the_first_version_is_the_champion(settings: Settings) -> None:
    manifest = load_model(write_version(settings.models_path, "one")).manifest
    assert _rival(settings, manifest) is None
    assert promote(settings, manifest, None, "auto").promoted
    assert champion(settings.models_path, NAME) == "one"


def test_what_was_not_compared_is_not_promoted(settings: Settings, candidate: Manifest) -> None:
    decision = promote(settings, candidate, _rival(settings, candidate), "auto")
    assert not decision.promoted
    assert "not measured beside the champion old" in decision.why


def test_the_same_recipe_follows_the_data(settings: Settings, candidate: Manifest) -> None:
    again = load_model(write_version(settings.models_path, "again", day=2)).manifest
    rival = _rival(settings, again)
    assert rival is not None
    assert rival.same
    assert promote(settings, again, rival, "auto").promoted
    assert champion(settings.models_path, NAME) == "again"
    for changed in ({"seed": 6}, {"history_length": 11}, {"algorithm": "other"}):
        other = _rival(settings, again.model_copy(update=changed))
        assert other is not None
        assert not other.same


def test_a_champion_that_cannot_be_served_is_replaced(settings: Settings, candidate: Manifest) -> None:
    (settings.models_path / NAME / "old" / "popularity.npy").unlink()
    rival = _rival(settings, candidate)
    assert rival is not None
    assert rival.recipe is None
    decision = promote(settings, candidate, rival, "auto")
    assert decision.promoted
    assert "cannot be served" in decision.why


def test_a_champion_of_meanwhile_is_left_alone(settings: Settings, candidate: Manifest) -> None:
    rival = _rival(settings, candidate)
    write_version(settings.models_path, "meanwhile", day=2)
    champions.promote(settings.models_path, NAME, "meanwhile", why="by hand")
    decision = promote(settings, measured(candidate, 0.1, 0.2), rival, "auto")
    assert not decision.promoted
    assert "meanwhile became the champion during the training" in decision.why
    assert champion(settings.models_path, NAME) == "meanwhile"


@pytest.mark.parametrize(("wanted", "promoted"), [("always", True), ("never", False)])
def test_a_person_may_say_so_beforehand(candidate: Manifest, wanted: Promote, promoted: bool) -> None:
    worse = measured(candidate, -0.2, -0.1)
    assert decide(wanted, worse, Rival("old", candidate), now="old").promoted is promoted
    assert decide(wanted, worse, None, now=None).promoted is promoted


def test_the_difference_is_taken_user_by_user(candidate: Manifest) -> None:
    """All users lose 0.1, however different they are: paired, the interval has no width."""
    rival = Rival("old", candidate)
    generator = np.random.default_rng(3)
    theirs = generator.uniform(0.2, 0.9, size=50)
    found = compared(rival, PRIMARY, (theirs - 0.1) - theirs, seed=1)
    assert (found.champion, found.metric) == ("old", "ndcg@10")
    assert [found.difference.low, found.difference.value, found.difference.high] == pytest.approx([-0.1] * 3)
    same = compared(replace(rival, same=True), PRIMARY, None, seed=1)
    assert [same.difference.low, same.difference.value, same.difference.high] == [0, 0, 0]
