"""Parameters that several routes take."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from saran.core import limits

UserId = Annotated[str, Field(max_length=limits.MAX_ID_LENGTH, examples=["414"])]
Limit = Annotated[int, Field(ge=1, le=limits.MAX_LIST_LENGTH, description="Items at most")]
