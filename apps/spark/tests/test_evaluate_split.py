"""`saran evaluate`: files read as they are meant, models fitted as their papers say, and no look at the test."""

from __future__ import annotations

import json
from math import log2
from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest
from typer.testing import CliRunner

from saran.core.confidence import Interactions
from saran.core.errors import SaranError
from saran.core.foldin import FoldIn
from saran.core.settings import CHECKOUT
from saran.spark.als_local import item_factors
from saran.spark.als_parameters import ALSParameters
from saran.spark.commands import app
from saran.spark.evaluate_split import Options, SplitReport, evaluate_split, wanted_models
from saran.spark.item_models import MOST_DENSE_ITEMS, fit_ease, fit_item_knn
from saran.spark.model_search import Goal, make_folds, search_blend
from saran.spark.split_files import Events, fold, read_split

MOVIELENS: Final = CHECKOUT.parent / "shared" / "data" / "movielens-100k" / "split-80-20"

THREE: Final = Interactions(np.array([0, 0, 1, 2]), np.array([0, 1, 0, 1]), np.ones(4))
"""User 0 has items 0 and 1, user 1 item 0, user 2 item 1: G = [[2, 1], [1, 2]]."""


def write(folder: Path, name: str, text: str) -> Path:
    file = folder / name
    file.write_text(text, encoding="utf-8")
    return file


def quiet(*_: object) -> None:
    """Progress that nobody looks at."""


# Models


def test_ease_by_hand() -> None:
    # P = (G + I)⁻¹ = [[3, -1], [-1, 3]] / 8, so B = -P / diag(P) is 1/3 off the diagonal.
    np.testing.assert_allclose(fit_ease(THREE, 2, regularization=1.0).weights, [[0, 1 / 3], [1 / 3, 0]], rtol=1e-6)


def test_ease_refuses_a_catalogue_that_does_not_fit() -> None:
    with pytest.raises(SaranError, match="item-knn has no such bound"):
        fit_ease(THREE, MOST_DENSE_ITEMS + 1, regularization=1.0)


def test_item_knn_by_hand() -> None:
    # Items 0 {0, 1, 2}, 1 {0, 1}, 2 {2}: cosines with shrink 1 are 2 / (√6 + 1), 1 / (√3 + 1) and, of 1 and 2, 0.
    given = Interactions(np.array([0, 0, 1, 1, 2, 2]), np.array([0, 1, 0, 1, 0, 2]), np.ones(6))
    one_each = Interactions(np.arange(3), np.arange(3), np.ones(3))
    near, far = 2 / (np.sqrt(6) + 1), 1 / (np.sqrt(3) + 1)
    both = fit_item_knn(given, 3, neighbours=5, shrink=1.0).scores(one_each, 3)
    np.testing.assert_allclose(both, [[0, near, far], [near, 0, 0], [far, 0, 0]], rtol=1e-6)
    # Item 0 keeps its nearest, 1; the others have no other than 0.
    nearest = fit_item_knn(given, 3, neighbours=1, shrink=1.0).scores(one_each, 3)
    np.testing.assert_allclose(nearest, [[0, near, far], [near, 0, 0], [0, 0, 0]], rtol=1e-6)


def test_als_here_alternates_exact_half_steps() -> None:
    """With enough steps of conjugate gradients, users and items are what fold-in solves against the other side."""
    rng = np.random.default_rng(5)
    users, items = np.nonzero(rng.random((30, 20)) < 0.3)
    given = Interactions(users, items, rng.uniform(1, 5, len(users)))
    parameters = ALSParameters(rank=4, iterations=2, alpha=1.0, regularization=0.1, steps=12)
    order = np.lexsort((users, items))
    turned = Interactions(items[order], users[order], given.strengths[order])
    before = item_factors(given, parameters.model_copy(update={"iterations": 1}), items=20, seed=3)
    user_side = FoldIn(before, alpha=1.0, regularization=0.1).solve(given, 30)
    item_side = FoldIn(user_side, alpha=1.0, regularization=0.1).solve(turned, 20)
    np.testing.assert_allclose(item_factors(given, parameters, items=20, seed=3), item_side, rtol=1e-3, atol=1e-4)


