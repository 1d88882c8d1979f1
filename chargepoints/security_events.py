"""Security events: how grave a type is, and whether it calls for a person.  Pure Python."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Final

CRITICAL: Final = "critical"
NORMAL: Final = "normal"

#: The list of the OCPP 1.6 security whitepaper §8: what is critical must be pushed to us, the rest may stay in the
#: charger's own log.
_LISTED: Final = {
    "FirmwareUpdated": CRITICAL,
    "FailedToAuthenticationAtCentralSystem": NORMAL,
    "CentralSystemFailedToAuthentication": NORMAL,
    "SettingSystemTime": CRITICAL,
    "StartupOfTheDevice": CRITICAL,
    "ResetOrReboot": CRITICAL,
    "SecurityLogWasCleared": CRITICAL,
    "ReconfigurationOfSecurityParameters": NORMAL,
    "MemoryExhaustion": CRITICAL,
    "InvalidMessages": NORMAL,
    "AttemptedReplayAttacks": NORMAL,
    "TamperDetectionActivated": CRITICAL,
    "InvalidFirmwareSignature": NORMAL,
    "InvalidFirmwareSigningCertificate": NORMAL,
    "InvalidCentralSystemCertificate": NORMAL,
    "InvalidChargePointCertificate": NORMAL,
    "InvalidTLSVersion": NORMAL,
    "InvalidTLSCipherSuite": NORMAL,
}
#: What 2.0.1 and 2.1 add (security_events.csv).
_LISTED_2X: Final = {
    "MaintenanceLoginAccepted": CRITICAL,
    "MaintenanceLoginFailed": CRITICAL,
    "InvalidCsmsCertificate": CRITICAL,
    "InvalidChargingStationCertificate": CRITICAL,
    "DiscardedRenewedClientCertificate": CRITICAL,
}
#: What this system notes by itself.
SIGNING_REFUSED: Final = "SignCertificateRefused"
FOREIGN_CERTIFICATE: Final = "CertificateOfAnotherCharger"
_OURS: Final = {SIGNING_REFUSED: NORMAL, FOREIGN_CERTIFICATE: CRITICAL}
#: Other spellings that chargers send: the words before they were corrected, and those of later versions.
_SPELLINGS: Final = {
    "failedtoauthenticateatcentralsystem": "FailedToAuthenticationAtCentralSystem",
    "centralsystemfailedtoauthenticate": "CentralSystemFailedToAuthentication",
    "failedtoauthenticateatcsms": "FailedToAuthenticationAtCentralSystem",
    "csmsfailedtoauthenticate": "CentralSystemFailedToAuthentication",
}
_TYPES: Final = {
    **{name.casefold(): severity for name, severity in (_LISTED | _LISTED_2X | _OURS).items()},
    **{spelling: _LISTED[name] for spelling, name in _SPELLINGS.items()},
}
#: For filters: every spelling of a type that is not critical.
NORMAL_TYPES: Final = tuple(sorted(name for name, severity in _TYPES.items() if severity == NORMAL))


def severity_of(type_: str) -> str:
    """`critical` or `normal`.  A type that nobody knows is critical: chargers push what is (A04.FR.01)."""
    return _TYPES.get(type_.strip().casefold(), CRITICAL)


def names_in(text: str) -> frozenset[str]:
    """The types in a list that people write with commas or line breaks, for comparing."""
    return frozenset(name.casefold() for name in re.split(r"[\s,;]+", text) if name)


def calls_for_a_person(
    type_: str, *, severities: str, always: Collection[str], never: Collection[str]
) -> bool:
    """Whether an event of this type is an alert.

    severities     `critical`, `all` or `none`
    always, never  types of `names_in` that are one, or none, whatever their severity; never is the stronger
    """
    name = type_.strip().casefold()
    if name in never:
        return False
    if name in always:
        return True
    return severities == "all" or (severities == CRITICAL and severity_of(type_) == CRITICAL)
