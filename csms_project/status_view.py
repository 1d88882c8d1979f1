"""GET /api/v1/status: version and uptime for everybody; counts of the own tenant for who is signed in."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import Any

from django.conf import settings
from django.utils.cache import patch_cache_control
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.api.authentication import actor_of
from accounts.permissions import Actor
from chargepoints.selectors import online_counts
from transactions.selectors import active_transactions

_STARTED = time.monotonic()


class ChargePointCounts(serializers.Serializer[Any]):
    total = serializers.IntegerField()
    online = serializers.IntegerField()
    offline = serializers.IntegerField()
    pending = serializers.IntegerField()
    faulted = serializers.IntegerField()


class Counts(serializers.Serializer[Any]):
    charge_points = ChargePointCounts()
    active_transactions = serializers.IntegerField()


class Status(serializers.Serializer[Any]):
    version = serializers.CharField()
    uptime_s = serializers.IntegerField()
    tenant = serializers.CharField(required=False, allow_null=True, help_text="Slug; null: all tenants.")
    counts = Counts(required=False)


class StatusView(APIView):
    """Version and uptime of the process; the counts need a sign-in."""

    permission_classes = (AllowAny,)

    @extend_schema(tags=["status"], responses=Status)
    def get(self, request: Request) -> Response:
        shown: dict[str, Any] = {
            "version": settings.VERSION,
            "uptime_s": int(time.monotonic() - _STARTED),
        }
        if request.user.is_authenticated:
            shown |= _of_tenant(actor_of(request))
        response = Response(shown)
        patch_cache_control(response, no_store=True)
        return response


def _of_tenant(actor: Actor) -> dict[str, Any]:
    return {
        "tenant": actor.tenant.slug if actor.tenant is not None else None,
        "counts": {
            "charge_points": asdict(online_counts(actor.tenant)),
            "active_transactions": active_transactions(actor.tenant).count(),
        },
    }
