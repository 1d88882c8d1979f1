"""What a client certificate must say of a charger; signatures and path were checked where the socket ends.

Spec: OCPP 1.6 security whitepaper A00.FR.403–407, A00.FR.509, A00.FR.511.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientCertificate:
    """A certificate that a charger has shown, from an authority that is believed.

    problem  what is wrong with it, whoever shows it: expired, revoked …; empty: nothing
    """

    common_names: tuple[str, ...] = ()
    organisations: tuple[str, ...] = ()
    serial_number: str = ""
    issuer: str = ""
    fingerprint: str = ""
    problem: str = ""


def find_fault(
    certificate: ClientCertificate, *, names: Iterable[str], organisations: Collection[str]
) -> str:
    """Why this certificate does not prove to be this charger, in words; empty: it does.

    names          what its common name may be: the charger's serial numbers, its identity
    organisations  the operator's name, and whom the operator trusts
    """
    if certificate.problem:
        return certificate.problem
    if not _have_common(certificate.organisations, organisations):
        owners = _listed(certificate.organisations) or "nobody"
        return f"its certificate belongs to {owners}, not to {_listed(sorted(organisations))}"
    if not _have_common(certificate.common_names, names):
        return f"its certificate is that of {_listed(certificate.common_names) or 'nobody'}"
    return ""


def _have_common(found: Iterable[str], wanted: Iterable[str]) -> bool:
    return bool({_key(text) for text in found} & {_key(text) for text in wanted if text.strip()})


def _key(text: str) -> str:
    return " ".join(text.split()).casefold()


def _listed(texts: Collection[str]) -> str:
    return " / ".join(f"“{text[:64]}”" for text in texts)
