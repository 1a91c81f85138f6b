"""What the API tells of its data set: read once, from the set's spec."""

from __future__ import annotations

from dataclasses import dataclass

from saran.core.datasets import SpecError, actions_of, highest_rating, load_spec
from saran.core.settings import Settings
from saran.core.system_shapes import DatasetFacts


@dataclass(frozen=True)
class About:
    """The data set by name, with the facts of its spec; `warning` says why there are none."""

    name: str
    facts: DatasetFacts | None = None
    warning: str | None = None


def read_about(settings: Settings) -> About:
    """The installation's data set. An API without the spec still serves."""
    try:
        spec = load_spec(settings.dataset, settings)
        facts = DatasetFacts(
            title=spec.title,
            terms=spec.terms,
            capabilities=spec.capabilities,
            actions=actions_of(spec),
            highest_rating=highest_rating(spec),
            languages=spec.languages,
        )
    except (SpecError, OSError) as error:
        return About(settings.dataset, warning=f"what the data set has is not known: {error}")
    return About(spec.name, facts)
