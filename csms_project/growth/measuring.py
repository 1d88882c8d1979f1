"""Open every page, take the time, and look at the plans of its statements."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.conf import settings
from django.test import Client
from rest_framework.test import APIClient

from accounts.middleware import ALL_TENANTS, SESSION_KEY
from accounts.models import Membership, Tenant, User
from csms_project.growth.plans import Scan, recorded, scans_of
from csms_project.growth.requests import MAX_CHOICES, admin_requests, api_requests, detail_of, find_examples


@dataclass(frozen=True, slots=True)
class Visitor:
    """Somebody who opens pages: the owner of a tenant, or (tenant None) an administrator who sees all."""

    name: str
    user: User
    tenant: Tenant | None


@dataclass(frozen=True, slots=True)
class Measured:
    """One address: its answer, times in ms, number of statements, and what their plans scan."""

    visitor: str
    address: str
    status: int
    times: tuple[float, ...]
    statements: int
    scans: tuple[Scan, ...]

    @property
    def median(self) -> float:
        return statistics.median(self.times)

    @property
    def longest(self) -> float:
        return max(self.times)


def visitors() -> Iterator[Visitor]:
    """The owners of the largest and of the smallest tenant, and an administrator; the seeded ones if there are any."""
    tenants = list(Tenant.objects.filter(slug__startswith="seed-").order_by("slug")) or list(
        Tenant.objects.all()
    )
    for tenant in dict.fromkeys((tenants[0], tenants[-1])):
        membership = Membership.objects.filter(tenant=tenant, role="owner").select_related("user").first()
        if membership is not None:
            yield Visitor(f"owner of {tenant.slug}", membership.user, tenant)
    administrator = User.objects.filter(is_superuser=True, is_active=True).first()
    if administrator is not None:
        yield Visitor("administrator of all", administrator, None)


def measure(visitor: Visitor, *, now: datetime, repeat: int = 3, only: str = "") -> Iterator[Measured]:
    """Open what the visitor may open and whose address contains `only`; once to warm up and `repeat` times measured."""
    for client, address in visits(visitor, now=now, only=only):
        yield _measure(client, visitor, address, repeat)


def visits(
    visitor: Visitor, *, now: datetime, only: str = "", choices: int = MAX_CHOICES
) -> Iterator[tuple[Any, str]]:
    """(client, address) of each page of the admin and each list and detail of the API; `choices` of each filter."""
    host = next((name for name in settings.ALLOWED_HOSTS if not name.startswith((".", "*"))), "localhost")
    examples = find_examples(visitor.tenant, now, choices=choices)
    browser = Client(raise_request_exception=False, headers={"host": host})
    browser.force_login(visitor.user)
    session = browser.session
    session[SESSION_KEY] = visitor.tenant.slug if visitor.tenant is not None else ALL_TENANTS
    session.save()
    for address in dict.fromkeys(admin_requests(browser, examples, only)):
        yield browser, address
    program = APIClient(raise_request_exception=False, headers={"host": host})
    program.force_authenticate(visitor.user)
    if visitor.tenant is not None:
        program.credentials(HTTP_X_TENANT=visitor.tenant.slug)
    for address in dict.fromkeys(api_requests(examples, only)):
        yield program, address
        if "?" not in address:
            yield from ((program, other) for other in _following(program, address))


def _following(program: Any, address: str) -> Iterator[str]:
    """From a list to its first row, and along its cursor."""
    body = program.get(address).json()
    if (detail := detail_of(address, body)) is not None and program.get(detail).status_code == 200:
        yield detail
    following = body.get("next") if isinstance(body, dict) else None
    if following and "cursor=" in following:
        yield following[following.index("/api/") :]


def _measure(client: Any, visitor: Visitor, address: str, repeat: int) -> Measured:
    with recorded() as statements:
        status = open_page(client, address)
    times = []
    for _ in range(repeat):
        began = time.perf_counter()
        open_page(client, address)
        times.append((time.perf_counter() - began) * 1000)
    scans = tuple(scans_of(statements))
    return Measured(visitor.name, address, status, tuple(times), len(statements.read), scans)


def open_page(client: Any, address: str) -> int:
    """The status; of a long answer the first piece, which is when a browser begins to save it."""
    answer = client.get(address)
    if answer.streaming:
        next(iter(answer.streaming_content), b"")
        # The client's own way to end it, which leaves the database connection of this process open.
        answer._iterator.close()
    return int(answer.status_code)
