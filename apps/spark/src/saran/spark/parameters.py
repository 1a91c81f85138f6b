"""What a trainer can be told, from `--set NAME=VALUE`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from saran.core.errors import SaranError


class Parameters(BaseModel):
    """Base of each trainer's parameters, which have defaults and a docstring each."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    subject: ClassVar[str] = "this model"
    """What errors call the thing that is trained."""

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Self:
        """The defaults with `given` in place. Raises SaranError naming what is unknown or out of bounds."""
        try:
            return cls.model_validate(given)
        except ValidationError as error:
            mistakes = "; ".join(_mistake(detail["loc"], detail["msg"], detail["type"]) for detail in error.errors())
            known = ", ".join(f"{name} ({field.default})" for name, field in cls.model_fields.items())
            raise SaranError(
                f"{cls.subject} cannot be trained so: {mistakes}", fix=f"parameters and defaults are {known}"
            ) from error


def _mistake(place: tuple[int | str, ...], message: str, kind: str) -> str:
    name = ".".join(str(part) for part in place)
    return f"there is no parameter {name}" if kind == "extra_forbidden" else f"{name}: {message}"
