"""Session models: the kernels beside plain loops, and by hand."""

from __future__ import annotations

from typing import Final

import numpy as np
import pytest
from apps.spark.tests.plain_sessions import (
    ITEMS,
    TRAIN,
    made_up,
    plain_association_rules,
    plain_near_sessions,
    plain_repeats,
    plain_rules,
    plain_v_sknn,
)

from saran.spark.model_kinds import NoParameters
from saran.spark.session_files import sequences
from saran.spark.session_kernel import Answers
from saran.spark.session_models import (
    PARTS,
    Fall,
    NeighbourParameters,
    RuleParameters,
    Visits,
    VSkNNParameters,
    association_rules,
    mixture,
    v_sknn,
)

THREE: Final = Visits(sequences([[0, 1, 2], [1, 3], [0, 1, 1, 3]]), 4)
"""Oldest first."""

LEARNT: Final = Visits(sequences(TRAIN), ITEMS)
PREFIXES: Final = [row[: 1 + number % 6] for number, row in enumerate(made_up(40, seed=2))]


def scores_of(answers: Answers, case: int = 0) -> dict[int, float]:
    some = answers.lengths[case]
    return dict(zip(answers.items[case, :some].tolist(), answers.scores[case, :some].tolist(), strict=True))


def expect(answers: Answers, expected: list[dict[int, float]]) -> None:
    """The same items with the same scores, and the best first."""
    assert len(answers.lengths) == len(expected)
    for case, scores in enumerate(expected):
        some = scores_of(answers, case)
        assert some == pytest.approx({item: score for item, score in scores.items() if score > 0}, rel=1e-5)
        assert list(some.values()) == sorted(some.values(), reverse=True)


# Beside plain loops


def test_association_rules_are_those_of_the_paper() -> None:
    answers = association_rules(LEARNT, NoParameters(), sequences(PREFIXES))
    expect(answers, [plain_association_rules(prefix) for prefix in PREFIXES])


@pytest.mark.parametrize("weighting", ["same", "linear", "div", "quadratic", "log"])
@pytest.mark.parametrize("weighting_score", ["same", "linear", "div", "quadratic", "log"])
def test_v_sknn_is_that_of_the_paper(weighting: Fall, weighting_score: Fall) -> None:
    own = VSkNNParameters(neighbours=7, sample=20, weighting=weighting, weighting_score=weighting_score, idf=2)
    answers = v_sknn(LEARNT, own, sequences(PREFIXES))
    expect(answers, [plain_v_sknn(prefix, own) for prefix in PREFIXES])


def test_rules_are_what_loops_say() -> None:
    own = RuleParameters(sources=2, source_rate=0.7, rate=1.5, back=0.3, half_life=0.4)
    expect(PARTS["rules"].answer(LEARNT, own, sequences(PREFIXES)), [plain_rules(prefix, own) for prefix in PREFIXES])


def test_near_sessions_are_what_loops_say() -> None:
    own = NeighbourParameters(
        neighbours=9, position_rate=1.5, distance_rate=2.5, back=0.4, length_power=0.3, half_life=0.4
    )
    answers = PARTS["near-sessions"].answer(LEARNT, own, sequences(PREFIXES))
    expect(answers, [plain_near_sessions(prefix, own) for prefix in PREFIXES])


def test_repeats_are_what_loops_say() -> None:
    # The long sessions reach beyond the steps and times that are told apart.
    rows = [*TRAIN, [*range(ITEMS), *range(4), 0, 1, 0, 1, 0, 1], [*range(ITEMS), 0, 1, 0, 2]]
    prefixes = [*PREFIXES, rows[-1], [*range(ITEMS), 5, 5, 5, 5, 5, 4]]
    answers = PARTS["repeats"].answer(Visits(sequences(rows), ITEMS), NoParameters(), sequences(prefixes))
    expect(answers, [plain_repeats(prefix, rows) for prefix in prefixes])


# By hand


def test_association_rules_by_hand() -> None:
    # Item 1 stands with 0 and 2 in the first session, with 3 in the second, in the third twice with 0, 3 and itself.
    answers = association_rules(THREE, NoParameters(), sequences([[2, 1], [2]]))
    assert scores_of(answers) == {0: 3, 3: 3, 1: 2, 2: 1}
    assert answers.items[0, :4].tolist() == [0, 3, 1, 2], "equal scores by smaller index"
    assert scores_of(answers, 1) == {0: 1, 1: 1}


