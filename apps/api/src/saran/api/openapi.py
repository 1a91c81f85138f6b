"""The OpenAPI document says what errors look like."""

from __future__ import annotations

from typing import Any, Final

from fastapi import FastAPI

from saran.api.problem import MEDIA_TYPE
from saran.core.api_shapes import ProblemDetails

_PROBLEM: Final = ProblemDetails.__name__
_UNUSED: Final = ("HTTPValidationError", "ValidationError")
_BODY: Final = {MEDIA_TYPE: {"schema": {"$ref": f"#/components/schemas/{_PROBLEM}"}}}


def describe_errors(app: FastAPI) -> None:
    """Give every error answer of `app`'s document the body that it has: a problem document."""
    made = app.openapi

    def openapi() -> dict[str, Any]:
        document = made()
        schemas = document.setdefault("components", {}).setdefault("schemas", {})
        if _PROBLEM not in schemas:
            schemas[_PROBLEM] = ProblemDetails.model_json_schema(ref_template="#/components/schemas/{model}")
            schemas.update(schemas[_PROBLEM].pop("$defs"))
            for name in _UNUSED:
                schemas.pop(name, None)
            for operations in document["paths"].values():
                for operation in operations.values():
                    for status, answer in operation["responses"].items():
                        if int(status) >= 400:
                            answer["content"] = _BODY
        return document

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's own way to change its document