# Files


def test_pairs_are_read_with_rating_and_time_and_sorted_by_it(tmp_path: Path) -> None:
    train = write(tmp_path, "train.tsv", "u2\tx\t4\t9\nu1\ty\t2\t7\nu1\tx y\t5\t3\n\n")
    test = write(tmp_path, "test.tsv", "u1\tz\t1\t9\nu1\ty\t1\t9\nu3\tx\t1\t9\nu3\tx\t1\t9\nu2\tx\t1\t9\n")
    split = read_split(train, test)
    assert (split.user_ids, split.item_ids) == (["u1", "u2"], ["x", "x y", "y"])
    assert split.train.items.tolist() == [1, 2, 0], "oldest first by user"
    assert split.train.strengths.tolist() == [5, 2, 4]
    # z is not in training, u1 has y already, u3 is new, and u2 has nothing left to find.
    assert split.test_users.tolist() == [0, -1]
    assert [row.tolist() for row in split.relevant] == [[-1], [0]]


def test_lists_and_candidates_are_read(tmp_path: Path) -> None:
    train = write(tmp_path, "train", "1 10\n1 11\n2 12\n3 13\n")
    test = write(tmp_path, "test", "1 12 13\n2 10\n")
    candidates = write(tmp_path, "candidates", "1 12 13 99\n2 10 11\n3 10\n")
    split = read_split(train, test, candidates)
    assert [row.tolist() for row in split.relevant] == [[2, 3], [0]]
    assert split.allowed is not None
    assert [row.tolist() for row in split.allowed] == [[2, 3], [0, 1]]
    with pytest.raises(SaranError, match="no candidates for 1 of 2 test users, such as '2'"):
        read_split(train, test, write(tmp_path, "few", "1 12 13 10 11\n"))


def test_a_test_file_that_could_be_either_is_asked_about(tmp_path: Path) -> None:
    train, test = write(tmp_path, "train", "1 10\n2 11\n3 12\n3 5\n"), write(tmp_path, "test", "1 11 5\n2 10 5\n")
    with pytest.raises(SaranError, match="--test-format pairs or --test-format lists"):
        read_split(train, test)
    assert [len(row) for row in read_split(train, test, test_form="pairs").relevant] == [1, 1]
    assert [len(row) for row in read_split(train, test, test_form="lists").relevant] == [2, 2]


@pytest.mark.parametrize(
    ("text", "reason"),
    [("a b\nc\n", "line 2, has 1 fields"), ("a b five\n", "line 1, has the rating 'five'"), ("\n", "has no lines")],
)
def test_a_wrong_line_is_named(tmp_path: Path, text: str, reason: str) -> None:
    with pytest.raises(SaranError, match=reason):
        read_split(write(tmp_path, "train", text), write(tmp_path, "test", "a b\n"))


# No look ahead


def made_up(seed: int = 1, *, timed: bool) -> Events:
    """Forty users with twenty of sixty items each, which follow two tastes."""
    rng = np.random.default_rng(seed)
    items = [rng.choice(30, 20, replace=False) * 2 + user % 2 for user in range(40)]
    times = np.tile(np.arange(20.0), 40) if timed else np.full(800, np.nan)
    return Events(np.repeat(np.arange(40), 20), np.concatenate(items).astype(np.int64), np.ones(800), times)


def test_folds_by_time_learn_from_what_is_older_only() -> None:
    for number in range(3):
        learnt, held = fold(made_up(timed=True), number, folds=5, seed=1)
        assert set(held.times) == {float(time) for time in range(16 - 4 * number, 20 - 4 * number)}
        assert learnt.times.max() == 15 - 4 * number


