"""What an event did to a list: which items are new, and which moved."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Moves:
    """`new` items were not in the list before; `steps` is places up (positive) or down of those that were."""

    new: frozenset[str]
    steps: dict[str, int]

    @property
    def up(self) -> int:
        """How many items rose."""
        return sum(step > 0 for step in self.steps.values())

    @property
    def down(self) -> int:
        """How many items fell."""
        return sum(step < 0 for step in self.steps.values())

    def __bool__(self) -> bool:
        return bool(self.new) or any(self.steps.values())


def moves(before: Sequence[str], after: Sequence[str], *, used: str | None = None) -> Moves:
    """Compare two lists of item ids, best first.

    `used` is the item the user just used: it leaves the list, so the places it frees are no move of the others.
    """
    places = {item: place for place, item in enumerate(item for item in before if item != used)}
    return Moves(
        new=frozenset(item for item in after if item not in places),
        steps={item: places[item] - place for place, item in enumerate(after) if item in places},
    )
