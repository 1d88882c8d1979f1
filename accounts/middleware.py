"""Who acts in a browser session, and for which tenant."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.utils.functional import SimpleLazyObject

from accounts import errors
from accounts.actors import actor_for_user
from accounts.permissions import Actor
from accounts.selectors import tenants_of

#: Session key of the chosen tenant's slug, or ALL_TENANTS.
SESSION_KEY = "tenant"
#: What a superuser chooses to see every tenant.
ALL_TENANTS = "*"


class TenantMiddleware:
    """Sets `request.actor`, found when it is first used.

    An anonymous caller or a user without membership gets an actor that may nothing.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        request.actor = SimpleLazyObject(lambda: actor_of_session(request))  # type: ignore[attr-defined]
        return self.get_response(request)


def actor_of_session(request: HttpRequest) -> Actor:
    """The actor of a signed-in browser for the tenant that its session chose.

    Without a choice: a superuser acts for the tenant if there is but one, else for all; others for
    the first of their tenants by name.
    """
    user: Any = request.user
    via = "api" if request.path.startswith("/api/") else "admin"
    address = request.META.get("REMOTE_ADDR") or ""
    if not user.is_authenticated or not user.is_active:
        return Actor(name="anonymous", via=via, address=address)
    chosen = request.session.get(SESSION_KEY, "")
    # The tenant chosen may be gone, or the membership in it.
    for find in (partial(_slug, user, chosen), partial(_first_slug, user)):
        try:
            return actor_for_user(user, tenant_slug=find(), via=via, address=address)
        except errors.NoMembership:
            break
        except errors.AccountsError:
            continue
    return Actor(name=user.username, via=via, user=user, address=address)


def _slug(user: Any, chosen: str) -> str | None:
    if chosen == ALL_TENANTS:
        return None if user.is_superuser else _first_slug(user)
    return chosen or _first_slug(user)


def _first_slug(user: Any) -> str | None:
    slugs = list(tenants_of(user).order_by("name").values_list("slug", flat=True)[:2])
    if user.is_superuser and len(slugs) != 1:
        return None
    return slugs[0] if slugs else None
