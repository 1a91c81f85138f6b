"""Who gets which variant, and how sure the figures are."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from statistics import NormalDist
from typing import Final

from saran.core.experiment_shapes import ExperimentDefinition, Rate, SampleRatio, Uplift, Variant

_MISMATCH: Final = 0.001
_Z: Final = NormalDist().inv_cdf(0.975)


def variant_of(name: str, definition: ExperimentDefinition, user_id: str) -> Variant | None:
    """The variant of a user, None for one who does not take part.

    By hashes of the experiment's name and the user alone: always the same, and of two experiments independent. Who
    takes part and in which variant are two hashes, so that a larger share moves nobody to another variant.
    """
    if definition.share < 1 and _uniform(f"{name}\0share\0{user_id}") >= definition.share:
        return None
    place = _uniform(f"{name}\0variant\0{user_id}") * sum(one.weight for one in definition.variants)
    for variant in definition.variants:
        place -= variant.weight
        if place < 0:
            return variant
    return definition.variants[-1]


def wilson(successes: int, users: int) -> Rate:
    """A share with its 95 % score interval (Wilson, "Probable inference", JASA 1927); 0 to 1 without users."""
    if not users:
        return Rate(users=0, value=None, low=0.0, high=1.0)
    share, z2 = successes / users, _Z * _Z
    centre = (share + z2 / (2 * users)) / (1 + z2 / users)
    half = _Z / (1 + z2 / users) * math.sqrt(share * (1 - share) / users + z2 / (4 * users * users))
    # Where none or all succeed the bound is 0 or 1, but for rounding.
    low = 0.0 if not successes else max(0.0, centre - half)
    high = 1.0 if successes == users else min(1.0, centre + half)
    return Rate(users=users, value=share, low=low, high=high)


def uplift(base: Rate, other: Rate) -> Uplift | None:
    """How much more of `other`'s users do something than of `base`'s, with its 95 % interval; None without users.

    The interval is of Wilson's two (Newcombe, "Interval estimation for the difference between independent proportions",
    Statistics in Medicine 1998, method 10).
    """
    if base.value is None or other.value is None:
        return None
    difference = other.value - base.value
    return Uplift(
        value=difference,
        low=difference - math.hypot(other.value - other.low, base.high - base.value),
        high=difference + math.hypot(other.high - other.value, base.value - base.low),
        relative=difference / base.value if base.value else None,
    )


def sample_ratio(variants: Sequence[Variant], users: Mapping[str, int]) -> SampleRatio | None:
    """Pearson's chi-square test of the users of each variant against the weights; None without users."""
    seen = [users.get(one.name, 0) for one in variants]
    expected = expected_users(variants, sum(seen))
    if not sum(seen):
        return None
    statistic = sum((have - want) ** 2 / want for have, want in zip(seen, expected, strict=True))
    chance = chi_square_tail(statistic, len(variants) - 1)
    return SampleRatio(chi_square=statistic, p_value=chance, mismatch=chance < _MISMATCH)


def expected_users(variants: Sequence[Variant], users: int) -> list[float]:
    """How many of `users` each variant should have."""
    whole = sum(one.weight for one in variants)
    return [users * one.weight / whole for one in variants]


def chi_square_tail(statistic: float, freedom: int) -> float:
    """Chance of a chi-square of `freedom` ≥ 1 degrees above `statistic`, by its closed form (Abramowitz, 26.4.4-5)."""
    half = statistic / 2
    if freedom % 2:
        terms = (half ** (n - 0.5) / math.gamma(n + 0.5) for n in range(1, (freedom + 1) // 2))
        return math.erfc(math.sqrt(half)) + math.exp(-half) * math.fsum(terms)
    return math.exp(-half) * math.fsum(half**n / math.factorial(n) for n in range(freedom // 2))


def _uniform(text: str) -> float:
    """A number from 0 to below 1 by a hash."""
    return (int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") >> 11) / 2**53
