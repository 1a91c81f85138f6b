"""What the trainers of lists can be told; `saran train MODEL --set NAME=VALUE`."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from saran.spark.als_parameters import ALSParameters
from saran.spark.parameters import Parameters


class NeighbourParameters(Parameters):
    """Of the item-to-item model by what users did."""

    subject: ClassVar[str] = "neighbours"

    method: Literal["auto", "cosine", "ease"] = "auto"
    """`cosine` is shrunk cosine of an item's nearest; `ease` a weight for each pair of items; `auto` takes EASE where
    the catalogue has at most `dense_items` items. Which items are alike is always told by cosine."""

    neighbours: int = Field(default=100, ge=1, le=1000)
    """Nearest items that are kept for each item."""

    shrink: float = Field(default=10.0, ge=0)
    """More distrusts similarities that few users have made."""

    regularization: float = Field(default=200.0, gt=0)
    """Of EASE: added to the diagonal of the Gram matrix, in users."""

    next_items: int = Field(default=50, ge=0, le=1000)
    """Items that are kept of what follows each item in a session, for the lists of sessions; 0 for none."""

    session_minutes: float = Field(default=30.0, gt=0)
    """A session ends when nothing of interest is done for so long."""

    dense_items: int = Field(default=4000, ge=0, le=20_000)
    """Largest catalogue for which `auto` takes EASE, whose weights are items × items × 4 bytes in the API too."""


class ContentParameters(Parameters):
    """Of the item-to-item model by what the catalogue says. A weight of 0 leaves that part out."""

    subject: ClassVar[str] = "content model"

    neighbours: int = Field(default=50, ge=1, le=1000)
    """Nearest items that are kept for each item."""

    least: int = Field(default=2, ge=1)
    """Words and values of fewer items than this are left out."""

    most: int = Field(default=20_000, ge=1)
    """Words and values of more items than this are left out: they tell little, and time grows with their square."""

    text: float = Field(default=1.0, ge=0)
    """Weight of the words of title and description."""

    categories: float = Field(default=1.0, ge=0)
    """Weight of the categories."""

    attributes: float = Field(default=0.7, ge=0)
    """Weight of the attributes (studio, theme, actors, tags, …), each a list between commas."""

    price: float = Field(default=0.3, ge=0)
    """Weight of the tenth of all prices that an item's price is in."""

    age: float = Field(default=0.3, ge=0)
    """Weight of the age class."""

    release: float = Field(default=0.3, ge=0)
    """Weight of the decade of release."""


class PopularityParameters(Parameters):
    """Of popularity."""

    subject: ClassVar[str] = "Popularity"

    half_life_days: float = Field(default=90.0, gt=0)
    """A user's interest in an item counts half after so many days before the newest event."""


class BlendParameters(Parameters):
    """Of the blend; those of its parts are `als.rank`, `neighbours.shrink` and so on."""

    subject: ClassVar[str] = "blend"

    trials: int = Field(default=60, ge=1)
    """Mixtures that are tried on the validation window."""

    als: ALSParameters = ALSParameters()
    """Of the part als."""

    neighbours: NeighbourParameters = NeighbourParameters()
    """Of the parts neighbours and ease."""

    content: ContentParameters = ContentParameters()
    """Of the part content."""

    popularity: PopularityParameters = PopularityParameters()
    """Of the part popularity."""
