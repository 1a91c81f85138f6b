"""The OpenAPI document says what errors look like."""

from __future__ import annotations

from typing import Any, Final

from fastapi import FastAPI

from saran.api.problem import MEDIA_TYPE
from saran.core.api_shapes import ProblemDetails

_PROBLEM: Final = ProblemDetails.__name__
_UNUSED: Final = ("HTTPValidationError", "ValidationError")
_BODY: Final = {MEDIA_TYPE: {"schema": {"$ref": f"#/components/schemas/{_PROBLEM}"}}}


_OF_BODIES: Final = {"400": "The body is not text in UTF-8", "413": "The body is too large"}
_OF_KEYS: Final = {
    "401": "There is no key in the request, or none that is known here",
    "403": "The key does not have the scope, or is for other users",
    "429": "The key asks too often",
}


def _add_common(operation: dict[str, Any]) -> None:
    """What may be answered before the operation itself is asked."""
    told = {**(_OF_BODIES if "requestBody" in operation else {}), **(_OF_KEYS if operation.get("security") else {})}
    for status, description in told.items():
        operation["responses"].setdefault(status, {"description": description})


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
                    _add_common(operation)
                    for status, answer in operation["responses"].items():
                        if int(status) >= 400:
                            answer["content"] = _BODY
        return document

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's own way to change its document
