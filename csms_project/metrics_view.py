"""GET /metrics for Prometheus: from the machine itself, or with METRICS_TOKEN as a bearer token."""

from __future__ import annotations

import ipaddress
import logging
import os
import secrets

from django.conf import settings
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest, multiprocess

from csms_project.common.metrics import SESSIONS_ACTIVE
from transactions.choices import TransactionState
from transactions.models import Transaction

logger = logging.getLogger(__name__)

# A request that carries one of these came through a proxy: its peer is the proxy, not the client.
PROXY_HEADERS = ("X-Forwarded-For", "X-Forwarded-Host", "X-Real-IP", "Forwarded", "Via")


#: Off in gateways: every process would tell the same number, with a query for each scrape.
counts_sessions = True


@never_cache
@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    if not (_is_local(request) or _has_token(request)):
        if settings.METRICS_TOKEN:
            return HttpResponse(status=401, headers={"WWW-Authenticate": "Bearer"})
        return HttpResponse(status=403)
    if counts_sessions:
        _count_sessions()
    return HttpResponse(generate_latest(_registry()), content_type=CONTENT_TYPE_LATEST)


def _is_local(request: HttpRequest) -> bool:
    if any(name in request.headers for name in PROXY_HEADERS):
        return False
    try:
        address = ipaddress.ip_address(request.META.get("REMOTE_ADDR") or "")
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return bool((mapped or address).is_loopback)


def _has_token(request: HttpRequest) -> bool:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if not settings.METRICS_TOKEN or scheme.lower() != "bearer":
        return False
    return secrets.compare_digest(token.strip().encode(), settings.METRICS_TOKEN.encode())


def _registry() -> CollectorRegistry:
    # Several processes behind one port put their figures together in this directory.
    if not os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
        return REGISTRY
    registry = CollectorRegistry()
    multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return registry


def _count_sessions() -> None:
    """Running sessions are counted in the rows: they outlive the process that saw them start."""
    try:
        SESSIONS_ACTIVE.set(Transaction.objects.filter(state=TransactionState.ACTIVE).count())
    except DatabaseError:  # the other figures tell why
        logger.warning("metrics.sessions_unknown", exc_info=True)
