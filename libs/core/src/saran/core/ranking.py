"""The k best of many scores."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def top_k(scores: NDArray[np.float32], k: int) -> NDArray[np.int64]:
    """Indices of the k highest scores, best first, equal scores by smaller index.

    `scores` has shape (items,); -inf marks what may not be returned, so fewer than k can come back.
    """
    k = min(k, len(scores))
    if k <= 0:
        return np.zeros(0, dtype=np.int64)
    threshold = np.partition(scores, len(scores) - k)[len(scores) - k]
    candidates = np.flatnonzero(scores >= threshold if threshold > -np.inf else scores > -np.inf)
    order = np.argsort(-scores[candidates], kind="stable")
    best: NDArray[np.int64] = candidates[order[:k]]
    return best