def test_v_sknn_by_hand() -> None:
    # Prefix 0, 1: weights 1/2 and 1, so sessions have 1.5, 1 and 1.5. All share the last item, at step 1.
    prefixes = sequences([[0, 1]])
    assert scores_of(v_sknn(THREE, VSkNNParameters(), prefixes)) == pytest.approx({1: 4, 0: 3, 3: 2.5, 2: 1.5})
    # Of the two nearest the second is left out; of the two newest the first.
    near = v_sknn(THREE, VSkNNParameters(neighbours=2), prefixes)
    assert scores_of(near) == pytest.approx({0: 3, 1: 3, 2: 1.5, 3: 1.5})
    newest = v_sknn(THREE, VSkNNParameters(sample=2), prefixes)
    assert scores_of(newest) == pytest.approx({1: 2.5, 3: 2.5, 0: 1.5})
    # Of equally near sessions the newer one counts.
    assert set(scores_of(v_sknn(THREE, VSkNNParameters(neighbours=1), prefixes))) == {0, 1, 3}


def test_v_sknn_weighs_the_step_of_the_newest_shared_item_and_rare_items() -> None:
    # Prefix 2, 3: session 0 shares 2 (weight 1/2, step 2), the others 3 (weight 1, step 1).
    prefixes = sequences([[2, 3]])
    plain = scores_of(v_sknn(THREE, VSkNNParameters(), prefixes))
    assert plain == pytest.approx({1: 0.25 + 1 + 1, 3: 2, 0: 0.25 + 1, 2: 0.25})
    rare = scores_of(v_sknn(THREE, VSkNNParameters(idf=2), prefixes))
    # Items 0 and 3 are in two of three sessions, 1 in all, 2 in one.
    half, third = 1 + 2 * np.log(3 / 2), 1 + 2 * np.log(3)
    assert rare == pytest.approx({1: 2.25, 3: 2 * half, 0: 1.25 * half, 2: 0.25 * third})


def test_rules_by_hand() -> None:
    own = RuleParameters(sources=1, source_rate=1.0, rate=1.0, back=0.5, half_life=1 / 3)
    # Half-life of one session: they count 1/4, 1/2 and 1. A step more is e⁻¹, a place before counts half.
    e = np.exp(-1)
    expected = {
        0: 0.25 * 0.5 + 1 * (0.5 + 0.5 * e),
        1: 1 + 0.5,
        2: 0.25,
        3: 0.5 + e + 1,
    }
    assert scores_of(PARTS["rules"].answer(THREE, own, sequences([[2, 1]]))) == pytest.approx(expected)


def test_near_sessions_by_hand() -> None:
    own = NeighbourParameters(
        neighbours=1, position_rate=1.0, distance_rate=1.0, back=0.5, length_power=1.0, half_life=1e9
    )
    # Nearest is session 1: it shares 1 as the third does, and is half as long.
    scores = scores_of(PARTS["near-sessions"].answer(THREE, own, sequences([[1]])))
    assert scores == pytest.approx({3: np.exp(-1) / 2, 1: 0.5 / 2})


def test_repeats_by_hand() -> None:
    # A step after it was first met, an item came again 0 of 4 times; two steps after, 2 of 2 times.
    visits = Visits(sequences([[5, 6, 5], [5, 6, 5]]), 7)
    assert scores_of(PARTS["repeats"].answer(visits, NoParameters(), sequences([[5, 6]]))) == {5: 1.0}


def test_a_mixture_adds_shares() -> None:
    visits = Visits(sequences([[0, 1]]), 4)
    rules = association_rules(visits, NoParameters(), sequences([[0]]))
    sknn = v_sknn(visits, VSkNNParameters(), sequences([[0]]))
    assert scores_of(mixture([rules, sknn], [0.5, 0.5], 4)) == pytest.approx({1: 0.5 + 0.25, 0: 0.25})


@pytest.mark.parametrize("name", PARTS)
def test_a_prefix_of_nothing_known_has_no_answer(name: str) -> None:
    kind = PARTS[name]
    answers = kind.answer(THREE, kind.parameters(), sequences([[], [1]]))
    assert answers.lengths[0] == 0
