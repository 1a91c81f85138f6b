"""Parameters that several routes take."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from starlette.convertors import PathConvertor, register_url_convertor

from saran.core import limits


class _UserConvertor(PathConvertor):
    """A user's id, which may hold slashes; what is below a user (`u/events`) is not a user's id."""

    regex = "(?!.*/(?:events|history|erasure|similar)$).*"


register_url_convertor("user", _UserConvertor())

UserId = Annotated[str, Field(max_length=limits.MAX_ID_LENGTH, examples=["414"])]
Limit = Annotated[int, Field(ge=1, le=limits.MAX_LIST_LENGTH, description="Items at most")]
