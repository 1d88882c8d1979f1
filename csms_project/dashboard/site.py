"""The admin site: open to members of a tenant, one tenant at a time."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils.http import url_has_allowed_host_and_scheme
from unfold.sites import UnfoldAdminSite

from accounts.admin_base import actor_of
from accounts.middleware import ALL_TENANTS, SESSION_KEY
from accounts.selectors import tenants_of


class CsmsAdminSite(UnfoldAdminSite):
    """Who may enter follows from memberships; `is_staff` is not looked at."""

    def has_permission(self, request: HttpRequest) -> bool:
        actor = actor_of(request)
        return bool(request.user.is_active) and (actor.is_superuser or actor.tenant is not None)

    def extra_urls(self) -> list[URLPattern]:
        return [
            path("tenant/", self.admin_view(self.switch_tenant), name="switch_tenant"),
            path("home/live/", self.home_live, name="home_live"),
        ]

    def each_context(self, request: HttpRequest) -> dict[str, Any]:
        context = dict(super().each_context(request))
        if self.has_permission(request):
            actor = actor_of(request)
            context["current_tenant"] = actor.tenant
            context["tenant_choices"] = list(tenants_of(request.user).order_by("name"))  # type: ignore[arg-type]
            context["may_see_all_tenants"] = actor.is_superuser
        return context

    def switch_tenant(self, request: HttpRequest) -> HttpResponse:
        """Choose the tenant that the rest of the session is about."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        slug = request.POST.get("tenant", "")
        known = tenants_of(request.user).filter(slug=slug).exists()  # type: ignore[arg-type]
        if known or (slug == ALL_TENANTS and actor_of(request).is_superuser):
            request.session[SESSION_KEY] = slug
        else:
            messages.error(request, "There is no such tenant.")
        return HttpResponseRedirect(_back(request))

    def home_live(self, request: HttpRequest) -> HttpResponse:
        """The part of the home page that refreshes itself; a reload leads to the login when it is due."""
        if not self.has_permission(request):
            return HttpResponse(status=401, headers={"HX-Refresh": "true"})
        from csms_project.dashboard.home import live

        return live(request)


def _back(request: HttpRequest) -> str:
    """Where the switch was used, if it was a list or an empty form; an object may not exist over there."""
    target = request.POST.get("next", "")
    home = reverse("admin:index")
    is_ours = url_has_allowed_host_and_scheme(target, {request.get_host()}, require_https=request.is_secure())
    parts = target.removeprefix(home).strip("/").split("/")
    fits = target.startswith(home) and (len(parts) <= 2 or parts[2:] in (["add"], ["import"]))
    return target if is_ours and fits else home


def subheader(request: HttpRequest) -> str:
    """Under the product's name: whose installation this is."""
    actor = getattr(request, "actor", None)
    if actor is None or (actor.tenant is None and not actor.is_superuser):
        return "Management system"
    return actor.tenant.name if actor.tenant else "All tenants"
