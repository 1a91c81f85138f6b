"""What is asked of the HTTP API and what it answers: the API makes these, its clients read them, /docs shows them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from saran.core import limits
from saran.core.answer import Answer
from saran.core.entities import Action, Identifier, Item, ItemFacts, Moment, UserFacts
from saran.core.experiment_shapes import InExperiment


class Card(Answer):
    """An item in a list."""

    item_id: str = Field(examples=["318"])
    title: str | None = Field(default=None, examples=["Shawshank Redemption, The (1994)"])
    categories: list[str] = Field(default_factory=list, examples=[["Crime", "Drama"]])
    image_url: str | None = None
    url: str | None = None
    price: float | None = None


class RankedCard(Card):
    """An item in an ordered list; `rank` counts from 1."""

    score: float = Field(examples=[0.93])
    rank: int = Field(examples=[1])


class Cause(Answer):
    """An item of the history, and how much of the score it carried."""

    item_id: str = Field(examples=["296"])
    title: str | None = Field(default=None, examples=["Pulp Fiction (1994)"])
    share: float = Field(
        examples=[0.21], description="In the score's own unit; all shares of a history sum to the score"
    )


class RecommendedCard(RankedCard):
    """An item of a personal list."""

    because: list[Cause] = Field(
        default_factory=list,
        description="With `explain`: up to three items of the history that carried most, most first",
    )


class _Identified(Answer):
    recommendation_id: str | None = Field(
        default=None,
        examples=["0199d1e2-7a64-7000-9b1e-7c0f3f6d2a11"],
        description="Of this answer alone, a UUID that sorts by time; null only from an API of before it was there",
    )


class _List(_Identified):
    source: Literal["personal", "popular"] = Field(description="`popular` where there is no history to go by")
    model_version: str
    history_events: int = Field(description="Events that were looked at")
    items: list[RecommendedCard]
    note: str | None = Field(default=None, description="A condition that no item can meet, such as an unknown category")


class Recommendations(_List):
    """A user's list, best first; shorter than `limit` where no more items are allowed."""

    user_id: str = Field(examples=["414"])
    degraded: bool = Field(description="The history could not be read, so this is not the user's own list")
    experiment: InExperiment | None = Field(
        default=None, description="The running experiment that made the list, if it is part of one"
    )
    next_page: str | None = Field(
        default=None, description="Given back as `page` for what follows; null at the end, or after 500 items"
    )


class AgedCard(RankedCard):
    """An item in a list for an age."""

    age_rating: str = Field(examples=["13+"])
    age_provenance: Literal["given", "derived", "simulated"] = Field(
        description="Whether a certificate of the item says so, or a rule of the data set's spec"
    )
    users: int | None = Field(
        default=None, description="How many of `age_group` liked it; null where the list is of everybody"
    )


class UsersOfAge(BaseModel):
    """Users of about one age."""

    name: str = Field(examples=["18-24"])
    people: int = Field(description="Those who liked something")


class ForAge(_Identified):
    """What is popular of what somebody of an age may see, most popular first.

    Where users have ages, and enough are of this one, it is what they like, and then what everybody likes.
    """

    age: int
    own_class: bool = Field(description="Only items of the highest age class that lets the age in")
    source: Literal["age_group", "popular"] = Field(description="Whose likes rank the list: users of this age, or all")
    age_group: UsersOfAge | None = Field(
        default=None, description="The users of this age; null where all rank the list"
    )
    model_version: str
    as_of: datetime | None = Field(description="The newest event that counted")
    provenance: Literal["given", "derived", "simulated"] | None = Field(
        description="The least certain of the items' `age_provenance`; null in an empty list"
    )
    synthetic: bool = Field(description="Some of the events that made it popular were made up")
    items: list[AgedCard]
    note: str | None = Field(default=None, description="Why the list is empty")


class ListsOfUsers(Answer):
    """Lists in the order in which the users were given."""

    lists: list[Recommendations]


class SessionRecommendations(_List):
    """The list of a visitor who is known by the session only."""


class RankedCandidates(_List):
    """The caller's items, best first; `unknown` holds those of which the model knows nothing."""

    degraded: bool = Field(description="The history could not be read, so the order is not the user's own")
    unknown: list[str]


class Similar(_Identified):
    """Items like an item, best first."""

    item_id: str
    by: Literal["behaviour", "content"] = Field(
        default="behaviour", description="Alike by the users who like them, or by what the catalogue says of them"
    )
    model_version: str
    items: list[RankedCard]


class AlikeUser(Answer):
    """A user whose taste is like another's; `rank` counts from 1."""

    user_id: str = Field(examples=["68"])
    score: float = Field(description="The cosine of the two users' factors, above 0 and at most 1", examples=[0.83])
    rank: int = Field(examples=[1])
    because: list[Cause] = Field(description="Up to three items that both liked and that carried most, most first")


class AlikeUsers(Answer):
    """Users whose taste is like a user's, the most alike first."""

    user_id: str = Field(examples=["414"])
    model_version: str
    as_of: datetime | None = Field(description="The newest event of the users who were compared")
    compared: int = Field(description="Other users who were compared: all of a small shop, a sample of a large one")
    users: list[AlikeUser]


