"""A scan by length gives the lists that a score of every item gives."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from libs.core.tests.test_recommender import history, manifest, recommender
from numpy.typing import NDArray

from saran.core import scan
from saran.core.model_folder import RecommenderModel
from saran.core.model_parts import Kind, als_part, near_part
from saran.core.ranking import top_k
from saran.core.recommender import Recommender
from saran.core.rows import Rows
from saran.core.scan import Scan


def by_all_scores(
    factors: NDArray[np.float32], user: NDArray[np.float32], k: int, hidden: NDArray[np.int64]
) -> list[int]:
    scores = factors @ user
    scores[hidden] = -np.inf
    return [int(item) for item in top_k(scores, k)]


@pytest.mark.parametrize("tail", [0.0, 0.5])
@pytest.mark.parametrize("k", [1, 10, 700])
def test_lists_are_those_of_all_scores(monkeypatch: pytest.MonkeyPatch, tail: float, k: int) -> None:
    monkeypatch.setattr(scan, "_FIRST", 64)
    monkeypatch.setattr(scan, "_SCORES", 1024)
    generator = np.random.default_rng(1)
    # Of whole numbers, so that sums are exact in any order, and many scores are equal.
    factors = generator.integers(-3, 4, size=(3000, 6)).astype(np.float32)
    factors *= np.floor(16 * np.arange(1, 3001, dtype=np.float32) ** -np.float32(tail))[:, None]
    factors = factors[generator.permutation(3000)]
    users = generator.integers(-2, 3, size=(30, 6)).astype(np.float32)
    users[0] = 0
    hidden = [np.unique(generator.integers(3000, size=size)) for size in generator.integers(0, 40, size=30)]
    # What one likes most is seen already, as a rule.
    hidden[1] = np.sort(top_k(factors @ users[1], 50))
    found = Scan(factors).best(users, k, hidden)
    for best, user, seen in zip(found, users, hidden, strict=True):
        assert best.items.tolist() == by_all_scores(factors, user, k, seen)
        np.testing.assert_array_equal(best.scores, (factors @ user)[best.items])


def test_lists_of_what_is_allowed_are_those_of_all_scores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scan, "_FIRST", 64)
    monkeypatch.setattr(scan, "_SCORES", 1024)
    generator = np.random.default_rng(4)
    factors = generator.integers(-3, 4, size=(3000, 6)).astype(np.float32)
    users = generator.integers(-2, 3, size=(12, 6)).astype(np.float32)
    hidden = [np.unique(generator.integers(3000, size=20)) for _ in range(12)]
    half, third = np.arange(0, 3000, 2), generator.permutation(3000)[:1000]
    allowed = [half, None, third, half, np.array([7, 5]), np.zeros(0, dtype=np.int64), *[None, third] * 3]
    for best, user, seen, some in zip(
        Scan(factors).best(users, 10, hidden, allowed), users, hidden, allowed, strict=True
    ):
        left_out = seen if some is None else np.union1d(seen, np.setdiff1d(np.arange(3000), some))
        assert best.items.tolist() == by_all_scores(factors, user, 10, left_out)


def test_a_scan_ends_where_no_longer_factor_can_win(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scan, "_FIRST", 64)
    looked_at = []
    taken = scan._Found.take

    def count(
        self: scan._Found, users: NDArray[np.int64], scores: NDArray[np.float32], items: NDArray[np.int64]
    ) -> None:
        looked_at.append(scores.shape)
        taken(self, users, scores, items)

    monkeypatch.setattr(scan._Found, "take", count)
    factors = np.ones((1000, 1), dtype=np.float32)
    factors[500:510] = 5
    best = Scan(factors).best(np.ones((2, 1), dtype=np.float32), 10, [np.array([500]), np.zeros(0, dtype=np.int64)])
    # The second user's ten are of the first piece; the first lacks one, and any of the others equals it.
    assert looked_at[0] == (2, 64)
    assert {rows for rows, _ in looked_at[1:]} == {1}
    assert [one.items.tolist() for one in best] == [[*range(501, 510), 0], [*range(500, 510)]]


def test_a_ranker_that_scans_gives_the_lists_of_one_that_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = np.random.default_rng(5)
    factors = generator.normal(size=(900, 8)).astype(np.float32)
    factors[::7] = 0  # items that nobody liked
    crowd = [
        history(*((f"i{item}", "view") for item in generator.integers(950, size=size)))
        for size in (0, 1, 3, 9, 30, 2, 5)
    ]
    crowd += [history(("i7", "purchase")), history(("i5", "impression"))]
    plain = recommender(factors)
    monkeypatch.setattr("saran.core.recommender._SCANNED", range(900, 901))
    monkeypatch.setattr(scan, "_FIRST", 64)
    monkeypatch.setattr(scan, "_USERS", 4)
    monkeypatch.setattr(scan, "_FEW", 300)
    scanning = recommender(factors)
    taken: list[int] = []
    best = Scan.best

    def counted(self: Scan, users: NDArray[np.float32], *more: Any) -> Any:
        taken.append(len(users))
        return best(self, users, *more)

    monkeypatch.setattr(Scan, "best", counted)
    few = [np.arange(0, 900, 3)] * len(crowd)
    half = [np.arange(0, 900, 2)] * len(crowd)
    for hide_seen in (True, False):
        for allowed in (None, few, half):
            one, other = (
                model.recommend(crowd, 12, allowed=allowed, hide_seen=hide_seen) for model in (plain, scanning)
            )
            for left, right in zip(one, other, strict=True):
                assert (left.personal, left.items.tolist()) == (right.personal, right.items.tolist())
                np.testing.assert_allclose(left.scores, right.scores, rtol=1e-4)
    known = sum(ranked.personal for ranked in plain.recommend(crowd, 12))
    assert taken == [4, known - 4, known] * 2, "of whom something is known, in parts, where many items are left"


def test_fewer_items_than_asked_for_are_all_of_them() -> None:
    factors = np.array([[1.0], [3.0], [2.0]], dtype=np.float32)
    (best,) = Scan(factors).best(np.ones((1, 1), dtype=np.float32), 10, [np.array([1])])
    assert best.items.tolist() == [2, 0]
    assert (
        Scan(factors[:0]).best(np.ones((1, 1), dtype=np.float32), 3, [np.zeros(0, dtype=np.int64)])[0].items.tolist()
        == []
    )


def test_a_part_that_makes_lists_by_itself_is_not_scanned_by_anothers_factors(monkeypatch: pytest.MonkeyPatch) -> None:
    factors = np.array([[0.0], [1.0], [2.0], [3.0]], dtype=np.float32)
    near = Rows(np.array([0, 1, 1, 1, 1]), np.array([1], dtype=np.int32), np.ones(1, dtype=np.float32))
    parts = {
        "als": als_part(factors, alpha=1.0, regularization=0.1),
        "content": near_part(Kind.CONTENT, near, {}).weighing(0),
    }
    monkeypatch.setattr("saran.core.recommender._SCANNED", range(4, 5))
    items = pa.table({"item_id": [f"i{row}" for row in range(4)]})
    model = Recommender(RecommenderModel(manifest(4, 100), parts, np.arange(4), items))
    (answer,) = model.by_part()[Kind.CONTENT].recommend([history(("i0", "view"))], 1)
    assert answer.items.tolist() == [1]
    (answer,) = model.recommend([history(("i1", "view"))], 1)
    assert answer.items.tolist() == [3]
