"""Errors outside of views: problem documents below /api/, Django's pages elsewhere."""

from __future__ import annotations

import sys
from http import HTTPStatus
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.urls import Resolver404, resolve
from django.utils.encoding import iri_to_uri
from django.views import defaults
from django.views.decorators.csrf import csrf_exempt

from csms_project.common.api.problems import problem_response
from ocpp_gateway.troubles import Trouble, trouble_of

API = "/api/"
RETRY_AFTER_S = 5


@csrf_exempt  # nothing is done here
def api_not_found(request: HttpRequest, path: str = "") -> HttpResponse:
    """What no route below /api/ takes; an address that only lacks its slash is sent there with its body."""
    if not request.path_info.endswith("/") and _is_route(f"{request.path_info}/"):
        response = HttpResponse(status=HTTPStatus.PERMANENT_REDIRECT)
        response["Location"] = iri_to_uri(request.get_full_path(force_append_slash=True))
        return response
    return problem_response(request, HTTPStatus.NOT_FOUND, "There is nothing at this address.")


def _is_route(path: str) -> bool:
    try:
        return resolve(path).func is not api_not_found
    except Resolver404:
        return False


def bad_request(request: HttpRequest, exception: Exception, *args: Any) -> HttpResponse:
    """400, for example a host that is not ours."""
    if request.path.startswith(API):
        return problem_response(request, HTTPStatus.BAD_REQUEST, "The request cannot be understood.")
    return defaults.bad_request(request, exception)


def forbidden(request: HttpRequest, exception: Exception, *args: Any) -> HttpResponse:
    """403."""
    if request.path.startswith(API):
        return problem_response(request, HTTPStatus.FORBIDDEN, "This is not allowed.")
    return defaults.permission_denied(request, exception)


def not_found(request: HttpRequest, exception: Exception, *args: Any) -> HttpResponse:
    """404."""
    if request.path.startswith(API):
        return problem_response(request, HTTPStatus.NOT_FOUND, "There is nothing at this address.")
    return defaults.page_not_found(request, exception)


def server_error(request: HttpRequest, *args: Any) -> HttpResponse:
    """500, which never says why (the log does); or 503 while the database is away."""
    error = sys.exc_info()[1]  # Django hands over the request only, but within its `except`
    if isinstance(error, Exception) and trouble_of(error) in (Trouble.AWAY, Trouble.PASSING):
        return _unavailable(request)
    if request.path.startswith(API):
        return problem_response(
            request, HTTPStatus.INTERNAL_SERVER_ERROR, "Something went wrong; it has been logged."
        )
    return defaults.server_error(request)


def _unavailable(request: HttpRequest) -> HttpResponse:
    """The same request may succeed in a moment."""
    status = HTTPStatus.SERVICE_UNAVAILABLE
    if request.path.startswith(API):
        response = problem_response(request, status, "The database does not answer. Please try again.")
    else:
        # Without the request: whoever asks who is signed in asks the database.
        response = HttpResponse(render_to_string("503.html"), status=status)
    response["Retry-After"] = str(RETRY_AFTER_S)
    return response
