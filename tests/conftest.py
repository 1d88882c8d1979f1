"""Fixtures of all tests.  Two tenants exist wherever one is used, so that leaks show."""

from __future__ import annotations

import os
from collections.abc import Callable

# Before the settings load: tests neither read nor write a data directory.
os.environ.setdefault("SECRET_KEY", "a-secret-of-the-tests-only-0123456789abcdefghijklmnop")
os.environ.setdefault("CHARGER_KEY_PEPPER", "a-pepper-of-the-tests-only")
os.environ.setdefault("FIELD_ENCRYPTION_KEYS", "dGVzdHMtb25seS1maWVsZC1lbmNyeXB0aW9uLWtleSE=")
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "csms_project.settings")

import django

django.setup()

import pytest  # noqa: E402
from django.conf import settings as django_settings  # noqa: E402
from hypothesis import HealthCheck  # noqa: E402
from hypothesis import settings as hypothesis_settings  # noqa: E402

from accounts.actors import actor_for_user  # noqa: E402
from accounts.choices import Role  # noqa: E402
from accounts.models import Tenant, User  # noqa: E402
from accounts.permissions import Actor  # noqa: E402
from chargepoints.models import ChargePoint, Connection, Connector, Location  # noqa: E402
from tests import factories  # noqa: E402

hypothesis_settings.register_profile(
    "default", deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow], derandomize=True
)
hypothesis_settings.register_profile("thorough", deadline=None, max_examples=2000)
hypothesis_settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))

# Hashing is not what these tests are about; the real hasher takes half a second for each user.
django_settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]

ActorFor = Callable[..., Actor]


@pytest.fixture
def other_tenant(db: None) -> Tenant:
    """A second tenant: whatever belongs to it must never be seen or touched."""
    return factories.TenantFactory(slug="rival", name="Rival")


@pytest.fixture
def tenant(other_tenant: Tenant) -> Tenant:
    """The tenant of the test; the other one exists whenever this one does."""
    return factories.TenantFactory(slug="acme", name="Acme")


@pytest.fixture
def actor_for(db: None) -> ActorFor:
    """Make a user with a role in a tenant and return the actor: `actor_for(tenant, Role.VIEWER)`."""

    def make(tenant: Tenant, role: Role = Role.OWNER) -> Actor:
        membership = factories.MembershipFactory(tenant=tenant, role=role)
        return actor_for_user(membership.user, tenant_slug=None, via="api", address="192.0.2.1")

    return make


@pytest.fixture
def owner(tenant: Tenant, actor_for: ActorFor) -> Actor:
    return actor_for(tenant, Role.OWNER)


@pytest.fixture
def operator(tenant: Tenant, actor_for: ActorFor) -> Actor:
    return actor_for(tenant, Role.OPERATOR)


@pytest.fixture
def technician(tenant: Tenant, actor_for: ActorFor) -> Actor:
    return actor_for(tenant, Role.TECHNICIAN)


@pytest.fixture
def support(tenant: Tenant, actor_for: ActorFor) -> Actor:
    return actor_for(tenant, Role.SUPPORT)


@pytest.fixture
def viewer(tenant: Tenant, actor_for: ActorFor) -> Actor:
    return actor_for(tenant, Role.VIEWER)


@pytest.fixture
def stranger(other_tenant: Tenant, actor_for: ActorFor) -> Actor:
    """An owner, but of the other tenant."""
    return actor_for(other_tenant, Role.OWNER)


@pytest.fixture
def superuser(db: None) -> User:
    return factories.UserFactory(username="root", is_superuser=True, is_staff=True)


@pytest.fixture
def location(tenant: Tenant) -> Location:
    return factories.LocationFactory(tenant=tenant)


@pytest.fixture
def charge_point(tenant: Tenant, location: Location) -> ChargePoint:
    """A registered charge point with EVSEs 1 and 2, offline."""
    return factories.ChargePointFactory(tenant=tenant, location=location, identity="CP-A", connectors=2)


@pytest.fixture
def other_charge_point(other_tenant: Tenant) -> ChargePoint:
    """A charge point of the other tenant."""
    return factories.ChargePointFactory(tenant=other_tenant, identity="CP-B", connectors=2)


@pytest.fixture
def connector(charge_point: ChargePoint) -> Connector:
    return charge_point.connectors.get(ocpp_number=1)


@pytest.fixture
def connection(charge_point: ChargePoint) -> Connection:
    """The charge point's live socket: asking for this fixture makes it online."""
    return factories.ConnectionFactory(charge_point=charge_point)


@pytest.fixture(autouse=True)
def _forget_layouts() -> None:
    """The gateway remembers layout ids for good; each test's rows are rolled back."""
    from transactions.services import batch

    batch._layouts.clear()
