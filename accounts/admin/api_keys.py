"""API keys: made here, shown once, revoked here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.contrib import admin
from django.contrib.admin import display
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse

from accounts.admin_base import TenantModelAdmin, actor_of, register, require, take_over
from accounts.models import ApiKey
from accounts.services import people
from csms_project.common.admin import chip


@register(ApiKey)
class ApiKeyAdmin(TenantModelAdmin):
    permission_area = "api_keys"
    may_change = False
    may_delete = False
    fields = ("name", "role")
    list_display = ("name", "role", "prefix", "state", "created", "created_by")
    list_filter = ("role", "revoked")
    list_select_related = ("created_by",)
    search_fields = ("name", "prefix")
    actions = ("revoke",)

    @display(description="State")
    def state(self, obj: ApiKey) -> str:
        if obj.revoked:
            return chip("Revoked", "bad")
        return chip("Expired", "warn") if obj.has_expired else chip("Active", "ok")

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Sequence[str]:
        return (
            () if obj is None else ("name", "role", "prefix", "created", "created_by", "expiry_date", "state")
        )

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Sequence[str]:
        return self.fields if obj is None else self.get_readonly_fields(request, obj)

    def write(self, request: HttpRequest, obj: Any, form: Any, *, change: bool) -> None:
        actor = actor_of(request)
        assert actor.tenant is not None
        values = form.cleaned_data
        key, text = people.create_api_key(
            actor=actor, tenant=actor.tenant, name=values["name"], role=values["role"]
        )
        take_over(obj, key)
        obj.plain_key = text

    def response_add(
        self, request: HttpRequest, obj: Any, post_url_continue: str | None = None
    ) -> HttpResponse:
        context = {
            "title": f"API key {obj.name}",
            "secrets": [{"label": "API key", "value": obj.plain_key}],
            "hint": "Send it in the header “Authorization: Api-Key …”. It is shown only now: copy it.",
            "back_url": "..",
        }
        return self.page(request, "admin/shown_once.html", context)

    @admin.action(description="Revoke…", permissions=["revoke"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[ApiKey]) -> HttpResponse | None:
        require(request, "api_keys.change")
        if "confirmed" not in request.POST:
            return self.confirm(
                request,
                queryset,
                title="Revoke API keys",
                question="Programs that use these keys are refused from now on. This cannot be undone.",
                is_dangerous=True,
            )
        actor = actor_of(request)
        self.attempt_all(
            request,
            list(queryset),
            lambda key: people.revoke_api_key(actor=actor, key=key),
            done="{count} revoked.",
        )
        return None

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        return self.may(request, "change")
