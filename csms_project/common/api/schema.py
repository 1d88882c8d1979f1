"""The OpenAPI document: headers and errors that every operation has."""

from __future__ import annotations

from typing import Any

from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import OpenApiParameter

from csms_project.common.api.idempotency import HEADER, IdempotentMixin
from csms_project.common.api.problems import CONTENT_TYPE

_METHODS = {"get", "post", "put", "patch", "delete"}

_PROBLEM: dict[str, Any] = {
    "type": "object",
    "description": "An error (RFC 9457).",
    "required": ["type", "title", "status", "detail", "code"],
    "properties": {
        "type": {"type": "string", "format": "uri-reference", "example": "about:blank"},
        "title": {"type": "string", "example": "Bad Request"},
        "status": {"type": "integer", "example": 400},
        "detail": {"type": "string", "description": "What is wrong, for people."},
        "instance": {"type": "string", "format": "uri-reference"},
        "code": {"type": "string", "description": "What is wrong, for programs.", "example": "invalid"},
        "errors": {
            "type": "object",
            "description": "Field, in dotted form, to messages.",
            "additionalProperties": {"type": "array", "items": {"type": "string"}},
        },
    },
}


class ApiSchema(AutoSchema):
    """Adds X-Tenant where a tenant is chosen and Idempotency-Key to POSTs that know it."""

    def get_override_parameters(self) -> list[Any]:
        parameters = list(super().get_override_parameters())
        if getattr(self.view, "permission_area", None):
            parameters.append(
                OpenApiParameter(
                    "X-Tenant",
                    str,
                    OpenApiParameter.HEADER,
                    description=(
                        "Slug of the tenant to act for; members of several tenants must name one. "
                        "A superuser without it reads all tenants and writes to `default`."
                    ),
                )
            )
        if self.method == "POST" and isinstance(self.view, IdempotentMixin):
            parameters.append(
                OpenApiParameter(
                    HEADER,
                    str,
                    OpenApiParameter.HEADER,
                    description="A repeat with the same key and body gets the first answer, for 24 hours.",
                )
            )
        return parameters

    def get_tags(self) -> list[str]:
        tag = getattr(self.view, "schema_tag", "")
        return [tag] if tag else super().get_tags()


def add_problems(result: dict[str, Any], generator: Any, request: Any, public: bool) -> dict[str, Any]:
    """Post-processing hook: every operation may answer with a problem document."""
    result.setdefault("components", {}).setdefault("schemas", {})["Problem"] = _PROBLEM
    content = {CONTENT_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    for path in result["paths"].values():
        for method, operation in path.items():
            if method in _METHODS:
                operation["responses"]["default"] = {"description": "A problem.", "content": content}
    return result
