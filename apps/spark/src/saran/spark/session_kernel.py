"""Compiled search for what follows the beginning of a session. Plain arrays, one core, no Spark."""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray


class Trained(NamedTuple):
    """Training sessions, oldest first: the items of session s are items[starts[s]] … items[starts[s + 1] - 1]."""

    starts: NDArray[np.int64]
    items: NDArray[np.int32]
    session_of: NDArray[np.int64]
    """The session of each place of `items`."""
    weights: NDArray[np.float64]
    """How much each session counts; above 0."""
    visit_starts: NDArray[np.int64]
    visits: NDArray[np.int64]
    """Item i stands at the places visits[visit_starts[i]] … visits[visit_starts[i + 1] - 1], ascending."""


class Prefixes(NamedTuple):
    """Beginnings of sessions, laid out as those of `Trained`."""

    starts: NDArray[np.int64]
    items: NDArray[np.int32]
    weights: NDArray[np.float64]
    """How much the item at each place counts; one of 0 is as if it were not there."""


class Answers(NamedTuple):
    """Items named for each prefix, best first, and their scores, above 0."""

    items: NDArray[np.int32]
    """Shape (prefixes, most items named)."""
    scores: NDArray[np.float32]
    """Likewise."""
    lengths: NDArray[np.int64]
    """How many are named, shape (prefixes,)."""


@numba.njit(cache=True, nogil=True)
def _add(item: int, score: float, scores: NDArray[np.float64], touched: NDArray[np.int64], count: int) -> int:
    """Add to an item's score; the first `count` of `touched` have one. Returns that count."""
    if score > 0:
        if scores[item] == 0.0:
            touched[count] = item
            count += 1
        scores[item] += score
    return count


@numba.njit(cache=True, nogil=True)
def _answer(scores: NDArray[np.float64], touched: NDArray[np.int64], count: int, case: int, answers: Answers) -> None:
    """Write the best of the touched items, equal ones by smaller index, and set their scores back to 0."""
    some = np.sort(touched[:count])
    own = scores[some]
    best = np.argsort(-own, kind="mergesort")[: answers.items.shape[1]]
    for place in range(len(best)):
        answers.items[case, place] = some[best[place]]
        answers.scores[case, place] = own[best[place]]
    answers.lengths[case] = len(best)
    scores[some] = 0.0


@numba.njit(cache=True, nogil=True)
def followers(trained: Trained, prefixes: Prefixes, rate: float, back: float, answers: Answers) -> None:
    """Rules item → item: what stood near the items of each prefix in training.

    Each visit of a prefix's item gives exp(-(s - 1) / rate) to an item `s` steps after it in the same session, and
    `back` times as much to one before it; times the weights of prefix place and session.
    """
    starts, items = trained.starts, trained.items
    scores = np.zeros(len(trained.visit_starts) - 1)
    touched = np.empty(len(scores), dtype=np.int64)
    for case in range(len(prefixes.starts) - 1):
        count = 0
        for place in range(prefixes.starts[case], prefixes.starts[case + 1]):
            if prefixes.weights[place] == 0.0:
                continue
            source = prefixes.items[place]
            for at in trained.visits[trained.visit_starts[source] : trained.visit_starts[source + 1]]:
                session = trained.session_of[at]
                weight = prefixes.weights[place] * trained.weights[session]
                for other in range(starts[session], at):
                    score = weight * back * np.exp(-(at - other - 1) / rate)
                    count = _add(items[other], score, scores, touched, count)
                for other in range(at + 1, starts[session + 1]):
                    score = weight * np.exp(-(other - at - 1) / rate)
                    count = _add(items[other], score, scores, touched, count)
        _answer(scores, touched, count, case, answers)


@numba.njit(cache=True, nogil=True)
def _liken(
    trained: Trained,
    prefix: NDArray[np.int32],
    weights: NDArray[np.float64],
    last_place: NDArray[np.int64],
    likeness: NDArray[np.float64],
    near: NDArray[np.int64],
) -> int:
    """Add up the weights of the prefix's items, each at its last place, by session that has them.

    `near` gets the sessions. Returns how many there are.
    """
    count = 0
    for place in range(len(prefix)):
        item = prefix[place]
        if last_place[item] != place + 1:
            continue
        before = -1
        for at in trained.visits[trained.visit_starts[item] : trained.visit_starts[item + 1]]:
            session = trained.session_of[at]
            if session != before:
                count = _add(session, weights[place], likeness, near, count)
            before = session
    return count


