"""How lists are asked for: the query of GET and the bodies of POST."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from saran.core import limits
from saran.core.entities import Action, Identifier
from saran.core.filters import ItemFilter


class Ordering(BaseModel):
    """How a list is put in order."""

    model_config = ConfigDict(frozen=True)

    limit: int = Field(default=10, ge=1, le=limits.MAX_LIST_LENGTH, description="Items at most")
    diversity: float = Field(
        default=0.0,
        ge=0,
        le=1,
        allow_inf_nan=False,
        description="0 is by score alone; the higher, the less alike the items are (maximal marginal relevance)",
    )
    explain: bool = Field(default=False, description="Say in `because` which items of the history carried each score")


Seen = Literal["exclude", "exclude-bought", "allow"]


class _Choice(ItemFilter, Ordering):
    """What a list may hold, but for what was seen, and its order. Whatever else a query holds is ignored."""

    model_config = ConfigDict(extra="ignore")

    exclude: list[Identifier] = Field(
        default_factory=list,
        max_length=limits.MAX_EXCLUDED,
        description="Items that must not be in it; repeat it for more than one",
    )


class ListOptions(_Choice):
    """What a list may hold, and its order."""

    seen: Seen = Field(
        default="exclude",
        description="Of the items of the user's own history: none, all but those that were bought, or all",
    )


class UserListOptions(ListOptions):
    """A list for one user, page by page."""

    page: str | None = Field(
        default=None,
        max_length=limits.MAX_PAGE_TOKEN,
        description="`next_page` of the page before; the other parameters must be as they were, but for `limit`",
    )
    context: str | None = Field(
        default=None,
        min_length=1,
        max_length=64,
        pattern=r"^[\w .:/-]+$",
        description="Where the list is shown, such as `home`: it goes as `place` with what an experiment logs",
    )


class SessionItem(BaseModel):
    """What a visitor did with an item."""

    model_config = ConfigDict(extra="forbid")

    item_id: Identifier
    action: Action = Action.VIEW
    value: float | None = Field(
        default=None, strict=True, ge=-limits.MAX_ABS_VALUE, le=limits.MAX_ABS_VALUE, allow_inf_nan=False
    )


def _as_item(given: Any) -> Any:
    return {"item_id": given} if isinstance(given, str | int) else given


Session = Annotated[
    list[Annotated[SessionItem, BeforeValidator(_as_item, json_schema_input_type=SessionItem | Identifier)]],
    Field(
        max_length=limits.MAX_SESSION_ITEMS,
        description="Oldest first; an id alone is taken for a view",
        examples=[["318", {"item_id": "296", "action": "click"}]],
    ),
]


class SessionRequest(_Choice):
    """A list for a visitor who is known by the session only."""

    model_config = ConfigDict(extra="forbid", strict=True)

    items: Session
    seen: Seen | Literal["auto"] = Field(
        default="auto",
        description="Of the items of the session: none, all but those that were bought, or all; `auto`: all where "
        "the served model's training saw that people do go back to what a session had, else none",
    )

    def options(self, *, repeats_usual: bool) -> ListOptions:
        """Of the list that is asked for."""
        seen = ("allow" if repeats_usual else "exclude") if self.seen == "auto" else self.seen
        return ListOptions.model_validate({**self.model_dump(exclude={"items"}), "seen": seen})


class UsersRequest(ListOptions):
    """Lists for several users, all asked for in the same way."""

    model_config = ConfigDict(extra="forbid", strict=True)

    user_ids: list[Identifier] = Field(min_length=1, max_length=limits.MAX_USERS_PER_BATCH, examples=[["414", "599"]])
    limit: int = Field(default=10, ge=1, le=limits.MAX_BATCH_LIST_LENGTH, description="Items at most in each list")


class RankRequest(Ordering):
    """A caller's own candidates, for a user or for a session."""

    model_config = ConfigDict(extra="forbid", strict=True)

    candidates: list[Identifier] = Field(min_length=1, max_length=limits.MAX_CANDIDATES, examples=[["1", "318", "296"]])
    user_id: Identifier | None = Field(default=None, examples=["414"])
    items: Session | None = None
    limit: int = Field(default=limits.MAX_CANDIDATES, ge=1, le=limits.MAX_CANDIDATES, description="Items at most")

    @model_validator(mode="after")
    def _for_whom(self) -> Self:
        if (self.user_id is None) == (self.items is None):
            raise ValueError("give either user_id or items, the session of a visitor")
        return self
