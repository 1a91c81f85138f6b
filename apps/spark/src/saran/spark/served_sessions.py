"""What the API answers to a session, as a model of the next item beside the evaluated ones.

Rules and repeats are counted as `saran train` counts them and asked by the class that the API asks. The items of the
usual list that follow them in an answer are not named here, since anonymous sessions have no such list to learn: where
fewer than k items are named, what is served can only find more.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import numpy as np

from saran.core.list_options import Seen
from saran.core.next_items import NextItems
from saran.core.rows import Rows
from saran.spark.list_parameters import NeighbourParameters
from saran.spark.session_files import Sequences
from saran.spark.session_kernel import Answers
from saran.spark.session_models import Visits, empty_answers
from saran.spark.session_rules import SOURCE_RATE, SOURCES, UNIT, counted

SERVED_BY_DEFAULT: Final = "served"
SERVED: Final[Mapping[str, Seen | None]] = MappingProxyType(
    {SERVED_BY_DEFAULT: None, "served-seen-excluded": "exclude"}
)
"""Name → `seen` of a request; None for one that leaves it to the model."""


def served(visits: Visits, prefixes: Sequences, seen: Seen | None = None) -> Answers:
    """What comes after each of `prefixes`, best first."""
    model = NextItems(_rules(visits), sources=SOURCES, source_rate=SOURCE_RATE, repeats=visits.repeats)
    hide_seen = seen == "exclude" or (seen is None and not model.repeats_usual)
    answers = empty_answers(prefixes.size)
    for case in range(prefixes.size):
        prefix = prefixes.items[prefixes.starts[case] : prefixes.starts[case + 1]].astype(np.int64)
        following = model.after(prefix)
        if hide_seen:
            following = following.only(np.setdiff1d(following.items, prefix))
        count = min(len(following.items), answers.items.shape[1])
        answers.items[case, :count] = following.items[:count]
        answers.scores[case, :count] = following.shares.sum(axis=0)[:count]
        answers.lengths[case] = count
    return answers


def _rules(visits: Visits) -> Rows:
    sessions = visits.sessions
    source, target, weight = counted(sessions.items.astype(np.int64), sessions.sequence_of(), visits.item_count)
    order = np.lexsort((target, -weight, source))
    counts = np.bincount(source, minlength=visits.item_count)
    place = np.arange(len(order)) - np.repeat(np.cumsum(counts) - counts, counts)
    kept = order[place < NeighbourParameters().next_items]
    starts = np.zeros(visits.item_count + 1, dtype=np.int64)
    np.cumsum(np.bincount(source[kept], minlength=visits.item_count), out=starts[1:])
    return Rows(starts, target[kept].astype(np.int32), (weight[kept] / UNIT).astype(np.float32))
