"""Who calls: API keys by header, and the actor of a request for the tenant that it names."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import AnonymousUser
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from accounts import errors
from accounts.actors import actor_for_api_key, actor_for_user
from accounts.api import problems  # noqa: F401  the exceptions below have their statuses there
from accounts.models import ApiKey
from accounts.permissions import Actor

TENANT_HEADER = "X-Tenant"
KEY_HEADER = "X-Api-Key"
KEYWORD = "Api-Key"


class ApiKeyCaller(AnonymousUser):
    """The program behind an API key: signed in, but no user."""

    def __init__(self, key: ApiKey) -> None:
        super().__init__()
        self.api_key = key

    @property
    def is_authenticated(self) -> Any:
        return True

    @property
    def is_anonymous(self) -> Any:
        return False


class ApiKeyAuthentication(BaseAuthentication):
    """`Authorization: Api-Key …` or `X-Api-Key: …`."""

    def authenticate(self, request: Request) -> tuple[ApiKeyCaller, ApiKey] | None:
        text = _key_text(request)
        if text is None:
            return None
        try:
            key: Any = ApiKey.objects.get_from_key(text)
        except (ApiKey.DoesNotExist, ValueError) as error:
            raise AuthenticationFailed("This API key is not valid.", "invalid_api_key") from error
        if key.has_expired:
            raise AuthenticationFailed("This API key has expired.", "invalid_api_key")
        return ApiKeyCaller(key), key

    def authenticate_header(self, request: Request) -> str:
        return KEYWORD


def _key_text(request: Request) -> str | None:
    scheme, _, text = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == KEYWORD.lower():
        return text.strip()
    return request.headers.get(KEY_HEADER)


def actor_of(request: Request) -> Actor:
    """The actor of a signed-in request, found once.

    Raises  TenantRequired, UnknownTenant, NoMembership, AuthenticationFailed
    """
    known: Actor | None = getattr(request, "_api_actor", None)
    if known is None:
        known = _find_actor(request)
        request._api_actor = known  # type: ignore[attr-defined]
        request.actor = known  # type: ignore[attr-defined]
    return known


def _find_actor(request: Request) -> Actor:
    slug = request.headers.get(TENANT_HEADER) or None
    user: Any = request.user
    address = request.META.get("REMOTE_ADDR") or ""
    try:
        if isinstance(user, ApiKeyCaller):
            return actor_for_api_key(user.api_key, tenant_slug=slug, address=address)
        return actor_for_user(user, tenant_slug=slug, via="api", address=address)
    except errors.TenantRequired as error:
        raise errors.TenantRequired(
            f"You belong to several tenants: name one by its slug in the header {TENANT_HEADER}."
        ) from error
    except errors.KeyRevoked as error:
        raise AuthenticationFailed(str(error), "invalid_api_key") from error


class ApiKeyScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """How the OpenAPI document describes API keys."""

    target_class = "accounts.api.authentication.ApiKeyAuthentication"
    name = "apiKey"

    def get_security_definition(self, auto_schema: Any) -> dict[str, Any]:
        return {"type": "apiKey", "in": "header", "name": KEY_HEADER}
