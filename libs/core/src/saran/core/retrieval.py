"""The best items of a large catalogue for a user's factor, without a score of every item.

An inverted file: items are grouped by the direction of their factors, a search looks into the groups that promise most,
and what it finds is scored again exactly, so scores are those of an exact search and only an item can be missed. Items
are held in a byte a value (Jégou, Douze, Schmid: "Product Quantization for Nearest Neighbor Search", PAMI 2011, is the
source of the structure). How many groups a search looks into is measured when the index is made.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from saran.core.confidence import Interactions
from saran.core.ranking import top_k

LEAST_RECALL: Final = 0.99
"""Of the ten best items, on the samples that an index is tuned with; users' lists come out lower by 0.01 to 0.02."""

_LISTS_OF_ROOT: Final = 1.7
"""Groups, in square roots of the number of items: fewer make searches longer, more make building longer."""

_TRAINED_ON: Final = 64
"""Items a group that groups are found from."""

_ROUNDS: Final = 10
_PIECE: Final = 65_536
"""Items added at once, which bounds the work array of the grouping."""

_MOST_PROBED: Final = 0.5
"""Of the groups: an index that must look into more is no quicker than no index."""

_SPARE: Final = 20
"""Items asked for beyond those wanted: the byte a value misplaces some."""

_FEW: Final = 20_000
"""Items that a filter leaves, up to which all of them are scored, which is exact."""

_TUNED_FOR: Final = 10
_SAMPLES: Final = 100
_LIKED: Final = 10
_NONE: Final = np.zeros(0, dtype=np.int64)

Vectors = NDArray[np.float32]
Indices = NDArray[np.int64]


class Best(NamedTuple):
    """Item indices, best first, equal scores by smaller index, with their exact scores."""

    items: Indices
    scores: Vectors


Solve = Callable[[Interactions, int], Vectors]
"""Factors of users 0, 1, … by what they liked: `saran.core.foldin.FoldIn.solve`."""


class FactorIndex:
    """Inner product search over item factors, shape (items, k). Once it is made, threads can share it."""

    def __init__(self, factors: Vectors, index: Any) -> None:
        """`index` is a faiss.IndexIVF of the factors; `build_index` makes it, and tunes `probes`."""
        self.probes: int = index.nlist
        """Groups that a search looks into."""
        self.recall = 1.0
        """What so many find, on the samples of `build_index`."""
        self._factors = factors
        self._index = index
        self._centres: Vectors = index.quantizer.reconstruct_n(0, index.nlist)
        self._group_of = _groups(index)
        self._sizes = np.bincount(self._group_of, minlength=index.nlist)

    def best(self, user: Vectors, k: int, *, hidden: Indices, allowed: Indices | None = None) -> Best:
        """The k items with the highest inner product with `user`, shape (k,); fewer where no more are found.

        `hidden` holds distinct items that are left out, `allowed` the distinct items that are looked at; all when None.
        """
        if allowed is not None and len(allowed) <= _FEW:
            return self._exact(user, k, allowed[~np.isin(allowed, hidden)])
        wanted = min(k, len(self._factors)) + len(hidden) + _SPARE
        found = self._search(user, wanted, allowed)
        if len(found) < min(wanted, len(self._factors) if allowed is None else len(allowed)):
            # The groups looked into hold too few: k is a good part of the catalogue.
            found = np.arange(len(self._factors)) if allowed is None else allowed
        return self._exact(user, k, found[~np.isin(found, hidden)])

    def _search(self, user: Vectors, wanted: int, allowed: Indices | None) -> Indices:
        import faiss  # noqa: PLC0415  slow to import, and small catalogues never need it

        options: dict[str, Any] = {"nprobe": self.probes}
        if allowed is not None:
            mask = np.zeros(len(self._factors), dtype=np.bool_)
            mask[allowed] = True
            bits = np.packbits(mask, bitorder="little")
            options["sel"] = faiss.IDSelectorBitmap(len(bits), faiss.swig_ptr(bits))
            options["nprobe"] = self._probes_within(user, allowed)
        _, found = self._index.search(user[None, :], wanted, params=faiss.SearchParametersIVF(**options))
        items: Indices = found[0]
        return items[items >= 0]

    def _probes_within(self, user: Vectors, allowed: Indices) -> int:
        """Groups, nearest first, that hold as many of the allowed items as an open search looks at."""
        order = np.argsort(-(self._centres @ user), kind="stable")
        inside = np.bincount(self._group_of[allowed], minlength=len(order))
        budget = self._sizes[order[: self.probes]].sum()
        return min(len(order), int(np.searchsorted(np.cumsum(inside[order]), budget)) + 1)

    def _exact(self, user: Vectors, k: int, items: Indices) -> Best:
        items = np.sort(items)
        scores: Vectors = self._factors[items] @ user
        best = top_k(scores, k)
        return Best(items[best], scores[best])


