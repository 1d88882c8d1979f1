"""Which security events are grave, and which call for a person."""

from __future__ import annotations

import pytest

from accounts.models import Tenant
from chargepoints import security_events
from chargepoints.models import ChargePoint, SecurityEvent
from csms_project.common import jobs
from tests import factories
from tests.factories import T0

#: The table of the whitepaper, §8.
CRITICAL = {
    "FirmwareUpdated",
    "SettingSystemTime",
    "StartupOfTheDevice",
    "ResetOrReboot",
    "SecurityLogWasCleared",
    "MemoryExhaustion",
    "TamperDetectionActivated",
}
NORMAL = {
    "FailedToAuthenticationAtCentralSystem",
    "CentralSystemFailedToAuthentication",
    "ReconfigurationOfSecurityParameters",
    "InvalidMessages",
    "AttemptedReplayAttacks",
    "InvalidFirmwareSignature",
    "InvalidFirmwareSigningCertificate",
    "InvalidCentralSystemCertificate",
    "InvalidChargePointCertificate",
    "InvalidTLSVersion",
    "InvalidTLSCipherSuite",
}


def test_severity_is_that_of_the_whitepaper_and_unknown_types_are_critical() -> None:
    assert {security_events.severity_of(kind) for kind in CRITICAL} == {"critical"}
    assert {security_events.severity_of(kind) for kind in NORMAL} == {"normal"}
    assert security_events.severity_of("SomethingOfAVendor") == "critical"
    assert security_events.severity_of("") == "critical"


@pytest.mark.parametrize(
    "kind",
    [
        "MaintenanceLoginAccepted",
        "MaintenanceLoginFailed",
        "InvalidCsmsCertificate",
        "InvalidChargingStationCertificate",
        "DiscardedRenewedClientCertificate",
    ],
)
def test_severity_of_what_2x_adds_is_that_of_its_list(kind: str) -> None:
    assert security_events.severity_of(kind) == "critical"


@pytest.mark.parametrize(
    "kind", ["invalidmessages", " InvalidMessages ", "FailedToAuthenticateAtCsms", "CsmsFailedToAuthenticate"]
)
def test_other_spellings_are_known(kind: str) -> None:
    assert security_events.severity_of(kind) == "normal"


@pytest.mark.parametrize(
    ("kind", "severities", "always", "never", "is_alert"),
    [
        ("MemoryExhaustion", "critical", "", "", True),
        ("MemoryExhaustion", "none", "", "", False),
        ("MemoryExhaustion", "none", "Other, memoryexhaustion", "", True),
        ("MemoryExhaustion", "all", "MemoryExhaustion", "MEMORYEXHAUSTION", False),
        ("InvalidMessages", "critical", "", "", False),
        ("InvalidMessages", "all", "", "", True),
        ("Vendor", "critical", "", "", True),
    ],
)
def test_rule_of_the_organisation(
    kind: str, severities: str, always: str, never: str, is_alert: bool
) -> None:
    found = security_events.calls_for_a_person(
        kind,
        severities=severities,
        always=security_events.names_in(always),
        never=security_events.names_in(never),
    )
    assert found is is_alert


def test_lists_may_be_written_as_people_do() -> None:
    assert security_events.names_in(" A,b;\n c ,, ") == {"a", "b", "c"}
    assert security_events.names_in("") == frozenset()


def test_types_of_a_new_organisation_are_spelled_as_the_whitepaper_does() -> None:
    row = Tenant()
    written = security_events.names_in(row.alert_types) | security_events.names_in(row.quiet_types)
    assert written <= {kind.casefold() for kind in CRITICAL | NORMAL}


@pytest.mark.django_db
def test_old_events_go_but_for_alerts_that_nobody_has_acknowledged(charge_point: ChargePoint) -> None:
    long_ago = T0.replace(year=2010)
    make = factories.SecurityEventFactory
    make(charge_point=charge_point, received_at=long_ago)
    make(charge_point=charge_point, received_at=long_ago, is_alert=True, acknowledged_at=T0)
    kept = [
        make(charge_point=charge_point, received_at=long_ago, is_alert=True),
        make(charge_point=charge_point, received_at=T0),
    ]
    factories.CertificateRequestFactory(charge_point=charge_point, received_at=long_ago)
    factories.CertificateRequestFactory(
        charge_point=charge_point, received_at=long_ago, state="failed", ended_at=long_ago
    )
    assert jobs.get_job("chargepoints.purge_security_events").run(T0) == 3
    assert list(SecurityEvent.objects.order_by("pk")) == kept
