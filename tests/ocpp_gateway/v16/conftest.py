"""Fixtures of OCPP 1.6: the system as chargers see it, and a token that may charge."""

from __future__ import annotations

import pytest

from accounts.models import IdToken, Tenant
from tests import factories
from tests.ocpp_gateway.v16.helpers import Csms


@pytest.fixture
def csms(monkeypatch: pytest.MonkeyPatch, db: None) -> Csms:
    return Csms(monkeypatch)


@pytest.fixture
def token(tenant: Tenant) -> IdToken:
    """The token that `helpers.start` names."""
    row: IdToken = factories.IdTokenFactory(tenant=tenant, value="04A1B2C3")
    return row
