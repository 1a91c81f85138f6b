"""Who gets which variant, and the figures' arithmetic."""

from __future__ import annotations

from collections import Counter

import pytest
from pydantic import ValidationError

from saran.core.experiment_shapes import ExperimentDefinition, Variant
from saran.core.experiments import chi_square_tail, sample_ratio, uplift, variant_of, wilson

USERS = [f"user-{number}" for number in range(20_000)]
TWO = ExperimentDefinition(variants=[Variant(name="a"), Variant(name="b", weight=3)])


def names(name: str, definition: ExperimentDefinition) -> dict[str, str]:
    given = {user: variant_of(name, definition, user) for user in USERS}
    return {user: variant.name for user, variant in given.items() if variant is not None}


def test_users_fall_on_variants_by_weight_and_stay() -> None:
    first = names("one", TWO)
    assert first == names("one", TWO)
    ratio = sample_ratio(TWO.variants, Counter(first.values()))
    assert ratio is not None
    assert not ratio.mismatch
    # Another experiment deals them anew: of the users of its `a`, a quarter are of this one's `a` too.
    second = names("two", TWO)
    both = sum(first[user] == second[user] == "a" for user in USERS)
    assert both == pytest.approx(len(USERS) / 16, rel=0.1)


def test_a_larger_share_moves_nobody() -> None:
    some = names("one", TWO.model_copy(update={"share": 0.2}))
    assert len(some) == pytest.approx(0.2 * len(USERS), rel=0.05)
    more = names("one", TWO.model_copy(update={"share": 0.7}))
    assert {user: more[user] for user in some} == some
    assert {user: names("one", TWO)[user] for user in list(more)[:5]} == {user: more[user] for user in list(more)[:5]}


def test_wilson_intervals_are_those_of_the_tables() -> None:
    # Newcombe 1998, table I, method 3: 81 of 263, 15 of 148, 0 of 20, 1 of 29.
    for hits, users, low, high in ((81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0, 0.1611)):
        rate = wilson(hits, users)
        assert (rate.value, rate.users) == (hits / users, users)
        assert (rate.low, rate.high) == pytest.approx((low, high), abs=5e-5)
    assert wilson(1, 29).high == pytest.approx(0.1718, abs=5e-5)
    none = wilson(0, 0)
    assert (none.value, none.low, none.high) == (None, 0, 1)
    assert wilson(7, 7).high == 1


def test_intervals_of_differences_are_those_of_the_tables() -> None:
    # Newcombe 1998, table II, method 10: 56 of 70 against 48 of 80, 9 of 10 against 3 of 10, 10 of 10 against 0 of 20.
    for base, other, low, high in (
        ((48, 80), (56, 70), 0.0524, 0.3339),
        ((3, 10), (9, 10), 0.1705, 0.8090),
        ((0, 20), (10, 10), 0.6791, 1.0),
    ):
        found = uplift(wilson(*base), wilson(*other))
        assert found is not None
        assert found.value == pytest.approx(other[0] / other[1] - base[0] / base[1])
        assert (found.low, found.high) == pytest.approx((low, high), abs=5e-5)
    found = uplift(wilson(48, 80), wilson(56, 70))
    assert found is not None
    assert found.relative == pytest.approx(1 / 3)
    assert uplift(wilson(0, 20), wilson(1, 20)).relative is None  # type: ignore[union-attr]
    assert uplift(wilson(0, 0), wilson(1, 20)) is None


def test_chi_square_is_that_of_the_tables() -> None:
    for freedom, statistic in ((1, 10.828), (2, 13.816), (3, 16.266), (4, 18.467), (9, 27.877)):
        assert chi_square_tail(statistic, freedom) == pytest.approx(0.001, rel=2e-3)
    assert chi_square_tail(0, 3) == 1


def test_a_sample_ratio_mismatch_is_seen() -> None:
    variants = [Variant(name="a"), Variant(name="b")]
    even = sample_ratio(variants, {"a": 5000, "b": 5100})
    lost = sample_ratio(variants, {"a": 5000, "b": 5400})
    assert even is not None
    assert lost is not None
    assert (even.mismatch, lost.mismatch) == (False, True)
    assert even.chi_square == pytest.approx(100**2 / 10_100)
    assert sample_ratio(variants, {}) is None


def test_wrong_definitions() -> None:
    with pytest.raises(ValidationError, match="one name"):
        ExperimentDefinition(variants=[Variant(name="a"), Variant(name="a")])
    with pytest.raises(ValidationError):
        ExperimentDefinition(variants=[Variant(name="a")])
    with pytest.raises(ValidationError):
        Variant(name="A b")
