"""Users who are alike, on factors whose products are known: even items point one way, odd ones another."""

from __future__ import annotations

import numpy as np
import pytest
from libs.core.tests.test_recommender import ALPHA, history, of_parts, recommender

from saran.core.versions import ModelError


def test_the_cosine_and_its_shares_are_those_of_arithmetic() -> None:
    model = recommender()
    mine = history(("i0", "view"), ("i2", "purchase"))
    others = [
        history(("i4", "view")),  # another even item: the same direction, nothing shared
        history(("i0", "view"), ("i1", "view")),  # as much even as odd: 45 degrees
        history(("i2", "view"), ("i0", "add_to_cart")),
        history(("i1", "purchase")),
        history(("i10", "view")),  # of which the model knows nothing
        history(),
    ]
    found = model.alike(mine, others)
    np.testing.assert_allclose([one.cosine for one in found], [1, 0.5**0.5, 1, 0, 0, 0], atol=1e-6)
    assert [one.shared.tolist() for one in found] == [[], [0], [0, 2], [], [], []]
    # i0 was viewed and i2 bought, with strengths 1 and 5, and each adds 1 + alpha × strength to the factor's length.
    part, whole = 1 + ALPHA, (1 + ALPHA) + (1 + 5 * ALPHA)
    np.testing.assert_allclose(found[1].shares, [part / whole * 0.5**0.5], rtol=1e-6)
    np.testing.assert_allclose(found[2].shares, [part / whole, 1 - part / whole], rtol=1e-6)
    np.testing.assert_allclose(model.tastes(others)[:2], [[1, 0], [0.5**0.5, 0.5**0.5]], rtol=1e-6)


def test_a_user_of_nothing_known_is_like_nobody() -> None:
    for nothing in (history(), history(("i10", "view"))):
        (near,) = recommender().alike(nothing, [history(("i0", "view"))])
        assert near.cosine == 0


def test_on_any_factors_cosines_are_symmetric_and_shares_of_a_twin_sum_to_one() -> None:
    generator = np.random.default_rng(3)
    model = recommender(generator.normal(size=(40, 6)).astype(np.float32))
    one, other = (history(*((f"i{item}", "view") for item in generator.permutation(40)[:9])) for _ in range(2))
    (there,), (back,) = model.alike(one, [other]), model.alike(other, [one])
    assert there.cosine == pytest.approx(back.cosine, abs=1e-6)
    assert there.cosine == pytest.approx(float(np.dot(*model.tastes([one, other]))), abs=1e-6)
    (twin,) = model.alike(one, [one])
    assert twin.cosine == pytest.approx(1)
    assert twin.shares.sum() == pytest.approx(1)


def test_a_version_without_factors_says_what_to_train() -> None:
    with pytest.raises(ModelError, match=r"has no factors.*saran train recommender"):
        of_parts({"neighbours": 1}).tastes([history(("i0", "view"))])