def build_index(factors: Vectors, samples: Vectors, *, threads: int = 1) -> FactorIndex | None:
    """An index of item factors, shape (items, k), tuned on the user factors `samples`, shape (samples, k).

    None where it could not keep what `LEAST_RECALL` asks and be quicker than scores of all items. Takes 15 seconds of
    a processor for 1.4 million items × 64, and no time of other threads: the interpreter is free meanwhile. The same
    input gives the same index.
    """
    import faiss  # noqa: PLC0415  see FactorIndex._search

    faiss.omp_set_num_threads(threads)
    count, rank = factors.shape
    lists = max(1, round(_LISTS_OF_ROOT * count**0.5))
    groups = faiss.IndexFlatIP(rank)
    index = faiss.IndexIVFScalarQuantizer(
        groups, rank, lists, faiss.ScalarQuantizer.QT_8bit, faiss.METRIC_INNER_PRODUCT, False
    )
    index.cp.spherical = True
    index.cp.niter = _ROUNDS
    # The fewest that are taken without a warning on the error stream.
    index.cp.min_points_per_centroid = 1
    index.cp.max_points_per_centroid = _TRAINED_ON
    drawn = np.random.default_rng(1).permutation(count)[: lists * _TRAINED_ON]
    index.train(factors[np.sort(drawn)])
    for start in range(0, count, _PIECE):
        index.add(factors[start : start + _PIECE])
    made = FactorIndex(factors, index)
    return made if _tune(made, factors, samples, int(lists * _MOST_PROBED)) else None


def _tune(made: FactorIndex, factors: Vectors, samples: Vectors, most: int) -> bool:
    """Set the fewest probes, up to `most`, that find enough; False where they do not."""
    exact = [top_k(factors @ user, _TUNED_FOR) for user in samples]
    made.probes = max(1, most // 16)
    while made.probes <= most:
        made.recall = share_found([made.best(user, _TUNED_FOR, hidden=_NONE).items for user in samples], exact)
        if made.recall >= LEAST_RECALL:
            return True
        made.probes *= 2
    return False


class Search:
    """Lists of users by an index: who liked what goes in, and is folded in."""

    def __init__(self, solve: Solve, index: FactorIndex) -> None:
        self.index = index
        self._solve = solve

    def best(
        self,
        given: Interactions,
        users: int,
        k: int,
        *,
        hidden: Sequence[Indices],
        allowed: Sequence[Indices | None] | None = None,
    ) -> list[Best | None]:
        """`FactorIndex.best` for each user; None for one of whom nothing is known, whose factor is 0."""
        vectors = self._solve(given, users)
        return [
            self.index.best(vector, k, hidden=hidden[user], allowed=None if allowed is None else allowed[user])
            if vector.any()
            else None
            for user, vector in enumerate(vectors)
        ]


def build_search(factors: Vectors, solve: Solve, *, threads: int = 1) -> Search | None:
    """A search for the users that `solve` folds in; None where `build_index` has none.

    The index is tuned on users who liked ten items drawn at random: their taste points nowhere, so their lists are
    harder to find than most.
    """
    liked = np.flatnonzero(factors.any(axis=1))
    if not len(liked):
        return None
    drawn = np.random.default_rng(2).choice(liked, (_SAMPLES, _LIKED))
    users = np.repeat(np.arange(_SAMPLES), _LIKED)
    samples = solve(Interactions(users, drawn.ravel(), np.ones(drawn.size)), _SAMPLES)
    index = build_index(factors, samples, threads=threads)
    return None if index is None else Search(solve, index)


def _groups(index: Any) -> NDArray[np.int32]:
    """The group that each item is in, shape (items,)."""
    import faiss  # noqa: PLC0415  see FactorIndex._search

    group_of = np.empty(index.ntotal, dtype=np.int32)
    for group in range(index.nlist):
        size = index.invlists.list_size(group)
        if size:
            group_of[faiss.rev_swig_ptr(index.invlists.get_ids(group), size)] = group
    return group_of


def share_found(found: Sequence[Indices], exact: Sequence[Indices]) -> float:
    """Recall: the share of the items of the lists in `exact` that the lists in `found`, one for one, hold."""
    hits = sum(len(np.intersect1d(one, other)) for one, other in zip(found, exact, strict=True))
    return hits / sum(map(len, exact))
