"""`saran evaluate --sessions`: files read as they are meant, figures by hand, and no look ahead."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from apps.spark.tests.plain_sessions import (
    ITEMS,
    TRAIN,
    made_up,
    plain_association_rules,
    plain_repeats,
    plain_rules,
    plain_v_sknn,
)
from typer.testing import CliRunner

from saran.core.errors import SaranError
from saran.core.list_options import Seen
from saran.spark.commands import app
from saran.spark.evaluate_sessions import SessionOptions, SessionReport, evaluate_sessions
from saran.spark.model_kinds import NoParameters
from saran.spark.served_sessions import SERVED, served
from saran.spark.session_files import Cases, Sequences, SessionSplit, make_session_folds, read_sessions, sequences
from saran.spark.session_models import KEPT, PARTS, RuleParameters, Visits, VSkNNParameters, association_rules
from saran.spark.session_rules import BACK, RATE, SOURCE_RATE, SOURCES
from saran.spark.session_search import Fold, found_in, make_folds, search_mixture


def quiet(*_: object) -> None:
    """Progress that nobody looks at."""


def write(folder: Path, name: str, text: str) -> Path:
    file = folder / name
    file.write_text(text, encoding="utf-8")
    return file


# Figures


def test_figures_by_hand() -> None:
    visits = Visits(sequences([[0, 1, 2], [1, 3], [0, 1, 1, 3]]), 4)
    # After 1 come 0, 3, 1, 2; after 2 come 0, 1.
    answers = association_rules(visits, NoParameters(), sequences([[1], [1], [2]]))
    wanted = np.array([0, 1, -1])
    # Found at rank 1, at rank 3, and never: of no item there is none.
    assert found_in(answers, wanted, 3).tolist() == [[True, False, False], [False, False, True], [False] * 3]
    fold = Fold(visits, Cases(sequences([[1], [1], [2]]), wanted, np.arange(3)))
    assert fold.quality(answers, 3) == pytest.approx((2 / 3 + (1 + 1 / 3) / 3) / 2)
    assert fold.quality(answers, 1) == pytest.approx((1 / 3 + 1 / 3) / 2)
    # Item 0 fills the rest of the array, but is not named there.
    assert not found_in(answers, np.array([2, 3, 3]), KEPT + 5)[2].any()
    assert found_in(answers, np.array([0, 0, 0]), KEPT + 5).sum() == 3


def test_the_report_has_the_figures_of_plain_loops() -> None:
    rows = made_up(20, seed=7)
    prefixes, wanted = [row[:3] for row in rows], np.array([row[3] for row in rows])
    test = Cases(sequences(prefixes), wanted, np.arange(20))
    split = SessionSplit([str(item) for item in range(ITEMS)], sequences(TRAIN), test)
    report = evaluate_sessions(split, SessionOptions(ks=(3, 5), trials=1, folds=1), tell=quiet)
    own = VSkNNParameters()
    ranks: dict[str, list[int | None]] = {"association-rules": [], "v-sknn": []}
    for prefix, item in zip(prefixes, wanted.tolist(), strict=True):
        for model, scores in (
            ("association-rules", plain_association_rules(prefix)),
            ("v-sknn", plain_v_sknn(prefix, own)),
        ):
            ranked = sorted(scores, key=lambda other: (-np.float32(scores[other]), other))
            ranks[model].append(ranked.index(item) + 1 if item in ranked else None)
    for model, places in ranks.items():
        again = [number for number, row in enumerate(rows) if row[3] in row[:3]]
        assert 0 < len(again) < 20
        for segment, cases in (("all", range(20)), ("again", again)):
            figures = report.segments[segment].metrics[model]
            for k in (3, 5):
                some = [place for place in (places[case] for case in cases) if place is not None and place <= k]
                assert figures[f"hr@{k}"].value == pytest.approx(len(some) / len(cases))
                assert figures[f"mrr@{k}"].value == pytest.approx(sum(1 / place for place in some) / len(cases))
    every = report.segments["all"].metrics
    more = every["sessions"]["hr@5"].value - every["v-sknn"]["hr@5"].value
    assert report.differences["hr@5"]["v-sknn"].value == pytest.approx(more)
    more = every["served"]["hr@5"].value - every["association-rules"]["hr@5"].value
    assert report.served_differences["hr@5"]["association-rules"].value == pytest.approx(more)


def test_what_is_served_are_the_chances_of_plain_loops() -> None:
    own = RuleParameters(sources=SOURCES, source_rate=SOURCE_RATE, rate=RATE, back=BACK, half_life=1e9)
    seens: tuple[Seen, Seen] = ("allow", "exclude")
    for prefix in ([3], [3, 4], [7, 7, 9, 2, 1]):
        again = plain_repeats(prefix, TRAIN)
        new = {item: score for item, score in plain_rules(prefix, own).items() if score and item not in prefix}
        left = (1 - sum(again.values())) / sum(new.values())
        expected = {item: score * left for item, score in new.items()}
        for seen, wanted in zip(seens, ({**expected, **again}, expected), strict=True):
            answers = served(Visits(sequences(TRAIN), ITEMS), sequences([prefix]), seen)
            named = answers.items[0, : answers.lengths[0]].tolist()
            said = dict(zip(named, answers.scores[0].tolist(), strict=False))
            assert said == pytest.approx({item: score for item, score in wanted.items() if score > 0}, rel=1e-4)
            assert list(said.values()) == sorted(said.values(), reverse=True)


def test_what_is_served_keeps_fifty_followers_of_an_item() -> None:
    rows = [[0, item] for item in range(1, 71)] + [[0, 70]]
    answers = served(Visits(sequences(rows), 71), sequences([[0]]))
    assert answers.items[0, : answers.lengths[0]].tolist() == [70, *range(1, 50)]


@pytest.mark.parametrize(("again", "named"), [(1, [1, 2]), (2, [0, 1, 2])])
def test_what_a_session_had_is_served_where_training_saw_that_it_comes_again(again: int, named: list[int]) -> None:
    # Of ten next items one, or a fifth, was there before.
    rows = [[0, 0]] * again + [[0, 1]] * (6 - again) + [[0, 2]] * 4
    answers = served(Visits(sequences(rows), 3), sequences([[0]]))
    assert sorted(answers.items[0, : answers.lengths[0]].tolist()) == named


# Files


def test_files_are_read(tmp_path: Path) -> None:
    train = write(tmp_path, "train", "b a b\nc a\n")
    test = write(tmp_path, "test", "a z b\tc\na z\tb\na c\tb\nz\tz\n")
    split = read_sessions(train, test)
    assert split.item_ids == ["a", "b", "c"]
    assert (split.train.items.tolist(), split.train.starts.tolist()) == ([1, 0, 1, 2, 0], [0, 3, 5])
    assert split.test.wanted.tolist() == [2, 1, 1, -1]
    assert (split.test.prefixes.items.tolist(), split.test.prefixes.starts.tolist()) == (
        [0, 1, 0, 0, 2],
        [0, 2, 3, 5, 5],
    )
    assert split.test.sessions.tolist() == [0, 0, 1, 2], "the second line's prefix goes on to the first's"
    forwards = write(tmp_path, "forwards", "a z\tb\na z b\tc\na\tz\n")
    assert read_sessions(train, forwards).test.sessions.tolist() == [0, 0, 1], "nor backwards only"
    with pytest.raises(SaranError, match="train, line 2, has a tab: it is not the items of a session"):
        read_sessions(write(tmp_path, "train", "a b\na b\tc\n"), test)


@pytest.mark.parametrize("line", ["a b", "a\t", "\tb", "a\tb c"])
def test_a_wrong_test_line_is_named(tmp_path: Path, line: str) -> None:
    with pytest.raises(SaranError, match="line 2, is not a prefix, a tab and one next item"):
        read_sessions(write(tmp_path, "train", "a b\n"), write(tmp_path, "test", f"a\tb\n{line}\n"))


# No look ahead


def made_up_split() -> SessionSplit:
    rows = made_up()
    test = Cases(sequences([row[:3] for row in rows[:40]]), np.array([row[3] for row in rows[:40]]), np.arange(40))
    return SessionSplit([str(item) for item in range(ITEMS)], sequences(rows), test)


def test_folds_learn_from_older_sessions_only() -> None:
    train = sequences([[0, 1, 2]] * 16 + [[3, 4, 5]] * 2 + [[6, 7, 8, 9]] * 2)
    first, second = make_session_folds(train, count=2, seed=1)
    assert (first.learnt.size, second.learnt.size) == (18, 16)
    assert first.cases.wanted.tolist() == [8, 9, 8, 9], "prefixes of 2 items on, as the shortest session has 3"
    assert first.cases.prefixes.items.tolist() == [6, 7, 6, 7, 8] * 2
    assert second.cases.wanted.tolist() == [5, 5]
    with pytest.raises(SaranError, match="9 sessions are too few"):
        make_session_folds(train.part(0, 9), count=1, seed=1)


def test_permuting_the_newest_sessions_moves_no_older_fold() -> None:
    train = sequences(made_up())
    items = train.items.copy()
    newest = slice(train.starts[180], None)
    items[newest] = np.random.default_rng(9).permutation(items[newest])
    before, after = (make_folds(part, ITEMS, count=3, seed=1) for part in (train, Sequences(train.starts, items)))
    for name, kind in PARTS.items():
        values = [
            [fold.quality(kind.answer(fold.visits, kind.parameters(), fold.cases.prefixes), 5) for fold in folds]
            for folds in (before, after)
        ]
        assert values[0][1:] == values[1][1:], name
        assert values[0][0] != values[1][0], "the fold that looks for the newest sessions does move"


def test_a_mixture_takes_what_helps() -> None:
    folds = make_folds(sequences(made_up()), ITEMS, count=2, seed=1)
    rules, wrong = PARTS["rules"], np.random.default_rng(3)
    good = [rules.answer(fold.visits, rules.parameters(), fold.cases.prefixes) for fold in folds]
    noise = [answers._replace(items=wrong.permuted(answers.items, axis=1)) for answers in good]
    choice = search_mixture({"noise": noise, "good": good}, folds, 5, trials=2, tell=quiet)
    assert choice.parameters == {"good": 1.0}
    assert choice.trials == 2


def test_permuting_the_test_moves_nothing_that_was_chosen() -> None:
    choices: list[SessionReport] = []
    reports: list[SessionReport] = []
    split = made_up_split()
    other = SessionSplit(split.item_ids, split.train, split.test._replace(wanted=np.roll(split.test.wanted, 1)))
    for one in (split, other):
        options = SessionOptions(ks=(5,), trials=3, folds=2)
        reports.append(evaluate_sessions(one, options, tell=quiet, before_test=choices.append))
    assert choices[0] == choices[1]
    assert not choices[0].segments
    assert reports[0].segments["all"] != reports[1].segments["all"]


# The whole


def test_the_command_writes_its_choices_and_figures(tmp_path: Path) -> None:
    train = write(tmp_path, "train", "".join(" ".join(map(str, row)) + "\n" for row in made_up()))
    test = write(tmp_path, "test", "1 2 3\t1\n1 2\t3\n9 8\t10\n")
    out = tmp_path / "out.json"
    arguments = ["evaluate", "--sessions", "--train", str(train), "--test", str(test), "--trials", "2"]
    result = CliRunner().invoke(app, [*arguments, "--json", str(out)], catch_exceptions=False)
    assert result.exit_code == 0
    assert "mrr@20" in result.stdout
    report = SessionReport.model_validate(json.loads(out.read_text()))
    assert list(report.segments["all"].metrics) == ["association-rules", "v-sknn", "sessions", *SERVED]
    assert (report.test_cases, report.test_sessions) == (3, 2)
    assert {name: part.cases for name, part in report.segments.items()} == {"all": 3, "again": 1, "first time": 2}
    assert list(report.differences) == ["hr@20", "mrr@20"]


@pytest.mark.parametrize(
    ("option", "value", "reason"),
    [
        ("--models", "als", "does not go with --sessions"),
        ("--ndcg-ideal", "cut", "does not go with --sessions"),
        ("--candidates", "some", "does not go with --sessions"),
        ("--k", "201", "lists have at most 200 items"),
    ],
)
def test_what_does_not_go_with_sessions_is_refused(option: str, value: str, reason: str) -> None:
    arguments = ["evaluate", "--sessions", "--train", "train", "--test", "test", option, value]
    result = CliRunner(env={"COLUMNS": "200", "NO_COLOR": "1"}).invoke(app, arguments)
    assert result.exit_code == 2
    assert option in result.output
    assert reason in result.output
