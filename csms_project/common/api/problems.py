"""Every error of the API is a problem document (RFC 9457): type, title, status, detail, instance, code, errors.

`type` stays about:blank; `code` is the word that programs compare, `errors` maps fields to their messages.
Apps say with `translate` which status their exceptions have.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import orjson
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from rest_framework import exceptions
from rest_framework.response import Response

CONTENT_TYPE = "application/problem+json"
NON_FIELD = "non_field_errors"

Errors = dict[str, list[str]]


class BadParameter(exceptions.APIException):
    """A query parameter or header has a value that cannot be used."""

    status_code = HTTPStatus.BAD_REQUEST
    default_code = "bad_parameter"

    def __init__(self, name: str, message: str) -> None:
        super().__init__(f"{name}: {message}")
        self.errors: Errors = {name: [message]}


class Conflict(exceptions.APIException):
    """The request does not fit the present state."""

    status_code = HTTPStatus.CONFLICT
    default_code = "conflict"
    default_detail = "The request does not fit the present state."


class Unprocessable(exceptions.APIException):
    """The request is understood and cannot be served."""

    status_code = HTTPStatus.UNPROCESSABLE_ENTITY
    default_code = "unprocessable"
    default_detail = "The request cannot be served."


class TooLarge(exceptions.APIException):
    """The body is larger than the server takes."""

    status_code = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    default_code = "too_large"
    default_detail = "The body is too large."


@dataclass(frozen=True, slots=True)
class _Translation:
    status: HTTPStatus
    code: str


_translations: dict[type[Exception], _Translation] = {}


def translate(error: type[Exception], status: HTTPStatus, code: str) -> None:
    """Answer this exception of a service, and its subclasses, with this status and code."""
    _translations[error] = _Translation(status, code)


def problem(
    status: int, detail: str = "", *, code: str = "", errors: Errors | None = None, instance: str = ""
) -> dict[str, Any]:
    """A problem document; members without content are left out."""
    phrase = HTTPStatus(status).phrase
    document: dict[str, Any] = {"type": "about:blank", "title": phrase, "status": int(status)}
    document["detail"] = detail or f"{phrase}."
    if instance:
        document["instance"] = instance
    document["code"] = code or phrase.lower().replace(" ", "_").replace("'", "")
    if errors:
        document["errors"] = errors
    return document


def exception_handler(error: Exception, context: Mapping[str, Any]) -> Response | None:
    """DRF's hook: the problem document of an exception, or None for a bug (answered by `server_error`)."""
    from rest_framework.views import set_rollback  # these views load us through the settings

    set_rollback()
    if isinstance(error, Http404):
        error = exceptions.NotFound()
    elif isinstance(error, PermissionDenied):
        error = exceptions.PermissionDenied()
    request = context.get("request")
    instance = request.path if request is not None else ""
    if isinstance(error, exceptions.APIException):
        return _of_api_exception(error, instance)
    for kind in type(error).__mro__:
        if found := _translations.get(kind):
            errors = {name: [text] for name, text in getattr(error, "errors", {}).items()}
            document = problem(
                found.status, str(error), code=found.code, errors=errors or None, instance=instance
            )
            return Response(document, status=found.status, content_type=CONTENT_TYPE)
    return None


def _of_api_exception(error: exceptions.APIException, instance: str) -> Response:
    headers = {}
    if challenge := getattr(error, "auth_header", None):
        headers["WWW-Authenticate"] = challenge
    if wait := getattr(error, "wait", None):
        headers["Retry-After"] = f"{wait:.0f}"
    errors: Errors | None = getattr(error, "errors", None)
    code = str(error.default_code)
    if isinstance(error, exceptions.ValidationError):
        errors = dict(_flatten(error.detail))
        detail, code = _summary(errors), "invalid"
    elif isinstance(error.detail, Mapping):  # simplejwt: detail, code, messages
        detail, code = str(error.detail.get("detail", "")), str(error.detail.get("code", code))
    else:
        detail = str(error.detail)
        if isinstance(error.detail, exceptions.ErrorDetail):
            code = error.detail.code or code
    document = problem(error.status_code, detail, code=code, errors=errors, instance=instance)
    return Response(document, status=error.status_code, headers=headers, content_type=CONTENT_TYPE)


def _flatten(detail: Any, path: str = "") -> Iterator[tuple[str, list[str]]]:
    """Nested serializer errors as dotted paths: elements.0.price."""
    if isinstance(detail, Mapping):
        for name, item in detail.items():
            inner = path if name == NON_FIELD and path else f"{path}.{name}" if path else str(name)
            yield from _flatten(item, inner)
    elif isinstance(detail, Sequence) and not isinstance(detail, str):
        texts = [str(item) for item in detail if isinstance(item, str)]
        if texts:
            yield path or NON_FIELD, texts
        for index, item in enumerate(detail):
            if not isinstance(item, str) and item:
                yield from _flatten(item, f"{path}.{index}" if path else str(index))
    else:
        yield path or NON_FIELD, [str(detail)]


def _summary(errors: Errors) -> str:
    parts = [
        " ".join(texts) if name == NON_FIELD else f"{name}: {' '.join(texts)}"
        for name, texts in errors.items()
    ]
    return " ".join(parts[:3]) + (" …" if len(parts) > 3 else "")


# --- outside DRF ---


def problem_response(request: HttpRequest, status: int, detail: str = "") -> HttpResponse:
    """A problem document as a plain Django response."""
    document = problem(status, detail, instance=request.path)
    return HttpResponse(orjson.dumps(document), status=status, content_type=CONTENT_TYPE)
