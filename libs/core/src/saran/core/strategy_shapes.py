"""A user's lists by each strategy, side by side: what is asked and what is answered."""

from __future__ import annotations

from typing import Final, Literal, get_args

from pydantic import Field

from saran.core import limits
from saran.core.answer import Answer
from saran.core.api_shapes import RankedCard, RecommendedCard
from saran.core.list_options import ListOptions

StrategyName = Literal["blend", "als", "neighbours", "ease", "content", "popular", "trending"]
"""By what a list is made: several parts of a version or one of them, how many users an item has, or what is rising."""

STRATEGY_NAMES: Final[tuple[StrategyName, ...]] = get_args(StrategyName)

LeftOutReason = Literal["seen", "bought", "excluded", "condition", "alike"]


class StrategyOptions(ListOptions):
    """Which lists, and what each may hold."""

    limit: int = Field(default=10, ge=1, le=limits.MAX_BATCH_LIST_LENGTH, description="Items at most in each list")
    strategy: list[StrategyName] = Field(
        default_factory=list,
        max_length=len(STRATEGY_NAMES),
        description="The lists of these only, in this order; repeat it for more than one. Without it: all",
    )


class LeftOutCard(RankedCard):
    """One of a strategy's best items that the list must not hold. `rank` is where it would be without conditions."""

    reason: LeftOutReason = Field(
        description="In the user's history, bought, excluded by its id, not what the conditions ask for, or too much "
        "like others where the list is diverse"
    )


class StrategyList(Answer):
    """The list of one strategy."""

    strategy: StrategyName
    served: bool = Field(description="Whether the user's own list is made so")
    source: Literal["personal", "popular", "trending"] = Field(
        description="`popular` where the strategy knows nothing of the history"
    )
    items: list[RecommendedCard]
    left_out: list[LeftOutCard] = Field(description="Of its best `limit` items without conditions those not listed")
    note: str | None = Field(default=None, description="Why the list is empty or short")


class Strategies(Answer):
    """A user's lists by several strategies, of one history and one model version."""

    user_id: str = Field(examples=["414"])
    model_version: str
    history_events: int = Field(description="Events that were looked at")
    degraded: bool = Field(description="The history could not be read, so no list is the user's own")
    lists: list[StrategyList]
