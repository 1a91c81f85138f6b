"""How many requests a key may make."""

from __future__ import annotations

from saran.api.rate_limit import RateLimit


def test_a_name_gets_its_burst_then_its_rate_and_others_are_not_touched() -> None:
    now = 0.0
    limit = RateLimit(2, clock=lambda: now)
    assert [limit.wait("a") for _ in range(5)] == [0, 0, 0, 0, 1]
    assert limit.wait("b") == 0
    now = 0.5
    assert [limit.wait("a") for _ in range(2)] == [0, 1]
    now = 100.0
    assert [limit.wait("a") for _ in range(5)] == [0, 0, 0, 0, 1]


def test_a_rate_below_one_tells_how_long_to_wait() -> None:
    limit = RateLimit(0.1, clock=lambda: 0.0)
    assert [limit.wait("a") for _ in range(2)] == [0, 10]
