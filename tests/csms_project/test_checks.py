from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.core.checks import CheckMessage
from pytest_django import Settings

from csms_project import checks

FERNET = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="


def _ids(check: Callable[..., Sequence[CheckMessage]]) -> set[str | None]:
    return {message.id for message in check()}


@pytest.fixture
def production(settings: Settings, tmp_path: Path) -> Settings:
    """Settings of a production site to which no check objects."""
    settings.PRODUCTION = True
    settings.DEBUG = False
    settings.ALLOWED_HOSTS = ["csms.example.com"]
    settings.PUBLIC_URL = "https://csms.example.com"
    settings.SECRET_KEY = "s" * 50
    settings.CHARGER_KEY_PEPPERS = ["p" * 44]
    settings.FIELD_ENCRYPTION_KEYS = [FERNET]
    settings.SQLITE = False
    settings.REDIS_URL = "redis://redis.example.com/0"
    settings.DATA_DIR = tmp_path
    return settings


def test_proper_production_settings_pass(production: Settings) -> None:
    found = [
        *checks.check_numbers(),
        *checks.check_tariff(),
        *checks.check_secrets(),
        *checks.check_production(),
        *checks.check_deployment(),
    ]
    assert found == []


@pytest.mark.parametrize(
    ("name", "value", "check", "id"),
    [
        ("OCPP_CALL_TIMEOUT_S", 0, checks.check_numbers, "csms.E001"),
        ("RETENTION_MESSAGES_DAYS", -1, checks.check_numbers, "csms.E002"),
        ("TARIFF_PRICE_PER_KWH", Decimal("-0.01"), checks.check_numbers, "csms.E002"),
        ("OCPP_WRITER_BATCH", 100_000, checks.check_numbers, "csms.E003"),
        ("OCPP_NODE_LEASE_S", 2, checks.check_numbers, "csms.E019"),
        ("PKI_CRL_DAYS", 0, checks.check_numbers, "csms.E001"),
        ("CERTIFICATE_PROVIDER", "nowhere.Nobody", checks.check_provider, "csms.E020"),
        ("CERTIFICATE_PROVIDER", "builtins.dict", checks.check_provider, "csms.E020"),
        ("TARIFF_CURRENCY", "euro", checks.check_tariff, "csms.E004"),
        ("TARIFF_VAT_PERCENT", Decimal(101), checks.check_tariff, "csms.E005"),
        ("FIELD_ENCRYPTION_KEYS", ["!" * 44], checks.check_secrets, "csms.E006"),
        ("CHARGER_KEY_PEPPERS", ["short"], checks.check_secrets, "csms.E007"),
        ("SECRET_KEY", FERNET, checks.check_secrets, "csms.E008"),
        ("DEBUG", True, checks.check_production, "csms.E009"),
        ("ALLOWED_HOSTS", ["*"], checks.check_production, "csms.E010"),
        ("ALLOWED_HOSTS", [], checks.check_production, "csms.E010"),
        ("SQLITE", True, checks.check_deployment, "csms.W011"),
        ("REDIS_URL", "", checks.check_deployment, "csms.W012"),
        ("PUBLIC_URL", "http://csms.example.com", checks.check_deployment, "csms.W013"),
        ("METRICS_TOKEN", "short", checks.check_deployment, "csms.W014"),
        ("TRUSTED_PROXIES", ["proxy"], checks.check_deployment, "csms.E015"),
        ("TRUSTED_PROXIES", ["10.0.0.1", "0.0.0.0/0"], checks.check_deployment, "csms.E016"),
    ],
)
def test_wrong_setting_is_found(
    production: Settings, name: str, value: Any, check: Callable[..., Sequence[CheckMessage]], id: str
) -> None:
    setattr(production, name, value)
    assert _ids(check) == {id}


def test_laptop_may_have_weak_settings(production: Settings) -> None:
    production.PRODUCTION = False
    production.ALLOWED_HOSTS = ["*"]
    production.CHARGER_KEY_PEPPERS = ["short"]
    assert [*checks.check_production(), *checks.check_secrets()] == []


def test_secret_file_that_others_may_read_is_named(production: Settings, tmp_path: Path) -> None:
    (tmp_path / "secrets").mkdir()
    file = tmp_path / "secrets" / "SECRET_KEY"
    file.touch(mode=0o600)
    assert _ids(checks.check_deployment) == set()
    file.chmod(0o640)
    assert _ids(checks.check_deployment) == {"csms.W017"}


@pytest.mark.parametrize("versions", [[], ["1.6", "1.5"], ["ocpp2.0.1"]])
def test_unknown_versions_of_ocpp_are_an_error(settings: Settings, versions: list[str]) -> None:
    settings.OCPP_VERSIONS = versions
    assert _ids(checks.check_versions) == {"csms.E026"}


def test_any_choice_of_known_versions_is_fine(settings: Settings) -> None:
    settings.OCPP_VERSIONS = ["2.1", " 1.6"]
    assert _ids(checks.check_versions) == set()
