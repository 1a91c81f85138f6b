"""What a trainer can be told: names, bounds and reasons in one model a trainer, given as NAME=VALUE."""

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
        """The defaults with `given` in place; `als.rank` is the rank of the field als.

        Raises SaranError naming what is unknown or out of bounds.
        """
        try:
            return cls.model_validate(_nested(given))
        except ValidationError as error:
            mistakes = "; ".join(_mistake(detail["loc"], detail["msg"], detail["type"]) for detail in error.errors())
            known = ", ".join(f"{name} ({value})" for name, value in cls().flat().items())
            raise SaranError(
                f"{cls.subject} cannot be trained so: {mistakes}", fix=f"parameters and defaults are {known}"
            ) from error

    def flat(self) -> dict[str, float | int | str | bool]:
        """All values by name, those of nested parameters as `als.rank`."""
        flat: dict[str, float | int | str | bool] = {}
        for name in type(self).model_fields:
            value = getattr(self, name)
            if isinstance(value, Parameters):
                flat.update({f"{name}.{inner}": one for inner, one in value.flat().items()})
            else:
                flat[name] = value
        return flat


def _nested(given: Mapping[str, Any]) -> dict[str, Any]:
    nested: dict[str, Any] = {}
    for name, value in given.items():
        *path, last = name.split(".")
        place = nested
        for step in path:
            place = place.setdefault(step, {})
        place[last] = value
    return nested


def _mistake(place: tuple[int | str, ...], message: str, kind: str) -> str:
    name = ".".join(str(part) for part in place)
    return f"there is no parameter {name}" if kind == "extra_forbidden" else f"{name}: {message}"
