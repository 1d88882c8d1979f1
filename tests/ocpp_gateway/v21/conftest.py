"""Fixtures of OCPP 2.1."""

from __future__ import annotations

import pytest

from accounts.models import IdToken, Tenant
from tests import factories
from tests.ocpp_gateway.v201.helpers import Csms21


@pytest.fixture
def csms(monkeypatch: pytest.MonkeyPatch, db: None) -> Csms21:
    return Csms21(monkeypatch)


@pytest.fixture
def token(tenant: Tenant) -> IdToken:
    """The token that `helpers.token` names."""
    row: IdToken = factories.IdTokenFactory(tenant=tenant, value="04A1B2C3")
    return row
