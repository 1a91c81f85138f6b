"""What users of a data set do: the actions that its events can have, and how ratings are scaled."""

from __future__ import annotations

from typing import Final

from saran.core.datasets.load import read_spec
from saran.core.datasets.spec import DatasetSpec, FileEvents, JoinedEvents, Origin
from saran.core.entities import Action

_SIMULATED_HIGHEST: Final = 5.0
"""Stars that simulated users give at most."""


def actions_of(spec: DatasetSpec) -> list[Action]:
    """Actions of the data set's events, in the order of `Action`. Raises SpecError as `read_spec` does."""
    events = _file_events(spec)
    if events is not None:
        found = set(events.actions.values()) if events.action is None else {events.action}
    elif _sells(spec):
        found = {Action.VIEW, Action.CLICK, Action.ADD_TO_CART, Action.PURCHASE}
    else:
        found = {Action.VIEW, Action.CLICK, Action.RATE}
    return [action for action in Action if action in found]


def highest_rating(spec: DatasetSpec) -> float | None:
    """The best rating a user can give; None where users do not rate, or no bound is known."""
    if Action.RATE not in actions_of(spec):
        return None
    events = _file_events(spec)
    return _SIMULATED_HIGHEST if events is None else events.value_range.max


def _file_events(spec: DatasetSpec) -> FileEvents | None:
    """The mapping of the file that events come from, the data set's own or a joined one's; None: simulated."""
    events = spec.events
    if isinstance(events, JoinedEvents):
        events = read_spec(spec.path.parent / f"{events.spec}.yaml").events
    return events if isinstance(events, FileEvents) else None


def _sells(spec: DatasetSpec) -> bool:
    """Simulated users buy where items have prices, and rate elsewhere."""
    return spec.capabilities.prices is not Origin.NONE