def test_folds_without_times_hold_each_event_once() -> None:
    events = made_up(timed=False)
    parts = [fold(events, number, folds=5, seed=1) for number in range(5)]
    held = sorted((int(user), int(item)) for _, one in parts for user, item in zip(one.users, one.items, strict=True))
    assert held == sorted(zip(events.users.tolist(), events.items.tolist(), strict=True))
    assert all(len(learnt.users) == 640 and np.bincount(learnt.users).min() == 16 for learnt, _ in parts)


def test_permuting_the_newest_events_moves_no_older_fold() -> None:
    events = made_up(timed=True)
    newest = np.flatnonzero(events.times >= 16)
    items = events.items.copy()
    items[newest] = np.random.default_rng(9).permutation(items[newest])
    before, after = (make_folds(part, 60, count=3, seed=1) for part in (events, events._replace(items=items)))
    values = [
        [
            fold.quality(fit_ease(fold.learnt, 60, regularization=9.0).scores(fold.histories, 40), Goal(5, "cut"))
            for fold in folds
        ]
        for folds in (before, after)
    ]
    assert values[0][1:] == values[1][1:]
    assert values[0][0] != values[1][0], "the fold that looks for the newest events does move"


def test_permuting_the_test_moves_nothing_that_was_chosen(tmp_path: Path) -> None:
    events = made_up(timed=False)
    train = write(tmp_path, "train", "".join(f"{u} {i}\n" for u, i in zip(events.users, events.items, strict=True)))
    rng = np.random.default_rng(2)
    choices: list[SplitReport] = []
    reports: list[SplitReport] = []
    for name in ("one", "other"):
        rows = "".join(f"{user} {' '.join(map(str, rng.choice(60, 5 + user, replace=False)))}\n" for user in range(40))
        split = read_split(train, write(tmp_path, name, rows))
        options = Options(ks=(5,), trials=3, folds=2)
        reports.append(evaluate_split(split, options, tell=quiet, before_test=choices.append))
    assert choices[0].chosen == choices[1].chosen
    firsts = [name for name in choices[0].chosen if "#" not in name]
    assert firsts == ["popularity", "item-knn", "als", "ease", "blend"]
    assert choices[0].chosen["ease"].validation >= choices[0].chosen["ease #2"].validation
    assert not choices[0].segments
    assert reports[0].segments["all"] != reports[1].segments["all"]


# The whole


def test_figures_by_hand(tmp_path: Path) -> None:
    """Five items, the most popular first a, b, c; two users are looked at, whose lists are known."""
    train = "1 a\n1 b\n1 c\n2 a\n2 b\n3 a\n3 d\n4 a\n4 b\n4 c\n5 a\n5 b\n5 e\n5 c\n6 c\n6 b\n6 a\n"
    split = read_split(write(tmp_path, "train", train), write(tmp_path, "test", "2 d e\n3 c\nnew a z\n"))
    report = evaluate_split(split, Options(models=("popularity", "item-knn"), ks=(2,), trials=1, folds=1), tell=quiet)
    # Lists: user 2 gets c d, user 3 b c, the new one a b. Found: d at rank 2 of two, c at rank 2 of one, a at 1 of two.
    second = 1 / log2(3)
    every = report.segments["all"].metrics["popularity"]
    assert every["ndcg@2"].value == pytest.approx((second / (1 + second) + second + 1 / (1 + second)) / 3)
    assert every["recall@2"].value == pytest.approx((1 / 2 + 1 + 1 / 2) / 3)
    assert every["mrr@2"].value == pytest.approx((1 / 2 + 1 / 2 + 1) / 3)
    assert (every["hr@2"].value, every["coverage@2"].value) == (1.0, 4 / 5)
    # Of six users a has 6, b 5, c 4 and d 1.
    bits = (np.log2(6 / 4) + np.log2(6)) / 2, (np.log2(6 / 5) + np.log2(6 / 4)) / 2, np.log2(6 / 5) / 2
    assert every["novelty@2"].value == pytest.approx(np.mean(bits))
    # c and d share nobody, b and c 4, a and b 5.
    assert every["diversity@2"].value == pytest.approx(1 - (0 + 4 / np.sqrt(20) + 5 / np.sqrt(30)) / 3)
    assert list(report.segments) == ["all", "new"], "all three have fewer than five events"