class CategoryCount(Answer):
    """A category that a list can be asked for."""

    name: str = Field(examples=["Drama"])
    items: int = Field(examples=[4361])


class Categories(Answer):
    """The categories of the served model's items, those of most items first."""

    categories: list[CategoryCount]


class Found(Answer):
    """Items whose title holds the text, most popular first."""

    items: list[Card]


class PastEvent(Answer):
    """One event of a history."""

    item_id: str
    title: str | None = None
    action: Action
    value: float | None = None
    event_time: datetime


class History(Answer):
    """A user's last events, newest first."""

    user_id: str
    events: list[PastEvent]


class StreamEvent(BaseModel):
    """An event to be streamed. `product_id` is taken for `item_id`; ids may be integers."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"user_id": "u-1", "action": "view", "item_id": "318"}]},
    )

    user_id: Identifier
    action: Action
    item_id: Identifier
    event_id: Identifier | None = Field(default=None, description="Made when missing; sent again, it changes nothing")
    event_time: Moment | None = Field(default=None, description="Now when missing, in the order of the list")
    value: float | None = Field(
        default=None, strict=True, ge=-limits.MAX_ABS_VALUE, le=limits.MAX_ABS_VALUE, allow_inf_nan=False
    )
    session_id: Identifier | None = None
    transaction_id: Identifier | None = None
    source: Identifier = "api"
    context: (
        Annotated[
            dict[
                Annotated[str, Field(max_length=limits.MAX_CONTEXT_LENGTH)],
                Annotated[str, Field(max_length=limits.MAX_CONTEXT_LENGTH)],
            ],
            Field(max_length=limits.MAX_CONTEXT_KEYS),
        ]
        | None
    ) = None

    @model_validator(mode="before")
    @classmethod
    def _product(cls, given: Any) -> Any:
        if not isinstance(given, dict) or "product_id" not in given:
            return given
        if "item_id" in given and str(given["item_id"]) != str(given["product_id"]):
            raise ValueError("item_id and product_id differ: send one of them")
        return {"item_id" if key == "product_id" else key: value for key, value in given.items()}

    @field_validator("event_time")
    @classmethod
    def _in_range(cls, moment: datetime | None) -> datetime | None:
        if moment is not None and moment > datetime.now(UTC) + timedelta(seconds=limits.MAX_FUTURE_SECONDS):
            raise ValueError("lies more than a day ahead")
        if moment is not None and moment < datetime.fromisoformat(limits.MIN_EVENT_TIME):
            raise ValueError(f"lies before {limits.MIN_EVENT_TIME}")
        return moment


class SaidItem(Item):
    """An item that is said to the API: other than what Kafka brings, no text is taken for a number."""

    model_config = ConfigDict(strict=True)


class SaidItemFacts(ItemFacts):
    """What is said of an item, likewise."""

    model_config = ConfigDict(strict=True)


class SaidUserFacts(UserFacts):
    """What is said of a user, likewise."""

    model_config = ConfigDict(strict=True)


class Taken(Answer):
    """Items or users that Kafka has acknowledged."""

    accepted: int


class UserProfile(Answer):
    """What is known of a user. `segment` and `propensity` are null where no model of the kind is served."""

    user_id: str = Field(examples=["414"])
    birth_year: int | None = None
    attributes: dict[str, str] = Field(default_factory=dict)
    history_events: int = Field(description="Events of the history, the last ones only")
    actions: dict[str, int] = Field(description="How many of them there are of each action")
    segment: str | None = Field(default=None, examples=["window shopper"])
    propensity: float | None = Field(default=None, description="Chance of a purchase", examples=[0.12])


class ErasureTaken(Answer):
    """An erasure that Kafka has acknowledged, so that it will be carried out."""

    request_id: str
    requested_at: datetime
    deadline: datetime = Field(description="When nothing is left of it, in files and backups either")


class ErasureProgress(ErasureTaken):
    """How far an erasure is."""

    until: datetime | None = Field(description="Events up to then are erased; null: the user, with all events to come")
    online_done_at: datetime = Field(description="When histories and attributes were gone")
    tables_done_at: datetime | None = Field(description="When the tables no longer had rows of it")


class Fault(Answer):
    """One thing that is wrong with a request."""

    where: Literal["query", "path", "header", "body"] = Field(alias="in")
    index: int | None = Field(description="Which element, where the body is a list")
    field: str = Field(examples=["limit"])
    reason: str


class Accepted(Answer):
    """Events that Kafka has acknowledged; `errors` tells of the elements that were none (status 207)."""

    accepted: int
    event_ids: list[str | None] = Field(description="One an element; null where `errors` tells of it")
    errors: list[Fault] = Field(default_factory=list)


Kind = Literal["items", "users", "events"]
"""What can be exported and imported as lines of JSON."""


class Imported(Answer):
    """What became of an import's lines; `errors` are the first, whose `index` counts lines from 0, empty ones not."""

    lines: int
    accepted: int
    refused: int
    errors: list[Fault]


class ProblemDetails(Answer):
    """Every error's body (RFC 9457)."""

    type: str = Field(examples=["about:blank"])
    title: str = Field(examples=["Unprocessable Entity"])
    status: int = Field(ge=400, le=599, examples=[422])
    detail: str
    errors: list[Fault] | None = Field(default=None, description="Of a wrong request only")