@numba.njit(cache=True, nogil=True)
def neighbours(
    trained: Trained,
    item_weights: NDArray[np.float64],
    prefixes: Prefixes,
    step_weights: NDArray[np.float64],
    nearest: int,
    sample: int,
    once: bool,
    distance_rate: float,
    back: float,
    answers: Answers,
) -> None:
    """Items of the `nearest` of the `sample` newest training sessions that share an item with each prefix.

    A session's similarity is the sum of the weights of shared items, each at its last place in the prefix, times the
    weight of the session. It gives each of its items similarity · step_weights[d - 1] · item_weights[item], where the
    newest shared item stands `d` places from the prefix's end, itself included. With `once` an item counts once a
    session; without, at each place, times exp(-distance / distance_rate), where the distance is that to the last
    place of the newest shared item, and times `back` up to that place.
    """
    scores = np.zeros(len(trained.visit_starts) - 1)
    touched = np.empty(len(scores), dtype=np.int64)
    likeness = np.zeros(len(trained.starts) - 1)
    near = np.empty(len(likeness), dtype=np.int64)
    last_place = np.zeros(len(scores), dtype=np.int64)
    voted = np.full(len(scores), -1, dtype=np.int64)
    votes = 0
    for case in range(len(prefixes.starts) - 1):
        here = slice(prefixes.starts[case], prefixes.starts[case + 1])
        prefix = prefixes.items[here]
        for place in range(len(prefix)):
            last_place[prefix[place]] = place + 1
        some = _liken(trained, prefix, prefixes.weights[here], last_place, likeness, near)
        # Newest first, so that of equally near sessions the newer one counts.
        taken = np.sort(near[:some])[::-1][:sample].copy()
        alike = likeness[taken] * trained.weights[taken]
        likeness[near[:some]] = 0.0
        count = 0
        for chosen in np.argsort(-alike, kind="mergesort")[:nearest]:
            session = taken[chosen]
            own = trained.items[trained.starts[session] : trained.starts[session + 1]]
            newest, anchor = 0, 0
            for place in range(len(own)):
                if last_place[own[place]] >= max(newest, 1):
                    newest, anchor = last_place[own[place]], place
            base = alike[chosen] * step_weights[len(prefix) - newest]
            votes += 1
            for place in range(len(own)):
                score = base * item_weights[own[place]]
                if once:
                    if voted[own[place]] == votes:
                        continue
                    voted[own[place]] = votes
                else:
                    score *= np.exp(-abs(place - anchor) / distance_rate) * (back if place <= anchor else 1.0)
                count = _add(own[place], score, scores, touched, count)
        _answer(scores, touched, count, case, answers)
        last_place[prefix] = 0


@numba.njit(cache=True, nogil=True)
def repeats(prefixes: Prefixes, share: NDArray[np.float64], item_count: int, answers: Answers) -> None:
    """The items of each prefix by `share`, as `next_items.Repeats.chances`: how often such an item comes again."""
    met = np.zeros(item_count, dtype=np.int64)
    scores = np.zeros(item_count)
    touched = np.empty(item_count, dtype=np.int64)
    most_steps, most_times = share.shape[0] - 1, share.shape[1] - 1
    for case in range(len(prefixes.starts) - 1):
        prefix = prefixes.items[prefixes.starts[case] : prefixes.starts[case + 1]]
        for item in prefix:
            met[item] += 1
        count = 0
        for steps in range(1, len(prefix) + 1):
            item = prefix[-steps]
            if met[item]:
                score = share[min(steps, most_steps), min(met[item], most_times)]
                count = _add(item, score, scores, touched, count)
                met[item] = 0
        _answer(scores, touched, count, case, answers)


@numba.njit(cache=True, nogil=True)
def mix(
    items: NDArray[np.int32],
    shares: NDArray[np.float32],
    lengths: NDArray[np.int64],
    weights: NDArray[np.float64],
    item_count: int,
    answers: Answers,
) -> None:
    """The weighted sum of several parts' answers, shapes (parts, cases, most items named) and (parts, cases)."""
    scores = np.zeros(item_count)
    touched = np.empty(item_count, dtype=np.int64)
    for case in range(items.shape[1]):
        count = 0
        for part in range(len(weights)):
            for place in range(lengths[part, case]):
                score = weights[part] * shares[part, case, place]
                count = _add(items[part, case, place], score, scores, touched, count)
        _answer(scores, touched, count, case, answers)