def test_a_blend_takes_what_helps() -> None:
    events = made_up(timed=False)
    folds = make_folds(events, 60, count=2, seed=1)
    good = [fit_ease(one.learnt, 60, regularization=9.0).scores(one.histories, 40) for one in folds]
    noise = [np.random.default_rng(1).normal(size=scores.shape).astype(np.float32) for scores in good]
    choice = search_blend({"noise": noise, "good": good}, folds, Goal(10, "cut"), trials=2, tell=quiet)
    assert choice.parameters == {"good": 1.0}
    assert choice.trials == 2


def test_popularity_and_item_knn_are_always_shown() -> None:
    assert wanted_models(["ease"]) == ("popularity", "item-knn", "ease")
    with pytest.raises(SaranError, match="there is no model 'svd': name some of popularity, item-knn"):
        wanted_models(["svd"])


def test_the_command_writes_its_choices_and_figures(tmp_path: Path) -> None:
    events = made_up(timed=False)
    train = write(tmp_path, "train", "".join(f"{u} {i}\n" for u, i in zip(events.users, events.items, strict=True)))
    test = write(tmp_path, "test", "0 1 3 5\n1 0\n")
    out = tmp_path / "out.json"
    arguments = ["evaluate", "--train", str(train), "--test", str(test), "--json", str(out), "--trials", "2"]
    result = CliRunner().invoke(app, [*arguments, "--models", "ease", "--k", "5"], catch_exceptions=False)
    assert result.exit_code == 0
    assert "ndcg@5" in result.stdout
    report: dict[str, Any] = json.loads(out.read_text())
    assert list(report["chosen"]) == ["popularity", "item-knn", "ease"]
    figure = report["segments"]["all"]["metrics"]["ease"]["ndcg@5"]
    assert figure["low"] <= figure["value"] <= figure["high"]
    assert CliRunner().invoke(app, [*arguments, "--k", "ten"]).exit_code == 2
    assert CliRunner().invoke(app, [*arguments, "--json", "no/where.json"]).exit_code == 2
    with pytest.raises(SaranError, match="nowhere cannot be read"):
        CliRunner().invoke(app, ["evaluate", "--train", "nowhere", "--test", str(test)], catch_exceptions=False)


def test_published_figures_come_out_on_the_published_split() -> None:
    """Ferrari Dacrema et al. (TOIS 2021), appendix, table 46: NDCG@10 of TopPopular .1361 and EASE .2905."""
    if not MOVIELENS.is_dir():
        pytest.skip(f"MovieLens 100K's 80/20 split is not at {MOVIELENS}; its licence does not let Saran ship it")
    split = read_split(MOVIELENS / "ml-100k.train.rating", MOVIELENS / "ml-100k.test.rating")
    report = evaluate_split(
        split, Options(models=("popularity", "item-knn", "ease"), ks=(10,), ideal="all", trials=1, folds=1), tell=quiet
    )
    figures = report.segments["all"].metrics
    assert report.test_users == 942
    assert figures["popularity"]["ndcg@10"].value == pytest.approx(0.1361, abs=0.005)
    assert figures["popularity"]["recall@10"].value == pytest.approx(0.1180, abs=0.005)
    assert figures["ease"]["ndcg@10"].value == pytest.approx(0.2905, abs=0.005)
    assert figures["ease"]["recall@10"].value == pytest.approx(0.2430, abs=0.005)
    difference = report.differences["ease"]["popularity"]
    assert difference.low is not None
    assert difference.low > 0
